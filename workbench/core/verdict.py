"""Reports and verdicts: what was measured, and what was decided on it."""

from typing import Literal

from pydantic import Field

from workbench.core.record import Record

Status = Literal["PASS", "FAIL", "INCONCLUSIVE", "UNMEASURED"]


class Line(Record):
    """One metric or cost over one run, with its uncertainty."""

    name: str
    kind: Literal["score", "cost"]
    unit: str
    """"1" for scores; "USD", "tokens", "ms" or "calls" for costs."""
    estimate: float | None = Field(allow_inf_nan=False)
    """Mean over the scored cases, or the statistic the name says; None is unmeasured."""
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    """Bounds of the 95 % interval; None where none can be given."""
    cases: int = Field(ge=0)
    """Cases that were scored."""
    unscored: int = Field(ge=0)
    clusters: int = Field(ge=0)
    reason: str = ""
    """Why it is unmeasured, or why some cases are unscored."""

    @property
    def coverage(self) -> float:
        """Share of the cases that were scored, in [0, 1]; 0 if there were none."""
        total = self.cases + self.unscored
        return self.cases / total if total else 0.0


class Comparison(Record):
    """A challenger against a champion on the same cases."""

    metric: str
    champion: str
    challenger: str
    difference: float | None = Field(allow_inf_nan=False)
    """Challenger minus champion, mean over the cases both were scored on; None if there is none."""
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    p_value: float | None = Field(default=None, ge=0, le=1)
    """Two-sided, paired, by cluster."""
    cases: int
    clusters: int
    better: int
    """Cases on which the challenger scored higher."""
    worse: int


class Slice(Record):
    """A line over the cases with one tag."""

    tag: str
    line: Line


class Report(Record):
    """What a run shows."""

    agent: str
    run_digest: str
    evalset_digest: str
    split: str
    lines: tuple[Line, ...]
    slices: tuple[Slice, ...] = ()
    failures: dict[str, int] = Field(default_factory=dict)
    """Failed episodes by "blame:kind"."""

    def line(self, name: str) -> Line | None:
        """The line of that name, or None if the report has none."""
        return next((line for line in self.lines if line.name == name), None)


class Finding(Record):
    """One rule of a gate, and what came of it."""

    rule: str
    """The rule in words."""
    status: Status
    metric: str
    estimate: float | None
    low: float | None = None
    high: float | None = None
    threshold: float
    p_value: float | None = None
    cases: int
    clusters: int
    smallest_effect: float | None = None
    """The smallest difference or distance this many clusters could have shown with 80 % power."""
    reason: str
    """The outcome in words."""


class Verdict(Record):
    """What a gate decided, with everything it rests on."""

    status: Status
    findings: tuple[Finding, ...]
    agent_digest: str
    champion_digest: str
    run_digest: str
    champion_run_digest: str
    evalset_digest: str
    rules_digest: str
    seed: int

    @property
    def passed(self) -> bool:
        """True if every rule passed; anything else is not a pass."""
        return self.status == "PASS"
