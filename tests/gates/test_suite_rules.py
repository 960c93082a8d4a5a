"""Rules that are decided on a suite and not on the test."""

from collections.abc import Callable

import pytest

from workbench.core import Case, ConfigError, EvalSet, EvaluationError, ExpectedAnswer, Run
from workbench.gates import Match, Presented, Rule, check, contradictions, make_pact, weakened

MakeRun = Callable[..., Run]
FLOOR = Rule(metric="m", at_least=0.5, suite="bugs")
RULES = (Rule(metric="m", no_worse_than="old", margin=0.2), FLOOR)
GOOD, BAD = [1.0] * 40, [0.0] * 40


def case(number: int, request: str = "How?") -> Case:
    """A case of the suite."""
    return Case(case_id=f"c{number}", request=request, expected=ExpectedAnswer(answers=("so",)), cluster=f"c{number}")


CASES = tuple(case(number) for number in range(40))


def suite(values: list[float], make_run: MakeRun, champion: list[float] = GOOD) -> dict[str, Match]:
    """Both agents on the suite."""
    return {"bugs": Match(champion=make_run(champion, agent="old"), challenger=make_run(values, agent="new"))}


@pytest.mark.parametrize(("values", "status"), [(GOOD, "PASS"), (BAD, "FAIL")])
def test_a_rule_is_decided_on_its_suite(values: list[float], status: str, make_run: MakeRun) -> None:
    """The test is as good as ever; the verdict names the runs on the suite it rests on."""
    old, new = make_run(GOOD, agent="old"), make_run(GOOD, agent="new")
    suites = suite(values, make_run)
    verdict = check(RULES, challenger=new, champion=old, seed=1, suites=suites)

    assert ["PASS", status] == [finding.status for finding in verdict.findings]
    assert verdict.findings[1].rule.endswith("on suite bugs")
    assert suites["bugs"].challenger.digest == verdict.suites["bugs"].run_digest


def test_the_evidence_is_another_with_other_runs_on_a_suite(make_run: MakeRun) -> None:
    """A rule may still pass: what it rests on is not the same."""
    old, new = make_run(GOOD, agent="old"), make_run(GOOD, agent="new")
    digests = {
        check(RULES, challenger=new, champion=old, seed=1, suites=suite(values, make_run)).evidence_digest
        for values in (GOOD, [*GOOD[:-1], 0.0])
    }

    assert 2 == len(digests)


def test_a_suite_that_is_not_there_is_named(make_run: MakeRun) -> None:
    """No runs on it, or runs on other cases: no verdict."""
    old, new = make_run(GOOD, agent="old"), make_run(GOOD, agent="new")
    short = Match(champion=old, challenger=make_run(GOOD[:-1], agent="new"))

    with pytest.raises(ConfigError, match="no suite has this name"):
        check(RULES, challenger=new, champion=old, seed=1)
    with pytest.raises(EvaluationError, match="did not try the same cases"):
        check(RULES, challenger=new, champion=old, seed=1, suites={"bugs": short})


def test_a_suite_is_part_of_what_was_agreed(make_run: MakeRun) -> None:
    """A suite that is gone, a case gone from it, and easy cases in it raise an alarm; one more case does not."""
    old = make_run(GOOD, agent="old")
    harder = [0.0] * 20 + [1.0] * 20
    agreed = make_pact(RULES, old, CASES, seed=1, suites={"bugs": (make_run(harder, agent="old"), CASES)})

    def alarms(values: list[float], cases: tuple[Case, ...]) -> list[str]:
        now = make_pact(RULES, old, CASES, seed=1, suites={"bugs": (make_run(values, agent="old"), cases)})
        return [alarm.what for alarm in weakened(agreed, now)]

    assert [] == alarms(harder, CASES)
    assert [] == alarms([*harder, 0.0], (*CASES, case(40)))
    assert ["suite 'bugs': case 'c39' is gone"] == alarms(harder[:-1], CASES[:-1])
    assert ["suite 'bugs': case 'c0' asks or expects something else, or has another cluster"] == alarms(
        harder, (case(0, "Why?"), *CASES[1:])
    )
    assert "suite 'bugs': added cases lift m" in alarms([*harder, *GOOD], (*CASES, *map(case, range(40, 80))))[0]
    (gone,) = weakened(agreed, make_pact(RULES, old, CASES, seed=1))
    assert "suite 'bugs' is gone" == gone.what


def test_a_rule_moved_to_another_suite_is_gone(make_run: MakeRun) -> None:
    """The same words on easier ground are another rule."""
    old = make_run(GOOD, agent="old")
    moved = FLOOR.model_copy(update={"suite": "easy"})
    (alarm,) = weakened(make_pact([FLOOR], old, CASES, seed=1), make_pact([moved], old, CASES, seed=1))

    assert "'m at least 0.5 on suite bugs' is gone" == alarm.what


def test_runs_of_an_older_suite_are_noticed(make_run: MakeRun) -> None:
    """What is put forward must be of the suite as it is today."""
    old, new = make_run(GOOD, agent="old"), make_run(GOOD, agent="new")
    suites = suite(GOOD, make_run)
    verdict = check(RULES, challenger=new, champion=old, seed=1, suites=suites)
    presented = Presented(rules=RULES, challenger=new, champion=old, suites=suites, verdict=verdict)
    today = EvalSet(name="bugs", train=(), val=(), test=CASES)

    found = [alarm.what for alarm in contradictions(presented, CASES, evalset_digest="e" * 64, suites={"bugs": today})]
    untried = [alarm.what for alarm in contradictions(presented, CASES, evalset_digest="e" * 64, suites={"new": today})]

    assert 2 == len(found)
    assert all(what.startswith("suite 'bugs': the run of") and "evaluate anew" in what for what in found)
    assert ["suite 'new' was not tried: evaluate anew"] == untried
