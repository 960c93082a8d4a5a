"""How much of a winner is needed for its win?

    python -m benchmarks.explained_wins [--scripted] [--quick] [--seed SEED] [--json FILE]

Rules:

- The task is tool calling: requests of the Berkeley Function-Calling Leaderboard over its pooled catalogue of tools,
  answered by the embedded model. `--scripted` rehearses it with a rule that knows the answers and is right on most of
  them once it sees three demos; that says nothing about models.
- The winner is the best by score of what the usual optimizers find, one after another: eight labelled demos, eight
  that the agent solved itself, the eight nearest to each request, and a random search over demos, how they are chosen
  and written, layout and arguments, within 240 calls. None of them looks at tokens, except to break ties.
- `explain` undoes its edits one by one and drops those that the gain does not need, on the validation cases alone.
- What is judged is measured on held-out cases that neither saw: the share of the winner's gain over the start that the
  smallest variant keeps, and the prompt tokens that it saves. On validation at least 95 % are kept by construction.
- The interval is that of the smallest variant minus the winner, paired by case and by cluster. A winner whose gain on
  held-out cases is not above zero explains nothing: that is a miss.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import dspy

from benchmarks.real_tasks import MODEL, Problem, Size, tool_calling
from workbench.agents import Agent, AgentSpec, build_agent
from workbench.core import Budget, Case, Comparison, ExpectedCall, Meter, Run, WorkbenchError, stream
from workbench.evals import EvaluationRequest, compare, evaluate, render_comparison
from workbench.lms import CallStore, connect, scope, scripted_lm
from workbench.optimize import (
    BootstrappedDemos,
    Explanation,
    LabeledDemos,
    NearestDemos,
    RandomSearch,
    Space,
    Task,
    Trial,
    explain_win,
    optimize,
    render_explanation,
)

KEPT, SAVED = 0.95, 0.30
METRIC = "task_success"
SPACE: Space = {
    "arguments": ["required", "declared"],
    "demo_choice": ["fixed", "nearest"],
    "demo_layout": ["signature", "documented", "json"],
    "demos": [2, 4, 8],
    "layout": ["documented", "json"],
}
FULL = Size(800, 32, 90, Budget(calls=240))
SMALL = Size(400, 16, 24, Budget(calls=120))


@dataclass(frozen=True)
class Pupil:
    """A rule instead of a model: knows each request, and needs three demos to be right on nine of ten."""

    answers: dict[str, str]

    def __call__(self, prompt: str) -> str:
        """The arguments of the last request."""
        request = re.split(r"\nArguments:\n$", prompt.rpartition("Request: ")[2])[0]
        knows = stream(1, request).random() < (0.9 if prompt.count("Arguments:\n{") >= 3 else 0.3)
        return self.answers.get(request, "{}") if knows else "{}"


@dataclass(frozen=True)
class Outcome:
    """A winner, what was made of it, and both on held-out cases."""

    explanation: Explanation
    winner: Comparison
    """Against the start, held out."""
    smallest: Comparison
    """Against the start, held out."""
    difference: Comparison
    """The smallest variant against the winner, held out."""
    saved: float
    """Share of prompt tokens, held out."""

    @property
    def kept(self) -> float:
        """The share of the winner's gain that the smallest variant keeps; 0 where there is no gain."""
        gain = self.winner.difference or 0.0
        return (self.smallest.difference or 0.0) / gain if gain > 0 else 0.0


@dataclass
class Bench:
    """The task with a model."""

    problem: Problem
    lm: Callable[[Meter], dspy.LM]
    seed: int

    def task(self, budget: Budget) -> Task:
        """Train and val, with a budget of their own."""
        meter = Meter(budget)
        return Task(
            train=self.problem.train,
            val=self.problem.val,
            build=self._builder(meter),
            meter=meter,
            seed=self.seed,
            metric=METRIC,
            on_begin=lambda agent: _tell(f"a candidate with {agent.spec.demos} demos begins"),
            on_trial=_told,
        )

    def tried(self, name: str, spec: AgentSpec) -> tuple[Run, float]:
        """An agent on the held-out cases, and the prompt tokens of a case."""
        agent = self._builder(Meter(Budget()))(spec)
        request = EvaluationRequest(
            agent=name,
            agent_digest=agent.digest,
            evalset_digest=self.problem.evalset,
            split="test",
            metrics=(METRIC,),
        )
        _tell(f"{name} on {len(self.problem.test)} held-out cases")
        with scope(run="held out") as tally:
            run = evaluate(agent, self.problem.test, request=request)
        return run, sum(call.prompt_tokens for call in tally.calls()) / len(self.problem.test)

    def _builder(self, meter: Meter) -> Callable[[AgentSpec], Agent]:
        lm, index = self.lm(meter), self.problem.index
        return lambda spec: build_agent(spec, index=index(spec.index), lm=lm)


