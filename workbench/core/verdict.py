"""Reports and verdicts: what was measured, and what was decided on it."""

from datetime import date
from typing import Literal

from pydantic import Field

from workbench.core.record import Record

Status = Literal["PASS", "FAIL", "INCONCLUSIVE", "UNMEASURED"]
Correction = Literal["holm", "fixed sequence"]
"""How claims made together are corrected together."""


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
    """Two-sided, paired, by cluster, by sign flips."""
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


class Waiver(Record):
    """A person's word that a release may go out although one rule is not met, for a while."""

    rule: str = Field(min_length=1)
    """The rule in words, exactly as the verdict shows it: a rule that is changed is not waived."""
    owner: str = Field(min_length=1)
    """Who answers for it."""
    reason: str = Field(min_length=1)
    expires: date
    """The last day on which it counts."""


class Finding(Record):
    """One rule of a gate, and what came of it."""

    rule: str
    """The rule in words."""
    status: Status
    """What the evidence says; a waiver does not change it."""
    metric: str
    estimate: float | None
    low: float | None = None
    high: float | None = None
    threshold: float
    margin: float = 0.0
    """How much worse, or for "better" how much better, the rule allows or asks; in the unit of the metric."""
    p_value: float | None = None
    """Of the claim that the rule is met, doubled as for two sides; for "better" corrected with its family."""
    fail_p_value: float | None = None
    """Of the claim that the rule is broken, doubled and corrected with all rules of the gate that have one."""
    cases: int
    clusters: int
    smallest_effect: float | None = None
    """The smallest difference or distance this many clusters could have shown with 80 % power."""
    reason: str
    """The outcome in words."""
    waiver: Waiver | None = None
    """What lets the release pass although this finding does not."""

    @property
    def holds(self) -> bool:
        """True if the rule passed, or a person answers for it."""
        return self.status == "PASS" or self.waiver is not None

    @property
    def words(self) -> str:
        """The status, and who answers for it where it is waived: "FAIL, waived by ann until 2026-12-31"."""
        waiver = self.waiver
        return self.status if waiver is None else f"{self.status}, waived by {waiver.owner} until {waiver.expires}"


class Basis(Record):
    """The runs on one suite that a verdict rests on, besides those on the test."""

    evalset_digest: str
    run_digest: str
    champion_run_digest: str


class Verdict(Record):
    """What a gate decided, with everything it rests on."""

    status: Status
    findings: tuple[Finding, ...]
    agent_digest: str
    champion_digest: str
    run_digest: str
    champion_run_digest: str
    evalset_digest: str
    suites: dict[str, Basis] = Field(default_factory=dict)
    """What it rests on for each suite that was tried, by the suite's name."""
    rules_digest: str
    seed: int
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """The chance of a wrong decision: half of it for a false FAIL, half for a false PASS."""
    correction: Correction = "holm"
    today: date | None = None
    """The day the waivers were looked at; None if there were none."""
    notes: tuple[str, ...] = ()
    """What a person must know besides, for instance a waiver that has expired."""
    evidence_digest: str = ""
    """Of all it rests on: runs, eval set, graders, prices, rules, waivers, day, alpha, correction and seed."""

    @property
    def passed(self) -> bool:
        """True if every rule passed or is waived; anything else is not a pass."""
        return self.status == "PASS"

    @property
    def words(self) -> str:
        """The status, and how many findings hold by nothing but a waiver.

        A release that rests on waivers never looks like one that does not: "PASS with 2 waivers".
        """
        waived = sum(finding.waiver is not None for finding in self.findings)
        return self.status if not waived else f"{self.status} with {waived} waiver{'s' if waived > 1 else ''}"
