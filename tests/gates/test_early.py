"""A gate whose evaluation may end before every case is tried."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from pydantic import ValidationError

from workbench.core import ConfigError, EvaluationError, Run, Waiver
from workbench.gates import Looks, Rule, Terms, batches, check, describe, ends, look

MakeRun = Callable[..., Run]
BETTER = Rule(metric="m", better_than="old", stop_early=Looks(first=10, every=10))
SURE = Rule(metric="m", at_least=0.1)
OLD = [0.0, 1.0] * 40
SEED = 1


def evaluated(rules: list[Rule], challenger: Run, champion: Run, terms: Terms | None = None) -> Run:
    """The part of the challenger that an evaluation which may stop would have tried."""
    for batch in batches(rules, champion, seed=SEED):
        part = challenger.on(batch)
        if ends(rules, look(rules, challenger=part, champion=champion, seed=SEED), terms or Terms()):
            return part
    raise AssertionError("the last look ends every evaluation")


@pytest.mark.parametrize(
    ("values", "first", "status"),
    [
        ([1.0] * 80, 10, "PASS"),
        ([0.0] * 80, 50, "FAIL"),
        ([0.0] * 80, 10, "INCONCLUSIVE"),  # after ten it is given up already, though not yet shown to be worse
        (OLD, 10, "INCONCLUSIVE"),
    ],
)
def test_a_clear_answer_ends_it(values: list[float], first: int, status: str, make_run: MakeRun) -> None:
    """Shown, broken or given up: fewer than all eighty cases are tried, and the verdict says how many."""
    champion, challenger = make_run(OLD, agent="old"), make_run(values, agent="new")
    rule = BETTER.model_copy(update={"stop_early": Looks(first=first, every=10)})
    part = evaluated([rule], challenger, champion)
    verdict = check([rule], challenger=part, champion=champion, seed=SEED)

    assert (status, True) == (verdict.status, len(part.clusters) < 80)
    assert f"after {len(part.clusters)} of 80 clusters" in verdict.notes[0]
    assert part.digest == verdict.run_digest
    assert champion.digest == verdict.champion_run_digest


def test_rules_that_need_every_case_get_them(make_run: MakeRun) -> None:
    """A challenger that wins early is tried to the end for the others; one that loses is not, and they stay open."""
    champion = make_run(OLD, agent="old")
    winner, loser = make_run([1.0] * 80, agent="new"), make_run([0.0] * 80, agent="new")
    rules = [BETTER, SURE]

    tried = evaluated(rules, winner, champion)
    verdict = check(rules, challenger=tried, champion=champion, seed=SEED)
    assert (80, "PASS", ()) == (len(tried.clusters), verdict.status, verdict.notes)

    tried = evaluated(rules, loser, champion)
    verdict = check(rules, challenger=tried, champion=champion, seed=SEED)
    assert ["INCONCLUSIVE", "INCONCLUSIVE"] == [finding.status for finding in verdict.findings]
    assert "little hope" in verdict.findings[0].reason
    assert "not decided" in verdict.findings[1].reason


def test_coverage_is_taken_over_what_was_tried(make_run: MakeRun) -> None:
    """It needs no case beyond those: the gate passes early."""
    champion, challenger = make_run(OLD, agent="old"), make_run([1.0] * 80, agent="new")
    rules = [BETTER, Rule(metric="m", coverage=0.98)]
    tried = evaluated(rules, challenger, champion)

    verdict = check(rules, challenger=tried, champion=champion, seed=SEED)

    assert ("PASS", True) == (verdict.status, len(tried.clusters) < 80)
    assert len(tried.clusters) == verdict.findings[1].cases


def test_a_waived_rule_does_not_end_it(make_run: MakeRun) -> None:
    """Somebody answers for it, so the other rules have to be decided; once the waiver is over they need not."""
    champion, loser = make_run(OLD, agent="old"), make_run([0.0] * 80, agent="new")
    waiver = Waiver(rule=describe(BETTER), owner="ann", reason="known", expires=date(2026, 12, 1))
    rules = [BETTER, Rule(metric="m", coverage=0.5), Rule(metric="m", no_worse_than="old", margin=0.9)]
    counts, over = (Terms(waivers=(waiver,), today=date(2026, month, 2)) for month in (11, 12))

    assert 80 == len(evaluated(rules, loser, champion, counts).clusters)
    assert len(evaluated(rules, loser, champion, over).clusters) < 80


def test_nobody_ends_it_at_will(make_run: MakeRun) -> None:
    """A part that is no look, and a look at which nothing is decided, give no verdict."""
    champion, challenger = make_run(OLD, agent="old"), make_run(OLD, agent="new")
    first = batches([BETTER], champion, seed=SEED)[0]

    with pytest.raises(EvaluationError, match="nor those up to a look"):
        check([BETTER], challenger=challenger.on(first[:-1]), champion=champion, seed=SEED)
    with pytest.raises(EvaluationError, match="ended before its rules were decided"):
        check([BETTER, SURE], challenger=challenger.on(first), champion=champion, seed=SEED)


def test_without_looks_all_is_one_batch(make_run: MakeRun) -> None:
    """And a part of it is no evaluation."""
    champion = make_run(OLD, agent="old")
    (batch,) = batches([SURE], champion, seed=SEED)

    assert tuple(champion.clusters) == batch
    with pytest.raises(EvaluationError, match="did not try the same cases"):
        check([SURE], challenger=make_run(OLD, agent="new").on(batch[:40]), champion=champion, seed=SEED)


def test_more_rules_make_each_look_stricter(make_run: MakeRun) -> None:
    """alpha is shared by the rules that are tested, so the same data stop later."""
    new = [1.0 if place % 4 == 0 else old for place, old in enumerate(OLD)]
    champion, challenger = make_run(OLD, agent="old"), make_run(new, agent="new")
    others = [BETTER.model_copy(update={"margin": margin}) for margin in (0.0, 0.0, 0.0, 0.0)]
    alone = look([BETTER], challenger=challenger, champion=champion, seed=SEED).decisions[0]
    among = look([BETTER, *others], challenger=challenger, champion=champion, seed=SEED).decisions[0]

    assert ("PASS", True) == (alone.state, alone.clusters < among.clusters)


@pytest.mark.parametrize("change", [{"suite": "s"}, {"better_than": None, "at_least": 0.5}, {"metric": "tokens"}])
def test_looks_are_for_comparisons_of_scores_on_the_test(change: dict[str, object]) -> None:
    """Anything else is refused when the file is read."""
    rule = BETTER.model_dump() | {"better_than": None, "no_worse_than": "old"} | change
    if "at_least" in change:
        rule["no_worse_than"] = None
    with pytest.raises(ValidationError, match="stop_early is for"):
        Rule.model_validate(rule)


def test_a_fixed_sequence_has_no_place_for_it(make_run: MakeRun) -> None:
    """Nor are more looks allowed than the integral can bear."""
    champion = make_run([1.0] * 100, agent="old")
    often = BETTER.model_copy(update={"stop_early": Looks(first=2, every=1)})

    with pytest.raises(ConfigError, match="use 'holm'"):
        check([BETTER], challenger=champion, champion=champion, seed=SEED, terms=Terms(correction="fixed sequence"))
    with pytest.raises(ConfigError, match="set every to 2 or more"):
        check([often], challenger=champion, champion=champion, seed=SEED)


def test_a_gate_that_stops_early_errs_no_more_often(make_run: MakeRun) -> None:
    """Two rules, a challenger that is truly the same: 400 gates, at most alpha / 2 with an allowance of 3 errors."""
    rules = [BETTER, BETTER.model_copy(update={"better_than": None, "no_worse_than": "old"})]
    found = []
    for number in range(400):
        rng = np.random.default_rng(number)
        old, new = (rng.integers(0, 2, 40).astype(float).tolist() for _ in range(2))
        champion, challenger = make_run(old, agent="old"), make_run(new, agent="new")
        tried = evaluated(rules, challenger, champion)
        found.append(check(rules, challenger=tried, champion=champion, seed=SEED).status)

    allowed = 400 * (0.025 + 3 * (0.025 * 0.975 / 400) ** 0.5)
    assert found.count("FAIL") <= allowed
    assert found.count("PASS") <= allowed
