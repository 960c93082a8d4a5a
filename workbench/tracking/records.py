"""What is logged: an execution of an experiment, the runs inside it, its outcome."""

from typing import Literal

from pydantic import Field, JsonValue

from workbench.core import SPLITS, Comparison, EvalSet, Record, Report, Usage, Verdict, digest_json
from workbench.evals import KpiLine, Worst

Role = Literal["baseline", "candidate", "winner"]


class DataLog(Record):
    """One split of an eval set, as a data set that a run used."""

    name: str
    """The eval set's name."""
    split: str
    cases_digest: str
    """Of the cases, in order."""
    cases: int
    clusters: int
    sources: tuple[str, ...] = ()
    """Digests of what the cases were made from."""


class ExperimentLog(Record):
    """One execution of an experiment file: what the runs inside it have in common."""

    name: str = Field(min_length=1)
    """The experiment's; its executions stand side by side under it."""
    question: str
    seed: int
    lm: str
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Everything else that the experiment file says."""
    data: tuple[DataLog, ...] = ()


class RunLog(Record):
    """One agent, and what was measured of it."""

    name: str = Field(min_length=1)
    """"baseline", "winner", or the candidate's name."""
    role: Role
    agent_digest: str
    params: dict[str, JsonValue]
    """The agent's spec."""
    reports: tuple[Report, ...] = ()
    """At most one for each split."""
    usage: Usage | None = None
    """Everything that measuring this agent cost, from the ledger."""
    data: tuple[DataLog, ...] = ()
    texts: dict[str, str] = Field(default_factory=dict)
    """File name to content, kept beside the run: its prompt, what differs from the start's."""
    tags: dict[str, str] = Field(default_factory=dict)
    """What runs are filtered by: how it ended, why it was dropped."""


class LiveRun(Record):
    """One agent while it is measured: the same agent's run in an execution is the same each time."""

    log: RunLog
    """What is known of it; `texts` are only read when it is first seen."""
    step: int
    """Cases it has met."""
    metrics: dict[str, float]
    """At that step."""
    ended: bool = False


class Look(Record):
    """An execution at one moment."""

    step: int
    """Calls that were charged so far."""
    metrics: dict[str, float]
    """At that step."""
    runs: tuple[LiveRun, ...] = ()
    """Those that have something to tell."""


class Outcome(Record):
    """How an execution ended, for its report and its plots."""

    verdict: Verdict
    baseline: Report
    winner: Report
    comparisons: tuple[Comparison, ...] = ()
    metric: str
    """The score that decides; it is plotted against cost."""
    candidates: tuple[RunLog, ...] = ()
    """Everything the optimizer evaluated."""
    usage: Usage | None = None
    """Everything the execution cost, from the ledger."""
    kpis: tuple[KpiLine, ...] = ()
    """The winner's, measured or not."""
    worst: tuple[Worst, ...] = ()
    """The winner's episodes to read first."""
    source: str = ""
    """How the winner's episodes came about, from its run's header."""
    texts: dict[str, str] = Field(default_factory=dict)
    """File name to content, as the terminal shows it: report.txt, verdict.txt."""


class PromptLog(Record):
    """A program's prompt, as the model sees it."""

    name: str = Field(min_length=1)
    """Of the prompt in the registry; each promoted program is a version of it."""
    template: str = Field(min_length=1)
    """The rendered prompt; what differs for each case stands in double braces."""
    agent_digest: str
    verdict: Verdict


def describe_data(evalset: EvalSet) -> tuple[DataLog, ...]:
    """The splits of an eval set that have cases, in the order train, val, test."""
    splits = ((split, evalset.split(split)) for split in SPLITS)
    return tuple(
        DataLog(
            name=evalset.name,
            split=split,
            cases_digest=digest_json([case.digest for case in cases]),
            cases=len(cases),
            clusters=len({case.cluster for case in cases}),
            sources=evalset.sources,
        )
        for split, cases in splits
        if cases
    )
