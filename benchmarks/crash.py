"""Crash: kill -9 an optimization again and again. Is any call made again, and does it end with the same winner?

    python -m benchmarks.crash [--quick] [--kills N] [--json FILE]

Rules:

- The agent that is optimized asks a retriever, then its model, then tries its call with a tool, then asks a judge
  whether to give the answer. All four are a service in another process, which is never killed and writes down every
  call that it carries out. The model goes through the call store, the others are `journaled` in it; the budget is one
  that processes share.
- The optimization is killed 20 times at points spread at random over its calls, each time with a random delay of some
  milliseconds more, and started again. Beside it, one runs undisturbed.
- A call is kept when its answer is in the call store, which is before its caller sees it. A kept call that is carried
  out again counts as repeated; the target is none. What a kill cuts short before it is kept is in flight: at each kill
  at most one call for each thread. Twice, with two services:
  "knows keys": the service is told the key of each call and does nothing for one that it has carried out. Then no call
  at all may be carried out twice. "knows none": no journal can tell whether a call in flight was carried out, so it is
  made again; those are counted.
- The same winner: the spec of the best agent, every trial and what was spent, byte by byte, but for digests of runs,
  which hold how long each step took.
"""

import argparse
import gc
import hashlib
import json
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from benchmarks import forked
from benchmarks.outside import Answers, Caller, Service
from benchmarks.small_world import SPACE, World, outcome, pupil, start
from workbench.agents import Agent, AgentSpec
from workbench.core import Budget, Meter, Prediction, Record, canonical_json, digest_bytes, short, stream
from workbench.evals import render_table
from workbench.evals.clock import timed_by
from workbench.lms import CallStore, External, SharedMeter, journaled, scope
from workbench.lms.embedded import WORKED
from workbench.lms.scripted import prompt_text
from workbench.optimize import LabeledDemos, RandomSearch, optimize
from workbench.retrieval import Index, View

SEED = 6
WORKERS = 2
CASES, QUICK_CASES = 24, 12
KILLS, QUICK_KILLS = 20, 5
LONGEST_DELAY_SECONDS = 0.006
LOOK_SECONDS = 0.0005
KINDS = ("lm", "retriever", "tool", "judge")
RETRIEVER = External(kind="retriever", name="towns", version="1", pure=True)
TOOL = External(kind="tool", name="booking", version="1", usd=0.25)
JUDGE = External(kind="judge", name="plausible", version="1", pure=True)


class Leg(Record):
    """One optimization that was killed many times."""

    name: str
    knows_keys: bool
    wanted: int
    kills: int
    calls: dict[str, int]
    """Calls that the undisturbed one made, by kind."""
    repeated: int
    """Kept calls that were carried out again."""
    in_flight: int
    """Calls that a kill cut short after they were carried out and before they were kept."""
    most_in_flight: int
    """At one kill."""
    twice: int
    """Calls that were carried out more than once."""
    same_winner: bool
    same_outcome: bool
    winner: str

    @property
    def met(self) -> bool:
        """Every kill took place, nothing kept was repeated, and the end is the same."""
        same = self.same_winner and self.same_outcome and all(self.calls.get(kind) for kind in KINDS)
        twice = 0 if self.knows_keys else self.in_flight
        return self.kills == self.wanted and same and not self.repeated and self.twice <= twice and self._bounded

    @property
    def _bounded(self) -> bool:
        return self.most_in_flight <= WORKERS


def _fate(text: str) -> int:
    return hashlib.sha256(text.encode()).digest()[0]


ANSWERS: Answers = {
    "lm": pupil,
    "retriever": lambda text: f"passage {_fate(text)}",
    "tool": lambda text: f"booked {_fate(text)}",
    "judge": lambda text: "no" if _fate(text) < 40 else "yes",
}
"""The judge says no to about one in six."""


@dataclass
class _Model:
    """The model, behind the service."""

    call: Caller

    def complete(self, request: Request) -> Response:
        """Its answer; words are tokens, and an eighth of a second is claimed for each, so that sums are exact."""
        prompt = prompt_text(request)
        text = self.call("lm", prompt)
        words = len(prompt.split()), len(text.split())
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(text)]),
            finish_reason="stop",
            usage=Usage(input_tokens=words[0], output_tokens=words[1]),
            provider_data={WORKED: 125.0 * sum(words)},
        )


class _Outside:
    """The calls that are no model's, each made once."""

    def __init__(self, call: Caller, store: CallStore, meter: Meter) -> None:
        self.search = journaled(store, RETRIEVER)(lambda text: call("retriever", text))
        self.book = journaled(store, TOOL, meter=meter)(lambda text: call("tool", text))
        self.judge = journaled(store, JUDGE)(lambda text: call("judge", text))


class _Visitor(Agent):
    """An agent that looks something up, decides, acts, and is judged."""

    def __init__(self, spec: AgentSpec, index: Index, lm: dspy.LM, outside: _Outside) -> None:
        super().__init__(spec, index, lm)
        self.outside = outside

    def __call__(self, request: str, view: View | None = None) -> Prediction:
        """The model's call, if the judge finds it plausible; else none."""
        passage = self.outside.search(request)
        prediction = super().__call__(request, view)
        booked = self.outside.book(canonical_json(prediction.model_dump(mode="json", include={"call"})).decode())
        said = self.outside.judge(f"{request} {passage} {booked}")
        return prediction if said == "yes" else prediction.model_copy(update={"call": None})


