"""Calls and tokens to the same held-out score on two real tasks: a part of `benchmarks.frugality`.

Rules, beside those at the top there:

- The tasks of `benchmarks.real_gain`, smaller: 40 training, 12 validation and 30 held-out cases, one seed, since the
  embedded model takes a second for an answer. An answer is computed once and told to all who ask and pay for it.
- The base model is the only one, so it is the proposer of peers that want one, though it can't write instructions; ours
  asks for none. MIPROv2 light; GEPA with 120 metric calls; random search with 4 demos and 10 programs. A peer that ends
  with an error, or no better than the start on the held-out cases, reached nothing to compare with, and is shown so.
- Ours is the frugal search with the same settings, over what the task's agent can be: 2, 4 or 8 demos, fixed or
  nearest, eight draws of them. Its budget is 120 calls.
- The held-out score of what a searcher would return at any time is measured outside of its account. The target is the
  one that the peer ends with. The 95 % interval is a percentile bootstrap of the held-out cases: with one run of each
  it says how sure the scores are, not how another run would go.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path as File

import dspy
import numpy as np

from benchmarks.frugal_measure import RESAMPLES, UNITS, Pair, Path, Point, Ratio, Unit
from benchmarks.frugal_ours import Proposed, run_ours
from benchmarks.frugal_peers import FOUR, LIGHT, Ground, Peer, Step, run_peer
from benchmarks.real_gain import Remembered
from benchmarks.real_tasks import MODEL, Problem, Size, banking77, tool_calling
from benchmarks.simulated_task import METRIC, MOST_DEMOS, Filler
from workbench.agents import Agent, AgentSpec, build_agent, learned
from workbench.core import Budget, Meter, OptimizeError, WorkbenchError, boundary
from workbench.evals import EvaluationRequest, evaluate, render_table
from workbench.lms import CallStore, EmbeddedEngine, scripted_lm
from workbench.lms.accounted import Engine
from workbench.optimize import Task, Trial

SIZE = Size(40, 12, 30, Budget(calls=120))
SEARCH = Proposed(
    {"demos": [2, 4, 8], "demo_choice": ["fixed", "nearest"], "demo_set": list(range(8))}, predictor="fill", texts=0
)
PEERS = (LIGHT, Peer("GEPA(max_metric_calls=120)", "GEPA", most=120), FOUR)
PROPOSER = MODEL.model_copy(update={"temperature": 1.0, "max_tokens": 200})
SEED = 7
LEAST = 2.0


@dataclass(frozen=True)
class Trail:
    """What a searcher would have returned from when on, with its outcomes on the held-out cases."""

    name: str
    steps: tuple[Step, ...]
    outcomes: tuple[tuple[float, ...], ...]
    """Of each step, one for each held-out case."""
    calls: int
    tokens: int
    failed: str = ""
    """Why it ended early."""

    def path(self, cases: Sequence[int]) -> Path:
        """With the mean over some of the held-out cases, given as places, as the true score."""
        scores = [float(np.mean([row[place] for place in cases])) for row in self.outcomes]
        points = [Point(step.calls, step.tokens, score) for step, score in zip(self.steps, scores, strict=True)]
        return Path(tuple(points), self.calls, self.tokens)


@dataclass
class Contest:
    """One task, on which every searcher begins anew with its own ledger and call store."""

    problem: Problem
    engine: Engine
    folder: File
    _outcomes: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def ours(self) -> Trail:
        """Our search."""
        meter, lm, store = self._opened("ours", SIZE.budget)

        def task(hear: Callable[[Trial], None]) -> Task:
            problem = self.problem
            return Task(
                train=problem.train,
                val=problem.val,
                build=self._builder(lm),
                meter=meter,
                seed=SEED,
                workers=1,
                on_trial=hear,
            )

        steps, _returned = run_ours(SEARCH, self.problem.start, meter, task)
        store.close()
        return self._trail("FrugalSearch", steps, meter)

    def peer(self, peer: Peer) -> Trail:
        """One of dspy's."""
        meter, lm, store = self._opened(peer.name, Budget())
        start = self.problem.start.model_copy(update={"demo_choice": "fixed"})

        def spec_of(program: dspy.Module) -> AgentSpec:
            return learned(start, program).model_copy(update={"demos": len(program.fill.demos)})

        shown = start.model_copy(update={"demos": MOST_DEMOS})
        ground = Ground(
            agent=self._builder(lm)(start),
            program=Filler(shown, self.problem.index(start.index)),
            train=self.problem.train,
            val=self.problem.val,
            proposer=scripted_lm(self.engine, spec=PROPOSER, store=store, meter=meter),
            meter=meter,
            seed=SEED,
            spec_of=spec_of,
        )
        steps: list[Step] = []
        failed = ""
        try:
            with boundary(OptimizeError, "dspy's optimizer failed"):
                run_peer(peer, ground, steps)
        except WorkbenchError as error:
            failed = str(error).splitlines()[0]
        store.close()
        return self._trail(peer.name, steps, meter, failed)

    def _opened(self, name: str, budget: Budget) -> tuple[Meter, dspy.LM, CallStore]:
        place = self.folder / f"{self.problem.name}-{len(list(self.folder.glob('*.db')))}.db"
        meter, store = Meter(budget), CallStore(place)
        print(f"{self.problem.name}: {name}", file=sys.stderr)
        return meter, scripted_lm(self.engine, spec=MODEL, store=store, meter=meter), store

    def _trail(self, name: str, steps: Sequence[Step], meter: Meter, failed: str = "") -> Trail:
        outcomes = tuple(self._tried(step.spec) for step in steps)
        return Trail(name, tuple(steps), outcomes, meter.spent.calls, meter.spent.tokens, failed)

    def _tried(self, spec: AgentSpec) -> tuple[float, ...]:
        """The outcomes on the held-out cases, on nobody's account."""
        if spec.digest not in self._outcomes:
            agent = self._builder(scripted_lm(self.engine, spec=MODEL))(spec)
            request = EvaluationRequest(
                agent="candidate",
                agent_digest=agent.digest,
                evalset_digest=self.problem.evalset,
                split="test",
                metrics=(METRIC,),
                source="embedded",
            )
            run = evaluate(agent, self.problem.test, request=request)
            self._outcomes[spec.digest] = tuple(score.value or 0.0 for score in run.scores)
        return self._outcomes[spec.digest]

    def _builder(self, lm: dspy.LM) -> Callable[[AgentSpec], Agent]:
        return lambda spec: build_agent(spec, index=self.problem.index(spec.index), lm=lm)


