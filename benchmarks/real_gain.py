"""Real gain: what each optimizer is worth on held-out cases of two real tasks, at an equal budget of tokens.

    python -m benchmarks.real_gain [--quick] [--task TASK] [--seed SEED] [--json FILE]

Rules of the comparison:

- Two tasks with the embedded model: `tool_calling`, the leaderboard's requests over its pooled catalogue of tools, and
  `banking77`, customers' messages that one tool with one argument sends to one of 77 intents. With one tool there is no
  retrieval to tune, so `tune_retrieval` takes part in the first only.
- The same program, start, model, training, validation and test cases, threads and seed for each optimizer; each has its
  own ledger and call store, so none profits from what another paid. An engine's answer to one prompt is computed once
  and told to all who ask for it and pay: that saves hours and changes no count.
- The same budget of tokens and calls for each search; what a search really took is in the table. Optimizers that write
  instructions need a proposer; a base model is none, so they don't take part, as `optimize plan` says.
- The score is `task_success` on test cases that no search has seen; differences are paired and by cluster. The best
  single optimizer is the one with the highest score on this very test, which flatters it and not the portfolio.
- The portfolio ties if it is not shown to be worse than the best single one: the 95 % interval of the difference
  reaches 0. It beats the unoptimized agent if the paired test says so at 5 %.
- After a first full run with seed 7 the portfolio was changed (its members' parts had been too small to try anything
  whole), `tune_retrieval` joined and the test of `tool_calling` grew from 60 to 90 cases. After three more full runs of
  `tool_calling` with seed 7 races were changed (who enters, what a candidate is taken to cost, when the leader is
  finished): with that seed figures are in-sample for them since. Seed 8 was run once, after all of it; with its 90
  cases of `tool_calling` the portfolio's gain could not be told from none. So the test grew to 180, and seed 9 was run:
  no candidate that used demos left the start, for 24 validation cases of which the model gets few right choose
  nothing. So validation and the budget doubled (48 cases, 240 calls, 150,000 tokens), and seed 10 was run, once.

Label: measured with the embedded model on real requests. Data: Berkeley Function-Calling Leaderboard v4 (Apache-2.0);
banking77, Casanueva et al. 2020 (CC BY 4.0).
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dspy
from dspy.lm15 import Request, Response

from benchmarks.real_tasks import MODEL, Problem, Size, banking77, tool_calling
from workbench.agents import Agent, AgentSpec, build_agent
from workbench.core import (
    Budget,
    Comparison,
    Meter,
    Run,
    WorkbenchError,
)
from workbench.evals import EvaluationRequest, compare, evaluate, measure, render_table
from workbench.lms import CallStore, EmbeddedEngine, question, scope, scripted_lm
from workbench.lms.accounted import Engine
from workbench.optimize import Optimized, Space, Task, line_up, optimize
from workbench.optimize.attempts import mean_tokens

SINGLES = ("labeled_few_shot", "bootstrap_few_shot", "nearest_demos", "random_search")
WITH_RETRIEVAL = ("tune_retrieval", *SINGLES)
QUICK = ("labeled_few_shot", "nearest_demos")
SPACE: Space = {
    "demos": [2, 4, 8],
    "demo_choice": ["fixed", "nearest"],
    "demo_layout": ["signature", "documented"],
}
METRIC = "task_success"


TASKS: dict[str, tuple[Callable[[Size, int], Problem], Size, Sequence[str]]] = {
    "tool_calling": (tool_calling, Size(800, 48, 180, Budget(calls=240, tokens=150_000)), WITH_RETRIEVAL),
    "banking77": (banking77, Size(800, 24, 60, Budget(calls=120, tokens=60_000)), SINGLES),
}
SMALL = Size(800, 6, 12, Budget(calls=18, tokens=12_000))


class Remembered:
    """An engine whose answers are computed once; every asking still counts as asked and paid."""

    def __init__(self, inner: Engine) -> None:
        self.inner = inner
        self.asked = 0
        self._answers: dict[str, Response] = {}
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Response:
        """The answer of the engine behind it, or the one it gave before."""
        key = question(request, "")
        with self._lock:
            self.asked += 1
            known = self._answers.get(key)
        if known is None:
            known = self.inner.complete(request)
            with self._lock:
                self._answers[key] = known
        return known


@dataclass
class Contender:
    """An optimizer, what it took, and what came of it on the test."""

    name: str
    run: Run
    outcome: Optimized | None = None
    against_start: Comparison | None = None


@dataclass
class Arena:
    """Where all contenders of one task meet."""

    problem: Problem
    engine: Remembered
    size: Size
    seed: int
    folder: Path

    def contend(self, name: str, names: Sequence[str]) -> Contender:
        """Search with one optimizer, or with several as a portfolio, then try what was found on the test."""
        problem, store = self.problem, CallStore(self.folder / f"{self.problem.name}-{name}.db")
        meter = Meter(self.size.budget)
        lm = scripted_lm(self.engine, spec=MODEL, store=store, meter=meter)
        task = Task(
            train=problem.train, val=problem.val, build=self._builder(lm), meter=meter, seed=self.seed, metric=METRIC
        )
        with scope(run=f"{problem.name} {name}"):
            outcome = optimize(problem.start, line_up(names, SPACE, portfolio=len(names) > 1), task)
        run = self.tried(name, outcome.winner, store)
        store.close()
        return Contender(name, run, outcome)

    def unoptimized(self) -> Contender:
        """The start on the test."""
        store = CallStore(self.folder / f"{self.problem.name}-start.db")
        contender = Contender("unoptimized", self.tried("unoptimized", self.problem.start, store))
        store.close()
        return contender

    def tried(self, name: str, spec: AgentSpec, store: CallStore) -> Run:
        """An agent on the test."""
        agent = self._builder(scripted_lm(self.engine, spec=MODEL, store=store))(spec)
        request = EvaluationRequest(
            agent=name,
            agent_digest=agent.digest,
            evalset_digest=self.problem.evalset,
            split="test",
            metrics=(METRIC,),
            source="embedded",
        )
        with scope(run=f"{self.problem.name} {name} test"):
            return evaluate(agent, self.problem.test, request=request)

    def _builder(self, lm: dspy.LM) -> Callable[[AgentSpec], Agent]:
        def build(spec: AgentSpec) -> Agent:
            return build_agent(spec, index=self.problem.index(spec.index), lm=lm)

        return build


def meet(
    problem: Problem, engine: Remembered, size: Size, seed: int, names: Sequence[str], folder: Path
) -> list[Contender]:
    """All contenders of one task; the portfolio of all comes last."""
    arena = Arena(problem, engine, size, seed, folder)
    found = [arena.unoptimized()]
    for name in names:
        found.append(arena.contend(name, [name]))
        print(f"{problem.name}: {name} done", file=sys.stderr)
    found.append(arena.contend("portfolio", names))
    for contender in found[1:]:
        contender.against_start = compare(found[0].run, contender.run, METRIC)
    return found


def tie(contenders: Sequence[Contender]) -> tuple[Contender, Comparison]:
    """The best single optimizer by its score on the test, and the portfolio against it."""
    single = max(contenders[1:-1], key=lambda one: measure(one.run, METRIC).estimate or 0.0)
    return single, compare(single.run, contenders[-1].run, METRIC)


def render(contenders: Sequence[Contender]) -> str:
    """One line for each contender."""
    rows = []
    for one in contenders:
        line, against = measure(one.run, METRIC), one.against_start
        spent = one.outcome.spent if one.outcome else None
        rows.append(
            (
                one.name,
                f"{line.estimate:.3f} [{line.low:.3f}, {line.high:.3f}]",
                "" if against is None else f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}]",
                "" if against is None or against.p_value is None else f"{against.p_value:.4f}",
                "0" if spent is None else str(spent.calls),
                "0" if spent is None else str(spent.tokens),
                f"{mean_tokens(one.run):.0f}",
            )
        )
    heads = ("optimizer", "held-out score", "gain [95 %]", "p", "calls", "tokens", "a case")
    return render_table(heads, rows)


def figures(contenders: Sequence[Contender]) -> dict[str, object]:
    """What --json writes of one task."""
    single, against = tie(contenders)
    return {
        "scores": {one.name: measure(one.run, METRIC).model_dump() for one in contenders},
        "gains": {one.name: one.against_start.model_dump() for one in contenders if one.against_start},
        "spent": {one.name: one.outcome.spent.model_dump() for one in contenders if one.outcome},
        "best_single": single.name,
        "portfolio_against_best_single": against.model_dump(),
    }


def verdicts(name: str, contenders: Sequence[Contender]) -> list[tuple[str, str, str, bool]]:
    """Figure, target, what was measured, and whether it is met."""
    single, against = tie(contenders)
    gain = contenders[-1].against_start
    assert gain is not None, "the portfolio is no start"
    assert gain.difference is not None, "all cases are scored"
    assert against.difference is not None, "all cases are scored"
    tied = against.high is None or against.high >= 0
    won = gain.difference > 0 and gain.p_value is not None and gain.p_value <= 0.05
    low, high = (0.0 if bound is None else bound for bound in (against.low, against.high))
    return [
        (
            f"{name}: portfolio less best single ({single.name})",
            "at least a tie",
            f"{against.difference:+.3f} [{low:+.3f}, {high:+.3f}]",
            tied,
        ),
        (f"{name}: portfolio less unoptimized", "p <= 0.05", f"{gain.difference:+.3f}, p = {gain.p_value:.4f}", won),
    ]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether the targets are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_gain", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="banking77 alone, 12 test messages, two optimizers")
    parser.add_argument("--task", action="append", choices=TASKS, help="this one alone; may be repeated")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    chosen = ["banking77"] if options.quick else options.task or [*TASKS]
    problems: list[tuple[Problem, Size, Sequence[str]]] = []
    try:
        for name in chosen:
            make, size, names = TASKS[name]
            size, names = (SMALL, QUICK) if options.quick else (size, names)
            problems.append((make(size, options.seed), size, names))
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    engine, results, written = Remembered(EmbeddedEngine()), [], {}
    with tempfile.TemporaryDirectory() as folder:
        for problem, size, names in problems:
            contenders = meet(problem, engine, size, options.seed, names, Path(folder))
            sizes = f"{len(problem.test)} held-out cases, {len(problem.val)} for validation"
            print(f"{problem.name}: {sizes}, seed {options.seed}")
            print(render(contenders))
            results += verdicts(problem.name, contenders)
            written[problem.name] = figures(contenders)
    rows = [("met" if met else "MISSED", what, target, found) for what, target, found, met in results]
    print(render_table(("", "figure", "target", "measured"), rows))
    print("label: embedded model, real requests; BFCL v4 (Apache-2.0), banking77 (CC BY 4.0)")
    print(f"{engine.asked} calls answered, {time.perf_counter() - began:.0f} s")
    if options.json is not None:
        options.json.write_text(json.dumps(written, indent=1) + "\n")
    return 0 if all(met for *_, met in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
