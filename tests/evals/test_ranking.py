"""Ranking formulas."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.evals import ndcg_at, recall_at, reciprocal_rank

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


def test_what_was_not_returned_scores_zero_and_nothing_relevant_is_undefined() -> None:
    """Zero says the index failed; None says there was nothing to find."""
    assert [0.0, 0.0, 0.0] == [recall_at(5, [], {"a"}), reciprocal_rank([], {"a"}), ndcg_at(10, [], {"a"})]
    assert [None, None, None] == [recall_at(5, RANKED, ()), reciprocal_rank(RANKED, ()), ndcg_at(10, RANKED, ())]


@given(st.permutations(["a", "b", "c", "d"]), st.sets(st.sampled_from("abcd"), min_size=1))
def test_the_best_order_scores_one_and_no_order_more(ranked: list[str], relevant: set[str]) -> None:
    """With the relevant documents first every formula is 1, and it is never above."""
    best = sorted(ranked, key=lambda document: document not in relevant)

    assert [1.0] * 4 == [recall_at(k, best, relevant) for k in (1, 2, 3, 4)]
    assert 1.0 == reciprocal_rank(best, relevant)
    assert pytest.approx(1.0) == ndcg_at(10, best, relevant)
    assert (ndcg_at(10, ranked, relevant) or 0) <= 1 + 1e-12
