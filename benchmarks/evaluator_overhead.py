"""What an evaluator adds to each example: ours against `dspy.Evaluate` and `mlflow.genai.evaluate`.

    python -m benchmarks.evaluator_overhead [--quick] [--json FILE]

Rules of the comparison:

- One program (a `dspy.Predict`), one instant scripted model, the same cases, two threads, one process, one machine.
- Overhead is the wall time of the whole evaluation less that of the same program over the same cases in a bare loop,
  by case: whatever an evaluator does before, between and after the examples counts, and so does waiting until what
  it stores is stored.
- Ours stores everything: answers and ledger (call store), every episode and score (journal), then report, costs and a
  trace with spans and scores for every case in MLflow's SQLite store. `dspy.Evaluate` stores nothing; with autolog it
  stores traces; `mlflow.genai.evaluate` stores traces and scores.
- Nobody starts from a warm cache: every round has new stores for answers; MLflow's stores are migrated before, each
  evaluator has its own, and each is run once on a few cases before it is measured.
- Rounds take turns, so that what else the machine does meets all; autolog comes last, since it patches dspy for good.
  Shown is the median over the rounds.
- `mlflow.genai.evaluate` gets two workers, too: with its default of ten, its pool of database connections can stall.
- What a run costs once (its rows in MLflow, its report) is counted, too, so a small run costs more by case: the
  target is for the runs of 400 cases, and runs of 100 are shown beside it.
- The target is for ours; the other figures are there to compare with. A scripted model says nothing about quality.
"""

import argparse
import contextlib
import gc
import io
import json
import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import dspy
import mlflow
from mlflow.entities import Feedback
from mlflow.genai.scorers import scorer

from workbench.core import Case, ExpectedAnswer, Prediction, Step, digest_json
from workbench.evals import EvaluationRequest, evaluate, render_table, summarize
from workbench.lms import CallStore, scope, scripted_lm
from workbench.tracking import ExperimentLog, RunLog, Store, finish, log_experiment, log_run, log_traces, open_store

TARGET_MS = 2.0
THREADS = 2
WARM_CASES = 5
SMALL_CASES = 100
OURS, SMALL = "workbench", f"workbench, runs of {SMALL_CASES} cases"
BARE, AUTOLOG, GENAI = "dspy.Evaluate", "dspy.Evaluate + autolog", "mlflow.genai.evaluate"
STORED: Mapping[str, str] = {
    OURS: "answers, ledger, scores, costs, traces",
    SMALL: "answers, ledger, scores, costs, traces",
    BARE: "nothing",
    AUTOLOG: "traces",
    GENAI: "traces, scores",
}
ELSEWHERE: Mapping[str, str] = {OURS: "", SMALL: "", BARE: "0.3-0.8", AUTOLOG: "50-79", GENAI: "133-170"}
"""Milliseconds measured on another machine before this was written, as a reference."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    cases: int
    slow_cases: int
    """Cases for the evaluators that take a tenth of a second for each."""
    rounds: int
    slow_rounds: int


FULL = Size(cases=400, slow_cases=200, rounds=7, slow_rounds=3)
QUICK = Size(cases=400, slow_cases=25, rounds=3, slow_rounds=1)


@dataclass
class Figure:
    """The measurements of one evaluator, in milliseconds a case."""

    name: str
    cases: int
    overheads: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.overheads)


class Program(dspy.Module):  # type: ignore[misc]
    """What is evaluated: one call of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("request -> answer")

    def forward(self, request: str) -> dspy.Prediction:
        """Answer one request."""
        return self.answer(request=request)


def make_cases(count: int) -> tuple[Case, ...]:
    """Requests, all different; the model is right for every second one."""
    return tuple(
        Case(
            case_id=f"case-{number:05}",
            request=f"What is number {number}?",
            expected=ExpectedAnswer(answers=("yes" if number % 2 else "no",)),
            cluster=f"case-{number:05}",
        )
        for number in range(count)
    )


def say(_prompt: str) -> str:
    """The model: at once, in the form that dspy's chat adapter reads."""
    return "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"


def bare_loop(cases: Sequence[Case]) -> float:
    """Seconds of the program over the cases with nothing around it."""
    program = Program()
    with dspy.context(lm=scripted_lm(say)):
        started = time.perf_counter()
        for case in cases:
            program(request=case.request)
        return time.perf_counter() - started


