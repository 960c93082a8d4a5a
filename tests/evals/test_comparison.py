"""A challenger against a champion."""

from collections.abc import Callable

import pytest

from workbench.core import EvaluationError, Run, Usage
from workbench.evals import compare

MakeRun = Callable[..., Run]
OLD, NEW = [1, 0, 0, 1, 0, 0, None], [1, 1, 1, 1, 1, 0, 1]
CLUSTERS = ["a", "a", "b", "b", "c", "d", "d"]


def test_a_small_comparison_worked_by_hand(make_run: MakeRun) -> None:
    """Three of six pairs better, in three clusters of four: two of the eight sign patterns are as extreme."""
    found = compare(make_run(OLD, CLUSTERS, agent="old"), make_run(NEW, CLUSTERS, agent="new"), "m")

    assert ("old", "new", 0.5, 6, 4, 3, 0) == (
        found.champion,
        found.challenger,
        found.difference,
        found.cases,
        found.clusters,
        found.better,
        found.worse,
    )
    assert 0.25 == found.p_value


def test_turning_it_round_turns_the_sign(make_run: MakeRun) -> None:
    """The same numbers with the opposite sign, the same p-value."""
    old, new = make_run(OLD, CLUSTERS), make_run(NEW, CLUSTERS)
    there, back = compare(old, new, "m"), compare(new, old, "m")

    assert there.difference is not None
    assert there.low is not None
    assert (-there.difference, there.p_value) == (back.difference, back.p_value)
    assert pytest.approx(-there.low) == back.high
    assert (there.better, there.worse) == (back.worse, back.better)


def test_a_lower_cost_is_better(make_run: MakeRun) -> None:
    """Two of three cases need fewer tokens; a quantile has a difference and an interval, and no p-value."""
    old = make_run([1, 1, 1], usages=[Usage(calls=1, prompt_tokens=n) for n in (10, 20, 30)])
    new = make_run([1, 1, 1], usages=[Usage(calls=1, prompt_tokens=n) for n in (4, 21, 20)])
    tokens, latency = compare(old, new, "tokens"), compare(old, new, "latency_ms_p50")

    assert (-5.0, 2, 1) == (tokens.difference, tokens.better, tokens.worse)
    assert (0.0, 0.0, 0.0, None) == (latency.difference, latency.low, latency.high, latency.p_value)


def test_nothing_in_common_is_unmeasured(make_run: MakeRun) -> None:
    """Each run scored what the other did not."""
    found = compare(make_run([1, None]), make_run([None, 1]), "m")

    assert (None, None, None, 0) == (found.difference, found.low, found.p_value, found.cases)


def test_runs_that_do_not_belong_together_are_refused(make_run: MakeRun) -> None:
    """Other eval sets, other splits, other cases, other metrics."""
    run = make_run([1, 0], agent="old")

    for change, words in (
        ({"evalset_digest": "f" * 64}, "different eval sets"),
        ({"split": "test"}, "different splits"),
    ):
        other = run.model_copy(update={"header": run.header.model_copy(update=change)})
        with pytest.raises(EvaluationError, match=words):
            compare(run, other, "m")
    with pytest.raises(EvaluationError, match="did not try the same cases"):
        compare(run, make_run([1, 0, 1]), "m")
    with pytest.raises(EvaluationError, match="has no metric 'n'"):
        compare(run, run, "n")


def _graded(run: Run, **changes: object) -> Run:
    return run.model_copy(update={"header": run.header.model_copy(update=changes)})


def test_runs_that_were_graded_differently_are_refused(make_run: MakeRun) -> None:
    """By another grader, or by one that is not known; what only one of them was graded on does not matter."""
    run = make_run([1, 0], agent="old")
    ours = _graded(run, graders={"m": "a" * 64})
    with pytest.raises(
        EvaluationError, match=r"'m' was graded differently .aaaaaaaaaaaa, bbbbbbbbbbbb.; regrade the champion"
    ):
        compare(ours, _graded(run, graders={"m": "b" * 64}), "m")
    with pytest.raises(EvaluationError, match=r"graded differently .aaaaaaaaaaaa, not known."):
        compare(ours, run, "m")

    assert 0.0 == compare(ours, _graded(run, graders={"m": "a" * 64, "n": "c" * 64}), "m").difference


def test_dollars_of_different_price_lists_are_not_compared(make_run: MakeRun) -> None:
    """Tokens and scores are."""
    run = make_run([1, 0], usages=[Usage(calls=1, prompt_tokens=n, usd=n / 100) for n in (10, 20)])
    old, new = _graded(run, prices="a" * 64), _graded(run, prices="b" * 64)
    with pytest.raises(
        EvaluationError, match=r"different price lists .aaaaaaaaaaaa, bbbbbbbbbbbb.; regrade the champion"
    ):
        compare(old, new, "usd")

    assert (0.0, 0.0) == (compare(old, new, "tokens").difference, compare(old, old, "usd").difference)
