"""Tests by cluster, and that they agree with the intervals."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from workbench.evals.interval import (
    Codes,
    Floats,
    Interval,
    difference_interval,
    mean_interval,
    quantile_interval,
    share_interval,
)
from workbench.evals.significance import (
    Tails,
    difference_tails,
    mean_tails,
    quantile_tails,
    resampled_tails,
    share_tails,
    sign_flip_p,
)

THRESHOLDS = np.linspace(0.02, 0.98, 25)
Bounds = Callable[[Floats, Codes, float], Interval]
Sides = Callable[[Floats, Codes, float], Tails | None]


def _values(*numbers: float) -> Floats:
    return np.array(numbers, dtype=np.float64)


def _medians(values: Floats, clusters: Codes, alpha: float) -> Interval:
    return quantile_interval(values, clusters, 0.5, alpha)


def _median_tails(values: Floats, clusters: Codes, threshold: float) -> Tails | None:
    return quantile_tails(values, clusters, 0.5, threshold)


@pytest.mark.parametrize(
    ("bounds", "sides", "graded"),
    [
        (mean_interval, mean_tails, True),
        (share_interval, share_tails, False),
        (difference_interval, difference_tails, False),
        (_medians, _median_tails, True),
    ],
)
def test_a_p_value_and_its_interval_never_contradict_each_other(bounds: Bounds, sides: Sides, graded: bool) -> None:
    """The doubled tail is at most alpha just where the interval leaves the threshold out, for any alpha."""
    stream = np.random.default_rng(31)
    clusters = np.repeat(np.arange(12), stream.integers(1, 5, 12))
    for alpha in (0.01, 0.05, 0.3):
        values = stream.random(len(clusters))
        values = values if graded else (values < 0.6).astype(np.float64)
        low, high = bounds(values, clusters, alpha)
        assert low is not None
        assert high is not None
        for threshold in THRESHOLDS:
            tails = sides(values, clusters, float(threshold))
            assert tails is not None
            assert (low > threshold) == (2 * tails.above <= alpha)
            assert (high < threshold) == (2 * tails.below <= alpha)


def test_a_mean_s_tails_are_student_s() -> None:
    """The one-sample t-test of scipy on single cases, to 1e-9."""
    values = _values(3.0, 5.5, 4.0, 8.0, 6.5)
    tails = mean_tails(values, np.arange(5), 4.2)
    wanted = tuple(float(stats.ttest_1samp(values, 4.2, alternative=side).pvalue) for side in ("less", "greater"))

    assert pytest.approx(wanted, abs=1e-9) == tails


def test_a_share_s_tails_worked_by_hand() -> None:
    """Eight of ten single cases against one half: t = 0.3 / sqrt(0.25 / 9), since an error with n - 1 is 9's size."""
    tails = share_tails(np.repeat(_values(1, 0), [8, 2]), np.arange(10), 0.5)
    wanted = float(stats.t.sf(0.3 / math.sqrt(0.25 / 9), 9))

    assert pytest.approx((1 - wanted, wanted), abs=1e-9) == tails


def test_equal_values_against_a_bound_they_can_not_leave() -> None:
    """All right is no proof against a threshold of 1, and one wrong is proof that it is missed."""
    right, one_wrong = np.ones(9), np.repeat(_values(1, 0), [8, 1])

    assert Tails(1.0, 1.0) == share_tails(right, np.arange(9), 1.0)
    assert Tails(0.0, 1.0) == share_tails(one_wrong, np.arange(9), 1.0)


def test_one_cluster_leaves_no_tails() -> None:
    """Nothing can be said from a single cluster, and nothing is."""
    values, alone = _values(1, 0), np.zeros(2, dtype=np.int64)

    assert [None] * 4 == [
        sides(values, alone, 0.5) for sides in (mean_tails, share_tails, difference_tails, _median_tails)
    ]


def test_resamples_count_the_observed_one() -> None:
    """Of four resamples one lies at the threshold and one above: (1 + 2) / 5 and (1 + 3) / 5."""
    assert pytest.approx((3 / 5, 4 / 5)) == resampled_tails(_values(-2, -1, 0, 1), 0.0)


def test_whole_sums_are_counted_as_scipy_s_binomial_test_counts_them() -> None:
    """Sixty clusters of one case each, 38 better: the exact sign test, to 1e-9; the seed says nothing."""
    sums = np.repeat(_values(1, -1), [38, 22])
    exact = float(stats.binomtest(38, 60).pvalue)

    assert pytest.approx((exact, exact), abs=1e-9) == (sign_flip_p(sums, seed=1), sign_flip_p(sums, seed=2))


def test_whole_sums_of_several_sizes_equal_all_their_patterns() -> None:
    """Sizes 1, 2, 3 and 5, twelve clusters: the same as with sums that are no whole numbers, which are enumerated."""
    sums = _values(1, 1, -2, 3, 5, -1, 2, 2, 0, -3, 1, 5)

    assert pytest.approx(sign_flip_p(sums * 0.1, seed=1), abs=1e-12) == sign_flip_p(sums, seed=1)


def test_sign_flips_equal_scipy_s_exact_permutation_test() -> None:
    """All 2^9 patterns, as scipy's paired permutation test counts them."""
    sums = _values(2, 1, -1, 3, 0.5, 1, -0.5, 2, 1)
    reference = stats.permutation_test(
        (sums, np.zeros(9)), lambda x, y: float((x - y).sum()), permutation_type="samples", n_resamples=10_000
    )

    assert pytest.approx(float(reference.pvalue), abs=1e-9) == sign_flip_p(sums, seed=1)


def test_drawn_sign_flips_come_near_the_exact_ones() -> None:
    """Thirty clusters: the draws give the p-value of the sign test within four standard errors, and always the same.

    Sums of 0.3 are no whole numbers, so they are drawn.
    """
    sums = np.repeat(_values(0.3, -0.3), [21, 9])
    exact = stats.binomtest(21, 30).pvalue

    assert sign_flip_p(sums, seed=5) == sign_flip_p(sums, seed=5)
    assert abs(sign_flip_p(sums, seed=5) - exact) < 4 * math.sqrt(exact / 10_000)


def test_a_drawn_p_value_is_never_zero() -> None:
    """The observed pattern counts among the draws."""
    assert pytest.approx(1 / 10_001) == sign_flip_p(np.full(60, 0.3), seed=1)
    assert 1.0 == sign_flip_p(np.zeros(4), seed=1)