class Answering:
    """The program as an agent of ours, with a step for its trace."""

    def __init__(self, lm: dspy.LM) -> None:
        self.program = Program()
        self.lm = lm

    def __call__(self, request: str) -> Prediction:
        """Answer one request; dspy's context does not reach plain threads."""
        started = time.perf_counter()
        with dspy.context(lm=self.lm):
            answer = str(self.program(request=request).answer)
        step = Step(
            name="answer",
            kind="lm",
            inputs={"request": request},
            outputs={"answer": answer},
            start_milliseconds=0.0,
            milliseconds=(time.perf_counter() - started) * 1000,
        )
        return Prediction(answer=answer, steps=(step,))


@dataclass
class Ours:
    """Our evaluator, everything stored."""

    folder: Path
    store: Store
    round: int = 0
    parts: dict[str, list[float]] = field(default_factory=dict)
    """Milliseconds a case of each part, round by round: what dominates."""

    def __call__(self, cases: Sequence[Case]) -> float:
        """Seconds from nothing to everything stored."""
        self.round += 1
        name = f"round {self.round}"
        started = time.perf_counter()
        calls = CallStore(self.folder / f"calls-{self.round}.db")
        request = EvaluationRequest(
            agent=name,
            agent_digest=digest_json(name),
            evalset_digest=digest_json("cases"),
            split="test",
            metrics=("answer_exact",),
            workers=THREADS,
        )
        agent = Answering(scripted_lm(say, store=calls))
        with scope(run=name):
            run = evaluate(agent, cases, request=request, journal=self.folder / f"journal-{self.round}")
        evaluated = time.perf_counter()
        parent = log_experiment(self.store, ExperimentLog(name="ours", question="How long?", seed=0, lm="scripted"))
        log = RunLog(name=name, role="baseline", agent_digest=digest_json(name), params={}, reports=(summarize(run),))
        run_id = log_run(self.store, parent, log)
        logged = time.perf_counter()
        log_traces(self.store, run_id, cases, run, model="scripted", limit=None)
        finish(self.store, parent)
        ended = time.perf_counter()
        calls.close()
        for part, seconds in (
            ("evaluate, journal, call store", evaluated - started),
            ("report and run in MLflow", logged - evaluated),
            ("traces in MLflow", ended - logged),
        ):
            self.parts.setdefault(part, []).append(seconds * 1000 / len(cases))
        return ended - started


def dspy_evaluate(cases: Sequence[Case]) -> float:
    """Seconds of dspy's evaluator, and of writing what autolog collected, if it is on."""
    examples = [dspy.Example(request=case.request, answer=_right(case)).with_inputs("request") for case in cases]
    with dspy.context(lm=scripted_lm(say)), contextlib.redirect_stdout(io.StringIO()):
        started = time.perf_counter()
        dspy.Evaluate(devset=examples, metric=_exact, num_threads=THREADS, display_progress=False)(Program())
        mlflow.flush_trace_async_logging()
        return time.perf_counter() - started


def genai_evaluate(cases: Sequence[Case]) -> float:
    """Seconds of MLflow's evaluator."""
    program, lm = Program(), scripted_lm(say)
    rows = [{"inputs": {"request": case.request}, "expectations": {"answer": _right(case)}} for case in cases]

    def predict(request: str) -> str:
        with dspy.context(lm=lm):
            return str(program(request=request).answer)

    @scorer
    def exact(outputs: str, expectations: dict[str, str]) -> Feedback:
        return Feedback(value=float(outputs == expectations["answer"]))

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        started = time.perf_counter()
        mlflow.genai.evaluate(data=rows, predict_fn=predict, scorers=[exact])
        mlflow.flush_trace_async_logging()
        return time.perf_counter() - started


def _right(case: Case) -> str:
    assert isinstance(case.expected, ExpectedAnswer), "make_cases makes no other"
    return case.expected.answers[0]


def _exact(example: dspy.Example, prediction: dspy.Prediction, _trace: object = None) -> float:
    return float(example.answer == prediction.answer)


