"""How an experiment ended: what a person reads first, and what to type next."""

from functools import reduce
from pathlib import Path

from pydantic import Field

from workbench.core import Comparison, Record, Report, Spend, Status, Verdict
from workbench.evals import compare, number, render_table, summarize
from workbench.gates import Match, render_verdict
from workbench.lab.bench import Bench
from workbench.lab.deciding import final, matches, runs_of, suite_runs, verdict_of
from workbench.lab.searching import found, search_run
from workbench.lms import totals


class Folders(Record):
    """What each stage left."""

    indexes: Path
    evalset: Path
    baseline: Path
    optimized: Path
    winner: Path
    suites: Path | None = None
    """None if the experiment names no suite."""
    gate: Path


class OnSuite(Record):
    """Baseline and winner on one suite."""

    baseline: Report
    winner: Report
    comparisons: tuple[Comparison, ...]


class Outcome(Record):
    """The end of an experiment."""

    experiment: str
    seed: int
    model: str
    status: Status
    baseline: Report
    winner: Report
    comparisons: tuple[Comparison, ...]
    """One for each metric that both were measured on."""
    suites: dict[str, OnSuite] = Field(default_factory=dict)
    """By the suite's name."""
    verdict: Verdict
    changes: dict[str, str]
    """What the winner changes against the baseline."""
    trials: int
    stopped: str
    """Why the search ended early; empty if it ran to its end."""
    search: Spend
    """What the search was charged for, as its budget counts."""
    paid: Spend
    """Everything this experiment ever paid for, by the ledger."""
    cached_calls: int
    """Calls that the store answered."""
    package: Path | None
    mlflow_run: str
    workspace: Path
    seconds: float
    """Wall time of this execution."""

    @property
    def promoted(self) -> bool:
        """True if the gate passed and a package was written."""
        return self.verdict.passed and self.package is not None


def conclude(bench: Bench, folders: Folders, *, package: Path | None, mlflow_run: str, seconds: float) -> Outcome:
    """Gather the outcome from what the stages left."""
    champion, challenger = runs_of(folders.baseline, folders.winner)
    optimized, verdict = found(folders.optimized), verdict_of(folders.gate)
    stages = (folders.baseline.name, search_run(folders.optimized), folders.winner.name)
    calls = [bench.store.frame(run) for run in (*stages, *suite_runs(folders.suites))]
    spends = [totals(frame) for frame in calls]
    return Outcome(
        experiment=bench.experiment.name,
        seed=bench.experiment.seed,
        model=bench.experiment.lm.model,
        status=verdict.status,
        baseline=summarize(champion),
        winner=summarize(challenger),
        comparisons=tuple(compare(champion, challenger, metric) for metric in bench.experiment.metrics),
        suites={name: _on_suite(match) for name, match in matches(bench.workspace, folders.suites).items()},
        verdict=verdict,
        changes=optimized.trials[final(folders.winner).trial].changes,
        trials=len(optimized.trials),
        stopped=optimized.stopped,
        search=optimized.spent,
        paid=reduce(Spend.plus, spends),
        cached_calls=sum(int(frame["cached"].sum()) for frame in calls),
        package=package,
        mlflow_run=mlflow_run,
        workspace=bench.workspace.folder,
        seconds=seconds,
    )


def _on_suite(match: Match) -> OnSuite:
    metrics = match.challenger.header.metrics
    return OnSuite(
        baseline=summarize(match.champion),
        winner=summarize(match.challenger),
        comparisons=tuple(compare(match.champion, match.challenger, metric) for metric in metrics),
    )


def render_outcome(outcome: Outcome) -> str:
    """The closing table: baseline and winner with intervals, what it cost, the verdict, what to type next."""
    head = f"{outcome.experiment}, seed {outcome.seed}, model {outcome.model}"
    rows = [_row(outcome, comparison) for comparison in outcome.comparisons]
    rows += [
        (f"{name}: {first}", *rest)
        for name, suite in outcome.suites.items()
        for first, *rest in (_row(suite, comparison) for comparison in suite.comparisons)
    ]
    rows += [_cost_row(outcome, name) for name in ("tokens", "lm_calls", "model_ms_p50", "usd")]
    table = render_table(("test", "baseline", "winner", "difference [95 %]", "p"), [row for row in rows if row])
    changes = ", ".join(f"{name} {change}" for name, change in outcome.changes.items()) or "nothing"
    usd = "unknown" if outcome.paid.usd is None else f"{outcome.paid.usd:.4f} USD"
    lines = [
        head,
        table.rstrip(),
        f"winner changes: {changes}",
        f"search: {outcome.trials} trials, {outcome.search.calls} calls, {outcome.search.tokens} tokens, "
        f"{outcome.search.seconds:.0f} s of model time{f'; stopped: {outcome.stopped}' if outcome.stopped else ''}",
        f"paid in all: {outcome.paid.calls} calls, {outcome.paid.tokens} tokens, {outcome.paid.seconds:.0f} s of "
        f"model time, {usd}; {outcome.cached_calls} calls answered from the store; {outcome.seconds:.0f} s in all now",
        render_verdict(outcome.verdict).rstrip(),
        *_next(outcome),
    ]
    return "\n".join(lines) + "\n"


def _next(outcome: Outcome) -> list[str]:
    where = "" if outcome.workspace == Path("mlruns") else f" --workspace {outcome.workspace}"
    look = f"look:  uv run workbench ui{where}"
    if outcome.package is None:
        return ["nothing is promoted, registered or exported", look]
    return [f"package: {outcome.package}", f"next:  uv run workbench serve {outcome.package}", look]


def _row(outcome: Outcome | OnSuite, comparison: Comparison) -> tuple[str, ...]:
    interval = "unmeasured"
    if comparison.difference is not None:
        bounds = "" if comparison.low is None else f" [{comparison.low:+.3f}, {comparison.high:+.3f}]"
        interval = f"{comparison.difference:+.3f}{bounds}"
    p_value = "" if comparison.p_value is None else f"{comparison.p_value:.4f}"
    return (comparison.metric, _cell(outcome.baseline, comparison.metric), _cell(outcome.winner, comparison.metric),
            interval, p_value)  # fmt: skip


def _cost_row(outcome: Outcome, name: str) -> tuple[str, ...]:
    line = outcome.baseline.line(name)
    if line is None:
        return ()
    return (f"{name} [{line.unit}]", _cell(outcome.baseline, name), _cell(outcome.winner, name), "", "")


def _cell(report: Report, name: str) -> str:
    line = report.line(name)
    if line is None or line.estimate is None:
        return "unmeasured"
    if line.low is None or line.high is None:
        return number(line.estimate)
    return f"{number(line.estimate)} [{number(line.low)}, {number(line.high)}]"
