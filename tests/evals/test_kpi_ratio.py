"""Intervals of ratios and rates are those of the literature, and cover what they say."""

import numpy as np
import pytest

from workbench.evals.kpi_ratio import rate_interval, ratio_interval


def test_fiellers_interval_is_that_of_the_formula() -> None:
    """Both bounds solve (top - r * bottom)^2 = t^2 * variance of (top - r * bottom), t for three degrees of freedom."""
    above, below = np.array([3.0, 5.0, 4.0, 8.0]), np.array([1.0, 2.0, 2.0, 3.0])
    interval = ratio_interval(above, below, np.arange(4), 0.05)

    for bound in interval:
        assert bound is not None
        rest = above - bound * below
        assert pytest.approx(3.182446305) == abs(rest.mean()) / (rest.std(ddof=1) / 2)


def test_cases_of_a_cluster_are_added_up() -> None:
    """Two halves of a cluster tell as much as the whole."""
    above, below = np.array([1.0, 2.0, 5.0, 4.0, 8.0]), np.array([0.5, 0.5, 2.0, 2.0, 3.0])

    assert ratio_interval(above, below, np.array([0, 0, 1, 2, 3]), 0.05) == pytest.approx(
        ratio_interval(np.array([3.0, 5.0, 4.0, 8.0]), np.array([1.0, 2.0, 2.0, 3.0]), np.arange(4), 0.05)
    )


def test_a_total_that_could_be_zero_bounds_nothing() -> None:
    """One completion in five clusters; and a single cluster."""
    assert (None, None) == ratio_interval(np.ones(5), np.array([1.0, 0, 0, 0, 0]), np.arange(5), 0.05)
    assert (None, None) == ratio_interval(np.ones(2), np.ones(2), np.zeros(2, dtype=np.int64), 0.05)


def test_a_ratios_interval_covers_the_truth() -> None:
    """In 95 of 100 of 2,000 draws, within three standard errors: 30 clusters, what is spent depends on completion."""
    stream = np.random.default_rng(7)
    covered = 0
    for _ in range(2_000):
        difficulty = stream.normal(size=(30, 1))
        done = (stream.normal(size=(30, 4)) > difficulty).astype(np.float64)
        spent = np.exp(0.3 * difficulty + 0.5 * stream.normal(size=(30, 4))) * (1.5 - 0.5 * done)
        low, high = ratio_interval(spent.ravel(), done.ravel(), np.repeat(np.arange(30), 4), 0.05)
        covered += low is not None and high is not None and low <= TRUTH <= high

    assert abs(covered / 2_000 - 0.95) <= 0.015


def _truth() -> float:
    """By a million clusters of the same kind."""
    stream = np.random.default_rng(11)
    difficulty = stream.normal(size=(1_000_000, 1))
    done = (stream.normal(size=(1_000_000, 1)) > difficulty).astype(np.float64)
    spent = np.exp(0.3 * difficulty + 0.5 * stream.normal(size=(1_000_000, 1))) * (1.5 - 0.5 * done)
    return float(spent.sum() / done.sum())


TRUTH = _truth()


@pytest.mark.parametrize(("events", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390)])
def test_garwoods_interval_is_the_tabulated_one(events: int, low: float, high: float) -> None:
    """95 % limits of a Poisson count. Source: Garwood 1936, table 1, as in Ulm 1990, Am. J. Epidemiology 131(2)."""
    assert pytest.approx((low, high), abs=6e-4) == rate_interval(events, 1.0, 0.05)
    assert pytest.approx((low / 4, high / 4), abs=6e-4) == rate_interval(events, 4.0, 0.05)
