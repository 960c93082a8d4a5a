"""A small experiment over the real cases with a scripted model: `python rehearsal.py FOLDER` runs it to the search."""

import json
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import dspy

from workbench.core import ExpectedCall, Meter, digest_bytes
from workbench.datasets import default_cache, fetch, load_bfcl, load_registry
from workbench.lab import Bench, Progress, Workspace, deciding, read_experiment, searching, stages
from workbench.lab.outcome import Folders
from workbench.lms import CallStore, LMSpec, ScriptedEngine, scripted_lm

PARTS = ("multiple", "simple_python", "irrelevance")
TEXT = """\
question: Does the way through stand?
data: {set: bfcl_v4, parts: [multiple, simple_python, irrelevance], train: 60, val: 12, test: 24, abstention: 0.25}
lm: {model: embedded, timeout_seconds: 5}
agent:
  index: {retriever: bm25}
  layout: signature
optimize:
  using: [tune_retrieval, random_search]
  space:
    index.k1: [0.9, 1.2]
    demos: [0, 2, 4]
    demo_choice: [fixed, nearest]
    layout: [documented, signature]
  budget: {calls: 200, tokens: 900000}
metrics: [task_success, tool_choice, recall@1]
gate:
  - {metric: task_success, at_least: 0.05}
traces: 4
workers: 2
seed: 7
"""


@cache
def key() -> dict[str, str]:
    """The right arguments of each request, as a model would write them."""
    entry = load_registry().entry("bfcl_v4")
    cases = load_bfcl(fetch(entry, cache=default_cache()), PARTS).cases
    return {
        case.request.strip(): json.dumps(case.expected.example(), ensure_ascii=False)
        for case in cases
        if isinstance(case.expected, ExpectedCall)
    }


def answer(prompt: str) -> str:
    """Right for every fifth request, and for one more fifth with each demo."""
    request = prompt.rpartition("\nRequest: ")[2].rpartition("\nArguments:")[0].strip()
    demos = prompt.count("\nArguments:\n{")
    knows = int(digest_bytes(request.encode())[:8], 16) % 5 <= demos
    return key().get(request, "{}") if knows else "{}"


@dataclass
class Rehearsal:
    """Stands in for `connect`; counts what the engine was really asked."""

    delay_seconds: float = 0.0
    engine: ScriptedEngine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = ScriptedEngine(self._answer)

    def __call__(self, spec: LMSpec, *, store: CallStore | None = None, meter: Meter | None = None) -> dspy.LM:
        """The scripted model under the name of the one it stands in for."""
        return scripted_lm(self.engine, spec=spec, store=store, meter=meter)

    def _answer(self, prompt: str) -> str:
        time.sleep(self.delay_seconds)
        return answer(prompt)


@dataclass
class Told:
    """Watches which stages were made."""

    made: list[str] = field(default_factory=list)

    def stage(self, name: str, *, skipped: bool) -> None:
        """Keeps the names of those that were."""
        if not skipped:
            self.made.append(name)

    def advance(self, done: int, total: int) -> None:
        """Of no interest."""

    def note(self, text: str) -> None:
        """Of no interest."""


def bench_in(folder: Path, connect: Rehearsal, *, text: str = TEXT, progress: Progress | None = None) -> Bench:
    """The experiment at work in a folder."""
    file = folder / "rehearsal.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return Bench(read_experiment(file), Workspace(folder / "work", progress or Told()), connect=connect)


def search(bench: Bench) -> tuple[Path, Path, Path, Path]:
    """From the index to the search."""
    indexes, evalset = stages.index(bench), stages.evalset(bench)
    baseline = stages.baseline(bench, indexes, evalset)
    return indexes, evalset, baseline, searching.search(bench, indexes, evalset)


def judge(bench: Bench) -> Folders:
    """From the index to the gate."""
    indexes, evalset, baseline, optimized = search(bench)
    winner = deciding.winner(bench, indexes, evalset, baseline, optimized)
    suites = deciding.try_suites(bench, indexes, winner)
    gate = deciding.gate(bench, baseline, winner, suites)
    return Folders(
        indexes=indexes,
        evalset=evalset,
        baseline=baseline,
        optimized=optimized,
        winner=winner,
        suites=suites,
        gate=gate,
    )


if __name__ == "__main__":
    time.perf_counter = lambda: 0.0
    search(bench_in(Path(sys.argv[1]), Rehearsal(delay_seconds=0.005)))