def _measure(figure: Figure, evaluator: Callable[[Sequence[Case]], float], cases: Sequence[Case]) -> None:
    gc.collect()
    alone = bare_loop(cases)
    figure.overheads.append((evaluator(cases) - alone) * 1000 / len(cases))


def _use(folder: Path, name: str, experiment: str) -> Path:
    """A migrated store of its own, as MLflow's current one."""
    place = folder / name
    if not place.exists():
        shutil.copytree(folder / "template", place)
    mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
    if mlflow.get_experiment_by_name(experiment) is None:
        mlflow.create_experiment(experiment, artifact_location=(place / "artifacts").as_uri())
    mlflow.set_experiment(experiment)
    return place


def measure(size: Size, folder: Path) -> tuple[list[Figure], dict[str, float]]:
    """Every evaluator's overhead, and the parts of ours in milliseconds a case."""
    os.environ["MLFLOW_GENAI_EVAL_MAX_WORKERS"] = str(THREADS)
    logging.disable(logging.WARNING)
    open_store(folder / "template")
    shutil.copytree(folder / "template", folder / "ours")
    ours = Ours(folder, open_store(folder / "ours"))
    many, few = make_cases(size.cases), make_cases(size.slow_cases)
    counts = {OURS: size.cases, SMALL: SMALL_CASES, BARE: size.cases}
    figures = {name: Figure(name, counts.get(name, size.slow_cases)) for name in STORED}
    _use(folder, "genai", "genai")
    for evaluator in (bare_loop, ours, dspy_evaluate, genai_evaluate):
        evaluator(many[:WARM_CASES])
    for _ in range(size.rounds):
        _measure(figures[SMALL], ours, many[:SMALL_CASES])
    ours.parts.clear()
    for number in range(size.rounds):
        _measure(figures[OURS], ours, many)
        _measure(figures[BARE], dspy_evaluate, many)
        if number < size.slow_rounds:
            _measure(figures[GENAI], genai_evaluate, few)
    alone = statistics.median(bare_loop(few) for _ in range(3)) * 1000 / len(few)  # before autolog patches dspy
    _use(folder, "autolog", "autolog")
    mlflow.dspy.autolog()
    dspy_evaluate(many[:WARM_CASES])
    for _ in range(size.slow_rounds):
        gc.collect()
        figures[AUTOLOG].overheads.append(dspy_evaluate(few) * 1000 / len(few) - alone)
    mlflow.dspy.autolog(disable=True)
    return list(figures.values()), {part: statistics.median(times) for part, times in ours.parts.items()}


def render(figures: Sequence[Figure], parts: Mapping[str, float]) -> str:
    """The table, and what ours is made of."""
    rows = [
        (
            one.name,
            f"{one.median:.2f}",
            f"{min(one.overheads):.2f} to {max(one.overheads):.2f}",
            f"at most {TARGET_MS:g}" if one.name == OURS else "",
            ELSEWHERE[one.name],
            f"{len(one.overheads)} x {one.cases}",
        )
        for one in figures
    ]
    head = ("evaluator", "ms a case", "range", "target", "elsewhere", "rounds x cases")
    table = render_table(head, rows).rstrip()
    made = ", ".join(f"{part} {value:.2f}" for part, value in parts.items())
    kept = "\n".join(f"{name} stores: {what}" for name, what in STORED.items() if name != SMALL)
    return f"{table}\n{kept}\nparts of ours, in ms a case with the program itself: {made}\n"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether the target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluator_overhead", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smaller sample, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        figures, parts = measure(QUICK if options.quick else FULL, Path(folder))
    busy = f"load {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores"  # of the last five minutes, this process included
    print(f"overhead for each example on an instant scripted model, {THREADS} threads, median over rounds; {busy}")
    print(render(figures, parts))
    ours = next(one for one in figures if one.name == OURS)
    met = ours.median <= TARGET_MS
    print(f"target {'met' if met else 'MISSED'}: {ours.median:.2f} ms, at most {TARGET_MS:g} ms")
    if options.json is not None:
        shown = [{**asdict(one), "median_ms": one.median, "stored": STORED[one.name]} for one in figures]
        result = {"target_ms": TARGET_MS, "met": met, "threads": THREADS, "figures": shown, "parts_ms": parts}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