def measure(bench: Bench, budget: Budget) -> Outcome:
    """Search, explain, and try winner and smallest variant on held-out cases."""
    start, task = bench.problem.start, bench.task(budget)
    with scope(run="search"):
        found = optimize(start, [LabeledDemos(8), BootstrappedDemos(8), NearestDemos(8), RandomSearch(SPACE)], task)
    _tell(f"the winner scores {found.best.score:.3f} on val; undoing its edits one by one")
    with scope(run="explain"):
        explanation = explain_win(replace(bench.task(Budget()), on_case=_measured), start, found.winner)
    agents = {"start": start, "winner": found.winner, "smallest": explanation.smallest}
    (first, _), (whole, long), (less, short) = (bench.tried(name, spec) for name, spec in agents.items())
    return Outcome(
        explanation=explanation,
        winner=compare(first, whole, METRIC),
        smallest=compare(first, less, METRIC),
        difference=compare(whole, less, METRIC),
        saved=1 - short / long if long else 0.0,
    )


def _told(trial: Trial) -> None:
    score = "nothing" if trial.score is None else f"{trial.score:.3f}"
    _tell(f"{trial.origin}: {score} on {trial.cases} cases, {trial.tokens:.0f} tokens each")


def _measured(done: int, total: int) -> None:
    if done == total:
        _tell(f"a variant is measured on {total} cases")


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def scripted(problem: Problem) -> Pupil:
    """The rule for all cases of the task."""
    cases: Sequence[Case] = (*problem.train, *problem.val, *problem.test)
    known = {case.request: case.expected for case in cases}
    answers = {
        request: json.dumps(expected.example())
        for request, expected in known.items()
        if isinstance(expected, ExpectedCall)
    }
    return Pupil(answers)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether the target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explained_wins", description=__doc__.split("\n")[0])
    parser.add_argument("--scripted", action="store_true", help="a rule instead of the embedded model")
    parser.add_argument("--quick", action="store_true", help="16 validation cases, 24 held out, 120 calls to search")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    size, began = SMALL if options.quick else FULL, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        store = CallStore(Path(folder) / "calls.db")
        try:
            problem = tool_calling(size, options.seed)
            rule = scripted(problem)

            def lm(meter: Meter) -> dspy.LM:
                if options.scripted:
                    return scripted_lm(rule, spec=MODEL, store=store, meter=meter)
                return connect(MODEL, store=store, meter=meter)

            found = measure(Bench(problem, lm, options.seed), size.budget)
        except WorkbenchError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        finally:
            store.close()
    return report(found, problem, options, time.perf_counter() - began)


def report(found: Outcome, problem: Problem, options: argparse.Namespace, seconds: float) -> int:
    """Print and write what was measured; the exit code."""
    print(render_explanation(found.explanation))
    label = "scripted" if options.scripted else "embedded model"
    print(f"label: {label}, real requests; Berkeley Function-Calling Leaderboard v4 (Apache-2.0)")
    print(f"{len(problem.test)} held-out cases, seed {options.seed}, {seconds:.0f} s")
    for one in (found.winner, found.smallest, found.difference):
        print(render_comparison(one).rstrip())
    met = found.kept >= KEPT and found.saved >= SAVED
    print(
        f"target {'met' if met else 'MISSED'}: {100 * found.kept:.0f} % of the gain, at least {100 * KEPT:.0f} %, with "
        f"{100 * found.saved:.0f} % fewer prompt tokens, at least {100 * SAVED:.0f} %"
    )
    if options.json is not None:
        shown = {"met": met, "label": label, "kept": found.kept, "saved": found.saved}
        compared = {"winner": found.winner, "smallest": found.smallest, "difference": found.difference}
        dumped = {name: one.model_dump(mode="json") for name, one in compared.items()}
        options.json.write_text(json.dumps({**shown, **dumped}, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