def _optimize(folder: Path, service: Path, cases: int) -> None:
    """The optimization, from its beginning or from wherever it was killed."""
    store, call = CallStore(folder / "calls.db"), Caller(service)
    meter = SharedMeter(Budget(calls=5_000, usd=2_000.0), store=store, name="search")
    outside = _Outside(call, store, meter)
    world = World("town", engine=_Model(call))

    def build(spec: AgentSpec, index: Index, lm: dspy.LM) -> Agent:
        return _Visitor(spec, index, lm, outside)

    task = replace(world.task(meter, store=store, seed=SEED, val=cases, build=build), workers=WORKERS)
    searchers = (LabeledDemos(demos=1), RandomSearch(SPACE, candidates=4, first_cases=cases // 3))
    with timed_by(lambda: 0.0), scope(run="search"):
        found = optimize(start(), searchers, task)
    (folder / "winner.json").write_bytes(canonical_json(found.winner.model_dump(mode="json")))
    (folder / "outcome.json").write_bytes(outcome(found))


@dataclass
class _Watch:
    """Looks at an optimization from outside, and kills it."""

    folder: Path
    service: Path
    kills: int = 0
    repeated: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    _read: int = 0
    """Lines of the service that were looked at."""
    _kept: set[str] = field(default_factory=set)

    def kill(self, child: int, point: int, random: Random) -> None:
        """Wait until so many calls were carried out in all, and a little longer; then kill."""
        while len(self.did()) < point and not forked.ended(child):
            time.sleep(LOOK_SECONDS)
        time.sleep(random.uniform(0, LONGEST_DELAY_SECONDS))
        if forked.kill(child):
            self.kills += 1
            time.sleep(0.02)  # what the service has begun it ends
            flying = self.look()
            self.in_flight += flying
            self.most_in_flight = max(self.most_in_flight, flying)

    def look(self) -> int:
        """How many calls were carried out since the last look and are not kept; kept ones may not be among them."""
        did = [line.split()[1] for line in self.did()[self._read :]]
        self._read += len(did)
        self.repeated += sum(key in self._kept for key in did)
        with sqlite3.connect(self.folder / "calls.db") as db:
            self._kept = {row[0] for row in db.execute("SELECT key FROM answers")}
        return len(set(did) - self._kept)

    def did(self) -> list[str]:
        """What the service carried out, in order."""
        return forked.lines(self.service / "did")


def leg(folder: Path, *, knows_keys: bool, kills: int, cases: int) -> Leg:
    """One optimization undisturbed, then one that is killed."""
    places = [folder / name for name in ("quiet", "killed", "quiet-service", "killed-service")]
    for place in places:
        place.mkdir(parents=True)
    quiet, killed, *services = places
    running = [forked.start(Service(place, ANSWERS, knows_keys).serve) for place in services]
    _await_sockets(services)
    forked.finish(forked.start(partial(_optimize, quiet, services[0], cases)))
    total = len(forked.lines(services[0] / "did"))
    random, watch = stream(SEED, folder.name), _Watch(killed, services[1])
    for point in sorted(random.sample(range(1, total * 49 // 50), kills)):
        watch.kill(forked.start(partial(_optimize, killed, services[1], cases)), point, random)
    forked.finish(forked.start(partial(_optimize, killed, services[1], cases)))
    watch.look()
    for child in running:
        forked.kill(child)
    same = [(quiet / name).read_bytes() == (killed / name).read_bytes() for name in ("winner.json", "outcome.json")]
    return Leg(
        name="knows keys" if knows_keys else "knows none",
        knows_keys=knows_keys,
        wanted=kills,
        kills=watch.kills,
        calls=Counter(line.split()[0] for line in forked.lines(services[0] / "did")),
        repeated=watch.repeated,
        in_flight=watch.in_flight,
        most_in_flight=watch.most_in_flight,
        twice=len(watch.did()) - len(set(watch.did())),
        same_winner=same[0],
        same_outcome=same[1],
        winner=short(digest_bytes((killed / "winner.json").read_bytes())),
    )


def _await_sockets(services: Sequence[Path]) -> None:
    while not all((place / "socket").exists() for place in services):
        time.sleep(LOOK_SECONDS)


def render(legs: Sequence[Leg]) -> str:
    """The table."""
    head = ("service", "kills", *KINDS, "repeated", "in flight", "at a kill", "twice", "winner")
    rows = [
        (
            one.name,
            str(one.kills),
            *(str(one.calls.get(kind, 0)) for kind in KINDS),
            *map(str, (one.repeated, one.in_flight, one.most_in_flight, one.twice)),
            "same" if one.same_winner and one.same_outcome else "OTHER",
        )
        for one in legs
    ]
    return (
        f"simulated service; calls by kind are those of the undisturbed optimization\n{render_table(head, rows)}\n"
        "targets: kept calls repeated 0; twice 0 where the service knows keys, else at most those in flight;\n"
        "the same winner, trials and spending, byte by byte\n"
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smaller sample, under a minute")
    parser.add_argument("--kills", type=int, metavar="N", help="kill so often; the targets are for 20")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    kills = options.kills or (QUICK_KILLS if options.quick else KILLS)
    cases = QUICK_CASES if options.quick else CASES
    gc.freeze()  # else a collection in a child would write to, and so copy, every page of this process
    with tempfile.TemporaryDirectory() as folder:
        legs = [
            leg(Path(folder) / name, knows_keys=knows, kills=kills, cases=cases)
            for name, knows in (("k", True), ("n", False))
        ]
    met = all(one.met for one in legs)
    print(render(legs))
    print(f"target {'met' if met else 'MISSED'}: no kept call repeated, the same winner bit for bit")
    if options.json is not None:
        figures = {"legs": [{**one.model_dump(mode="json"), "met": one.met} for one in legs], "met": met}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