def gained(trail: Trail) -> bool:
    """Whether a searcher ended better than the start, on the held-out cases."""
    return bool(trail.outcomes) and sum(trail.outcomes[-1]) > sum(trail.outcomes[0])


def ratio_of(theirs: Trail, ours: Trail, unit: Unit) -> Ratio:
    """How many times ours a peer took to the held-out score that it ends with."""
    count = len(theirs.outcomes[0])
    drawn = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))

    def ratio(cases: Sequence[int]) -> float:
        return Pair("", [theirs.path(cases)], [ours.path(cases)]).ratio([0], unit)

    low, high = np.quantile([ratio([int(place) for place in cases]) for cases in drawn], [0.025, 0.975])
    return Ratio(ratio(range(count)), float(low), float(high))


def meet(contest: Contest) -> tuple[Trail, list[Trail]]:
    """Ours and the peers on one task."""
    return contest.ours(), [contest.peer(peer) for peer in PEERS]


def lines(task: str, ours: Trail, peers: Sequence[Trail]) -> list[tuple[str, str, str, str, str]]:
    """Whether what was measured meets the target, the task, the peer, the unit, and how many times ours it took."""
    found = []
    for peer in peers:
        if not gained(peer):
            found.append(("shown", task, peer.name, "", peer.failed or "no better than the start"))
            continue
        for unit in UNITS:
            ratio = ratio_of(peer, ours, unit)
            met = ratio.value >= LEAST and ratio.low > 1
            found.append(("met" if met else "MISSED", task, peer.name, unit, str(ratio)))
    return found


def measure_real() -> tuple[bool, dict[str, object]]:
    """Measure and print the embedded part; whether all targets are met, and the figures.

    Raises: WorkbenchError if data or model are not there.
    """
    problems = [tool_calling(SIZE, SEED), banking77(SIZE, SEED)]
    engine, found, written = Remembered(EmbeddedEngine()), [], {}
    with tempfile.TemporaryDirectory() as folder:
        for problem in problems:
            ours, peers = meet(Contest(problem, engine, File(folder)))
            print(f"{problem.name}: {len(problem.test)} held-out cases, {len(problem.val)} for validation, seed {SEED}")
            rows = [_row(trail) for trail in (ours, *peers)]
            print(render_table(("searcher", "held-out score after so many calls", "calls", "tokens"), rows))
            found += lines(problem.name, ours, peers)
            written[problem.name] = {trail.name: _figures(trail) for trail in (ours, *peers)}
    print(render_table(("", "task", "peer", "unit", f"times ours, target {LEAST:g}"), found))
    print("label: embedded model, real requests; BFCL v4 (Apache-2.0), banking77 (CC BY 4.0)")
    return all(line[0] != "MISSED" for line in found), {"trails": written, "verdicts": found}


def _row(trail: Trail) -> tuple[str, str, str, str]:
    scores = ", ".join(
        f"{step.calls}: {np.mean(row):.3f}" for step, row in zip(trail.steps, trail.outcomes, strict=True)
    )
    return trail.name, scores, str(trail.calls), str(trail.tokens)


def _figures(trail: Trail) -> dict[str, object]:
    points = [
        {"calls": step.calls, "tokens": step.tokens, "held_out": float(np.mean(row))}
        for step, row in zip(trail.steps, trail.outcomes, strict=True)
    ]
    return {"points": points, "calls": trail.calls, "tokens": trail.tokens, "failed": trail.failed}
