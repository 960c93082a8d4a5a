"""Reciprocal rank fusion follows the paper."""

import pytest

from workbench.retrieval import reciprocal_rank_fusion


def test_the_score_is_the_sum_of_reciprocal_ranks() -> None:
    """By hand with the constant 60: b stands second and first, a first only, c second only."""
    fused = reciprocal_rank_fusion([["a", "b"], ["b", "c"]], constant=60)

    assert ["b", "a", "c"] == [name for name, _ in fused]
    assert pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62]) == [score for _, score in fused]


def test_ties_come_in_the_order_of_the_ids() -> None:
    """Two that are first once and second once each are equal."""
    assert ["x", "y"] == [name for name, _ in reciprocal_rank_fusion([["y", "x"], ["x", "y"]], constant=60)]


def test_nothing_fused_is_nothing() -> None:
    """Empty rankings give an empty ranking."""
    assert [] == reciprocal_rank_fusion([[], []], constant=60)
