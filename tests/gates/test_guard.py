"""A gate that became weaker than what was agreed raises an alarm; one that became stronger does not."""

from datetime import date

import pytest

from workbench.core import Case, Episode, ExpectedAnswer, Prediction, Run, RunHeader, Score, Waiver
from workbench.gates import Pact, Rule, Terms, describe, make_pact, render_alarms, weakened

CASES = tuple(
    Case(case_id=f"c{n}", request=f"{n}?", expected=ExpectedAnswer(answers=("yes",)), cluster=f"c{n}", tags=("a", "b"))
    for n in range(4)
)
BETTER = Rule(metric="m", better_than="champion")
AT_LEAST = Rule(metric="m", at_least=0.5)
WAIVER = Waiver(rule=describe(AT_LEAST), owner="lead", reason="known", expires=date(2026, 12, 1))
TERMS = Terms(waivers=(WAIVER,), today=date(2026, 11, 1))


def run_of(cases: tuple[Case, ...], value: float = 0.5) -> Run:
    return Run(
        header=RunHeader(
            agent="champion",
            agent_digest="d",
            evalset_digest="e",
            split="test",
            metrics=("m",),
            graders={"m": "judge 1"},
            prices="list 1",
        ),
        clusters={case.case_id: case.cluster for case in cases},
        tags={case.case_id: case.tags for case in cases},
        episodes=tuple(
            Episode(case_id=case.case_id, repeat=n, prediction=Prediction(answer="yes"), milliseconds=1)
            for case in cases
            for n in range(2)
        ),
        scores=tuple(
            Score(case_id=case.case_id, repeat=n, metric="m", value=value if case in CASES else 1.0)
            for case in cases
            for n in range(2)
        ),
    )


@pytest.fixture
def agreed() -> Pact:
    """Two rules over four cases, one of them waived for a while."""
    return make_pact((BETTER, AT_LEAST), run_of(CASES), CASES, seed=1, terms=TERMS)


def test_what_was_agreed_is_as_strong_as_itself(agreed: Pact) -> None:
    """No alarm without a change."""
    assert () == weakened(agreed, agreed)
    assert "the gate is at least as strong as what was agreed\n" == render_alarms(())


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ((AT_LEAST,), "'m better than champion' is gone"),
        ((BETTER, AT_LEAST.model_copy(update={"at_least": 0.4})), "was loosened to 'm at least 0.4'"),
        ((BETTER.model_copy(update={"better_than": "other"}), AT_LEAST), "'m better than champion' is gone"),
    ],
)
def test_weaker_rules_are_named(agreed: Pact, rules: tuple[Rule, ...], words: str) -> None:
    """A rule that is gone, loosened, or about somebody else."""
    (alarm,) = weakened(agreed, agreed.model_copy(update={"rules": rules}))

    assert ("rule", True) == (alarm.about, words in alarm.what)


@pytest.mark.parametrize(
    "rules",
    [
        (AT_LEAST, BETTER),
        (BETTER, AT_LEAST.model_copy(update={"at_least": 0.6})),
        (BETTER.model_copy(update={"margin": 0.1}), AT_LEAST),
        (BETTER, AT_LEAST, Rule(metric="m", coverage=0.9)),
        (BETTER, AT_LEAST, AT_LEAST.model_copy(update={"at_least": 0.1})),
    ],
)
def test_stronger_rules_need_no_leave(agreed: Pact, rules: tuple[Rule, ...]) -> None:
    """Another order, a higher threshold, a margin to win by, one rule more, or a lower one beside the old."""
    assert () == weakened(agreed, agreed.model_copy(update={"rules": rules}))


def test_margins_go_the_other_way_for_no_worse() -> None:
    """A wider margin lets more harm pass; for a cost "at most" a higher limit does."""
    near, far = (Rule(metric="m", no_worse_than="champion", margin=margin) for margin in (0.1, 0.2))
    low, high = (Rule(metric="tokens", at_most=tokens) for tokens in (100, 200))
    strict, soft = (make_pact(rules, run_of(CASES), CASES, seed=1) for rules in ((near, low), (far, high)))

    assert 2 == len(weakened(strict, soft))
    assert () == weakened(soft, strict)


