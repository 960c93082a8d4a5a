"""Isolation: eight optimizations at once in one process. Does any evaluate another's prompt, and are they faster?

    python -m benchmarks.isolation [--quick] [--json FILE]

Rules:

- Eight searches on threads of one process share one call store; each has a world, a run and a budget of its own. The
  model is scripted and answers after 20 ms. It knows from the ledger's scope which search and which candidate a call
  is accounted to, and from the prompt whose request, tools and demos it was asked with, and how many demos. Where
  the two differ, an evaluation was made with another's prompt.
- Throughput is calls answered by the second, of the same eight searches one after another and at once, each with a
  fresh store, in turns; shown is the median of the ratios. Every search must end as it ended alone.
- The peer is `mlflow.genai.optimize_prompts` with its GepaPromptOptimizer, two at once on threads of one process, with
  a predict function that says with which prompt it was evaluated and a proposer that needs no model: an evaluation is
  wrong if its prompt is not the candidate that this optimizer asked to evaluate. It has a process of its own.
"""

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks.forked import in_threads
from benchmarks.small_world import DEMO, SPACE, Model, World, pupil, start
from workbench.core import Budget, Meter, Record, short
from workbench.evals import render_table
from workbench.lms import CallStore, here, scope
from workbench.optimize import LabeledDemos, Optimized, RandomSearch, optimize

TARGET_RATIO = 1.8
SEARCHES = 8
LATENCY_SECONDS = 0.020
PEER_SECONDS = 240


class Size(Record):
    """How much is measured."""

    cases: int
    candidates: int
    rounds: int
    peers: int


FULL = Size(cases=30, candidates=5, rounds=3, peers=5)
QUICK = Size(cases=12, candidates=2, rounds=1, peers=1)


class Figures(Record):
    """What was measured."""

    evaluations: int
    """Calls that the model answered, in all rounds at once."""
    foreign: int
    """Of them, with the prompt of another search or candidate."""
    other_ends: int
    """Searches that ended otherwise than alone."""
    alone_per_second: float
    together_per_second: float
    ratio: float
    """Median over rounds."""

    @property
    def met(self) -> bool:
        """No foreign prompt, the same ends, faster."""
        return self.evaluations > 0 and not self.foreign and not self.other_ends and self.ratio >= TARGET_RATIO


@dataclass
class _Watched:
    """One search's world, whose model looks at whose prompt it is given."""

    number: int
    seen: int = 0
    foreign: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.world = World(f"land{self.number}", engine=Model(self._answer))

    def _answer(self, prompt: str) -> str:
        time.sleep(LATENCY_SECONDS)
        where = here()
        spec = self.world.specs[where.candidate]
        own = where.run == self.world.name and all(
            f"land{other}" not in prompt for other in range(SEARCHES) if other != self.number
        )
        shown = prompt.count(DEMO) == spec.demos and prompt.count(self.world.name) > spec.demos
        with self._lock:
            self.seen += 1
            self.foreign += not (own and shown)
        return pupil(prompt)


def _search(watched: _Watched, store: CallStore, size: Size) -> Optimized:
    name = watched.world.name
    searchers = (LabeledDemos(demos=1), RandomSearch(SPACE, candidates=size.candidates, first_cases=size.cases // 2))
    meter = Meter(Budget(calls=10_000))
    task = watched.world.task(meter, store=store, seed=watched.number, val=size.cases)
    with scope(run=name):
        return optimize(start(), searchers, task)


def _eight(path: Path, size: Size, *, threads: int) -> tuple[list[_Watched], list[tuple[str, int]], float]:
    """The searches on so many threads; what they saw, how each ended, and seconds."""
    store, every = CallStore(path), [_Watched(number) for number in range(SEARCHES)]
    began = time.perf_counter()
    share = SEARCHES // threads
    parts = in_threads(lambda n: [_search(one, store, size) for one in every[n * share : (n + 1) * share]], threads)
    seconds = time.perf_counter() - began
    store.close()
    found = [one for part in parts for one in part]
    return every, [(short(one.winner.digest), len(one.trials)) for one in found], seconds


def measure(size: Size, folder: Path) -> Figures:
    """Alone and at once, in turns."""
    rates: list[tuple[float, float]] = []
    seen = foreign = other_ends = 0
    _eight(folder / "warm.db", QUICK.model_copy(update={"cases": 4, "candidates": 1}), threads=SEARCHES)
    for number in range(size.rounds):
        alone, ends_alone, seconds_alone = _eight(folder / f"alone-{number}.db", size, threads=1)
        together, ends, seconds = _eight(folder / f"together-{number}.db", size, threads=SEARCHES)
        answered = [sum(one.seen for one in every) for every in (alone, together)]
        rates.append((answered[0] / seconds_alone, answered[1] / seconds))
        seen += answered[1]
        foreign += sum(one.foreign for one in (*alone, *together))
        other_ends += sum(one != other for one, other in zip(ends, ends_alone, strict=True))
    return Figures(
        evaluations=seen,
        foreign=foreign,
        other_ends=other_ends,
        alone_per_second=statistics.median(rate[0] for rate in rates),
        together_per_second=statistics.median(rate[1] for rate in rates),
        ratio=statistics.median(rate[1] / rate[0] for rate in rates),
    )


def peer(size: Size) -> list[dict[str, int]]:
    """What each of MLflow's optimizations evaluated, and with how many wrong prompts; empty if it did not end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.mlflow_prompts", folder, str(size.peers)]
        done = subprocess.run(
            command, cwd=Path(__file__).parents[1], capture_output=True, timeout=PEER_SECONDS, check=False
        )
        found = Path(folder) / "found.json"
        if done.returncode or not found.exists():
            sys.stderr.write(done.stderr.decode()[-2000:])
            return []
        return list(json.loads(found.read_text()))


def render(figures: Figures, peers: Sequence[dict[str, int]]) -> str:
    """The table, and the peer."""
    rows = [
        ("evaluations with another's prompt", f"{figures.foreign} of {figures.evaluations}", "0"),
        ("searches that end otherwise than alone", str(figures.other_ends), "0"),
        ("calls by the second, one after another", f"{figures.alone_per_second:.0f}", ""),
        (f"calls by the second, {SEARCHES} at once", f"{figures.together_per_second:.0f}", ""),
        ("ratio", f"{figures.ratio:.2f}", f"at least {TARGET_RATIO}"),
    ]
    shares = [100 * one["wrong"] / one["evaluations"] for one in peers if one["evaluations"]]
    said = "not measured: its process broke (elsewhere: 33-67 % of one of two)"
    if shares:
        worst = ", ".join(f"{share:.0f} %" for share in shares)
        said = f"evaluations with another's prompt, by optimization: {worst} (elsewhere: 33-67 % of one of two)"
    table = render_table(("scripted model, 20 ms", "figure", "target"), rows)
    return f"{table}\npeer: mlflow {version('mlflow')} genai.optimize_prompts, two at once: {said}\n"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.isolation", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smaller sample, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    size = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(size, Path(folder))
    peers = peer(size)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(render(figures, peers))
    print(f"target {'met' if figures.met else 'MISSED'}: no foreign prompt, at least {TARGET_RATIO} times as fast")
    if options.json is not None:
        result = {"figures": figures.model_dump(mode="json"), "peer": peers, "met": figures.met}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if figures.met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
