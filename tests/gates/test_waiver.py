"""Waivers are seen, end, and never hide what the evidence says."""

from collections.abc import Callable
from datetime import date

import pytest
from pydantic import ValidationError

from workbench.core import ConfigError, Run, Verdict, Waiver
from workbench.gates import Rule, Terms, check, render_verdict

MakeRun = Callable[..., Run]
GOOD, BAD = Rule(metric="m", at_least=0.2), Rule(metric="m", at_least=0.95)
TODAY = date(2026, 3, 1)


def _waiver(rule: str = "m at least 0.95", expires: date = TODAY) -> Waiver:
    return Waiver(rule=rule, owner="ann@example.org", reason="the judge is too strict, ticket 7", expires=expires)


def _check(make_run: MakeRun, *waivers: Waiver, rules: tuple[Rule, ...] = (GOOD, BAD)) -> Verdict:
    run = make_run([1.0] * 30 + [0.0] * 30)
    terms = Terms(waivers=waivers, today=TODAY)
    return check(rules, challenger=run, champion=run, seed=1, terms=terms)


def test_a_waived_finding_lets_pass_and_is_shown(make_run: MakeRun) -> None:
    """On its last day, too. The finding stays FAIL, and owner, day and reason stand in the text."""
    verdict = _check(make_run, _waiver())
    text = " ".join(render_verdict(verdict).split())

    assert ("PASS", "PASS with 1 waiver", True) == (verdict.status, verdict.words, verdict.passed)
    assert [("PASS", True), ("FAIL", True)] == [(finding.status, finding.holds) for finding in verdict.findings]
    assert text.startswith("PASS with 1 waiver: run ")
    assert "WAIVED m at least 0.95 FAIL, waived by ann@example.org until 2026-03-01 (the judge is too strict" in text
    assert max(len(line) for line in render_verdict(verdict).splitlines()) <= 100


def test_an_expired_waiver_is_as_if_it_were_not_there(make_run: MakeRun) -> None:
    """And the verdict says so."""
    verdict = _check(make_run, _waiver(expires=date(2026, 2, 28)))

    assert ("FAIL", "FAIL", False) == (verdict.status, verdict.words, verdict.passed)
    assert (
        "the waiver of ann@example.org for 'm at least 0.95' expired on 2026-02-28 and is ignored",
    ) == verdict.notes
    assert "expired on 2026-02-28" in render_verdict(verdict)


def test_a_rule_that_passes_needs_no_waiver(make_run: MakeRun) -> None:
    """It passes by itself, and the waiver is called needless."""
    verdict = _check(make_run, _waiver("m at least 0.2"), rules=(GOOD,))

    assert ("PASS", None) == (verdict.words, verdict.findings[0].waiver)
    assert ("the waiver of ann@example.org for 'm at least 0.2' is not needed: the rule passes",) == verdict.notes


def test_a_waiver_covers_its_own_rule_only(make_run: MakeRun) -> None:
    """Another failing rule still fails, and a rule that was changed is not the one that was waived."""
    other = Rule(metric="m", at_least=0.9)
    with pytest.raises(ConfigError, match=r'did you mean "m at least 0.9"'):
        _check(make_run, _waiver(), rules=(GOOD, other))

    assert "FAIL with 1 waiver" == _check(make_run, _waiver(), rules=(BAD, other)).words


def test_without_a_day_or_twice_no_waiver_counts() -> None:
    """Terms that can't be told are refused."""
    with pytest.raises(ValidationError, match="give today"):
        Terms(waivers=(_waiver(),))
    with pytest.raises(ValidationError, match="is there twice"):
        Terms(waivers=(_waiver(), _waiver()), today=TODAY)
    with pytest.raises(ValidationError, match="at least 1 character"):
        Waiver(rule="m at least 0.95", owner="", reason="none", expires=TODAY)