@pytest.mark.parametrize(
    ("change", "about", "words"),
    [
        ({"terms": TERMS.model_copy(update={"alpha": 0.1})}, "terms", "alpha was raised from 0.05 to 0.1"),
        ({"seed": 2}, "terms", "seed of the tests is 2"),
        ({"terms": Terms(waivers=(WAIVER,), today=TERMS.today, correction="fixed sequence")}, "terms", "otherwise"),
        ({"split": "val"}, "suite", "no longer on 'test'"),
        ({"repeats": 1}, "suite", "1 times and no longer 2"),
        ({"graders": {"m": "judge 2"}}, "judge", "graded by something else"),
        ({"graders": {}}, "judge", "no longer graded"),
        ({"prices": "list 2"}, "judge", "another price list"),
        ({"champion": "x"}, "champion", "another agent"),
    ],
)
def test_everything_around_the_rules_counts(agreed: Pact, change: dict[str, object], about: str, words: str) -> None:
    """Terms, split, repeats, judges, prices and the champion decide how strong a gate is."""
    (alarm,) = weakened(agreed, agreed.model_copy(update=change))

    assert (about, True) == (alarm.about, words in alarm.what)


def test_waivers_may_end_but_not_grow(agreed: Pact) -> None:
    """A new or prolonged waiver is named; one that is gone or shorter is not."""

    def terms(*waivers: Waiver) -> dict[str, object]:
        return {"terms": Terms(waivers=waivers, today=TERMS.today)}

    new = Waiver(rule=describe(BETTER), owner="me", reason="later", expires=date(2027, 1, 1))
    longer, shorter = (WAIVER.model_copy(update={"expires": date(2026, month, 28)}) for month in (12, 11))
    found = [
        len(weakened(agreed, agreed.model_copy(update=terms(*waivers))))
        for waivers in ((WAIVER, new), (longer,), (shorter,), ())
    ]

    assert [1, 1, 0, 0] == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"request": "easy?"}, "asks or expects something else"),
        ({"expected": ExpectedAnswer(answers=("yes", "no"))}, "asks or expects something else"),
        ({"cluster": "c0"}, "another cluster"),
        ({"tags": ("a",)}, "no longer counts for b"),
    ],
)
def test_a_changed_case_is_named(agreed: Pact, change: dict[str, object], words: str) -> None:
    """Whatever is changed of a case, somebody has to look."""
    cases = (*CASES[:3], CASES[3].model_copy(update=change))

    (alarm,) = weakened(agreed, make_pact(agreed.rules, run_of(cases), cases, seed=1, terms=TERMS))

    assert ("suite", True) == (alarm.about, words in alarm.what)


def test_a_dropped_case_is_named(agreed: Pact) -> None:
    """Fewer cases are an easier suite."""
    now = make_pact(agreed.rules, run_of(CASES[:3]), CASES[:3], seed=1, terms=TERMS)

    assert ["case 'c3' is gone"] == [alarm.what for alarm in weakened(agreed, now)]


def test_easy_cases_dilute_a_fixed_threshold(agreed: Pact) -> None:
    """Added cases that the champion solves lift every mean; hard ones do not, and a tag more is none."""
    easy = Case(case_id="e", request="!", expected=ExpectedAnswer(answers=("yes",)), cluster="e")
    tagged = (*CASES[:3], CASES[3].model_copy(update={"tags": ("a", "b", "c")}))

    (alarm,) = weakened(agreed, make_pact(agreed.rules, run_of((*CASES, easy)), (*CASES, easy), seed=1, terms=TERMS))

    assert "lift m of the champion from 0.500 to 0.600" in alarm.what
    assert () == weakened(agreed, make_pact(agreed.rules, run_of(tagged), tagged, seed=1, terms=TERMS))
