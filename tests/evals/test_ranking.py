"""Ranking formulas."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.evals import ndcg_at, recall_at, reciprocal_rank
from workbench.evals.ranking import average_precision, precision_at, uncapped_recall_at

RANKED = ["d3", "d1", "d7", "d2"]


def test_a_ranking_worked_by_hand() -> None:
    """Two relevant documents on ranks 2 and 4: the formulas of Manning et al. 2008, ch. 8."""
    relevant = {"d1", "d2"}

    assert 0.0 == recall_at(1, RANKED, relevant)
    assert 0.5 == recall_at(2, RANKED, relevant)
    assert 1.0 == recall_at(5, RANKED, relevant)
    assert 0.5 == reciprocal_rank(RANKED, relevant)
    best = 1 + 1 / math.log2(3)
    assert pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / best, abs=1e-12) == ndcg_at(10, RANKED, relevant)


def test_average_precision_precision_and_recall_worked_by_hand() -> None:
    """Three relevant documents, on ranks 2 and 4 and not returned: the formulas of Manning et al. 2008, ch. 8."""
    relevant = {"d1", "d2", "d9"}

    assert pytest.approx((1 / 2 + 2 / 4) / 3, abs=1e-12) == average_precision(RANKED, relevant)
    assert [0.0, 0.5, 0.2] == [precision_at(k, RANKED, relevant) for k in (1, 2, 10)]
    assert [0.0, 1 / 3, 2 / 3] == [uncapped_recall_at(k, RANKED, relevant) for k in (1, 2, 10)]
    assert 0.5 == recall_at(2, RANKED, relevant)  # capped: two places can hold two


def test_a_grade_is_the_gain_and_none_or_less_is_not_relevant() -> None:
    """Grades 3 and 1 on ranks 2 and 4, grade 2 not returned, 0 and -1 returned: DCG with gain = grade."""
    grades = {"d1": 3, "d2": 1, "d9": 2, "d3": 0, "d7": -1}
    best = 3 + 2 / math.log2(3) + 1 / math.log2(4)

    assert pytest.approx((3 / math.log2(3) + 1 / math.log2(5)) / best, abs=1e-12) == ndcg_at(10, RANKED, grades)
    assert pytest.approx(3 / math.log2(3) / (3 + 2 / math.log2(3)), abs=1e-12) == ndcg_at(2, RANKED, grades)
    assert 0.5 == reciprocal_rank(RANKED, grades)
    assert 2 / 3 == uncapped_recall_at(5, RANKED, grades)
    assert average_precision(RANKED, {"d1", "d2", "d9"}) == average_precision(RANKED, grades)
    assert ndcg_at(3, RANKED, {"d1"}) == ndcg_at(3, RANKED, {"d1": 1})


EVERY = (
    lambda ranked, relevant: recall_at(5, ranked, relevant),
    lambda ranked, relevant: uncapped_recall_at(5, ranked, relevant),
    lambda ranked, relevant: precision_at(5, ranked, relevant),
    lambda ranked, relevant: ndcg_at(5, ranked, relevant),
    reciprocal_rank,
    average_precision,
)


def test_what_was_not_returned_scores_zero_and_nothing_relevant_is_undefined() -> None:
    """Zero says the index failed; None says there was nothing to find."""
    assert [0.0] * 6 == [formula([], {"a"}) for formula in EVERY]
    assert [None] * 6 == [formula(RANKED, ()) for formula in EVERY]
    assert [None] * 6 == [formula(RANKED, {"d3": 0, "d1": -1}) for formula in EVERY]


def test_an_id_that_comes_again_is_passed_over() -> None:
    """An agent that repeats itself gains nothing, and what comes after loses no rank."""
    assert [formula(["x", "a", "b"], {"a", "b"}) for formula in EVERY] == [
        formula(["x", "x", "a", "a", "x", "b", "a"], {"a", "b"}) for formula in EVERY
    ]


@given(st.permutations(["a", "b", "c", "d"]), st.sets(st.sampled_from("abcd"), min_size=1))
def test_the_best_order_scores_one_and_no_order_more(ranked: list[str], relevant: set[str]) -> None:
    """With the relevant documents first every formula is 1, and it is never above."""
    best = sorted(ranked, key=lambda document: document not in relevant)

    assert [1.0] * 4 == [recall_at(k, best, relevant) for k in (1, 2, 3, 4)]
    assert 1.0 == reciprocal_rank(best, relevant)
    assert pytest.approx(1.0) == ndcg_at(10, best, relevant)
    assert pytest.approx(1.0) == average_precision(best, relevant)
    assert (ndcg_at(10, ranked, relevant) or 0) <= 1 + 1e-12
    assert (average_precision(ranked, relevant) or 0) <= (average_precision(best, relevant) or 0) + 1e-12
