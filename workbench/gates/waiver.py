"""Waivers: a person answers for a rule that is not met, in the open and for a while."""

from collections.abc import Sequence
from datetime import date

from pydantic import Field, model_validator

from workbench.core import ConfigError, Correction, Finding, Record, Waiver, nearest
from workbench.gates.rule import Rule, describe


class Terms(Record):
    """On which terms a gate decides."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """The chance of a wrong decision: half of it for a false FAIL, half for a false PASS."""
    correction: Correction = "holm"
    """How the claims of "better" are corrected together; see `workbench.gates.family`."""
    waivers: tuple[Waiver, ...] = ()
    today: date | None = None
    """The day on which the gate decides; needed where there are waivers."""

    @model_validator(mode="after")
    def _a_waiver_needs_a_day(self) -> "Terms":
        if self.waivers and self.today is None:
            raise ValueError("waivers: can't be told from expired ones without a day; give today")
        twice = [waiver.rule for waiver in self.waivers]
        if len(set(twice)) < len(twice):
            raise ValueError(
                f"waiver {next(rule for rule in twice if twice.count(rule) > 1)!r}: is there twice; keep one"
            )
        return self

    def count(self, waiver: Waiver) -> bool:
        """True if a waiver has not expired on the day on which the gate decides."""
        return self.today is not None and waiver.expires >= self.today


def check_waivers(waivers: Sequence[Waiver], rules: Sequence[Rule]) -> None:
    """Do nothing if every waiver is for a rule of the gate; for use before anything runs.

    Raises: ConfigError with the nearest rule.
    """
    known = [describe(rule) for rule in rules]
    for waiver in waivers:
        if waiver.rule not in known:
            raise ConfigError(f"waiver {waiver.rule!r}: is for no rule of this gate; {nearest(waiver.rule, known)}")


def waive(findings: Sequence[Finding], terms: Terms) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings with the waivers that count, and what to say of those that do not.

    What passes by itself needs none. An expired waiver is as if it were not there.
    """
    notes: list[str] = []
    waived = list(findings)
    for waiver in terms.waivers:
        places = [place for place, finding in enumerate(findings) if finding.rule == waiver.rule]
        if not terms.count(waiver):
            notes.append(f"the waiver of {waiver.owner} for {waiver.rule!r} expired on {waiver.expires} and is ignored")
        elif all(findings[place].status == "PASS" for place in places):
            notes.append(f"the waiver of {waiver.owner} for {waiver.rule!r} is not needed: the rule passes")
        else:  # rules in the same words rest on the same evidence, so none of them passes
            for place in places:
                waived[place] = findings[place].model_copy(update={"waiver": waiver})
    return tuple(waived), tuple(notes)
