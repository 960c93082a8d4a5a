"""Intervals and tests by cluster."""

import math

import numpy as np
import pytest
from scipy import stats

from workbench.core import integer
from workbench.evals.interval import (
    NO_INTERVAL,
    Codes,
    Floats,
    clusters_needed,
    codes,
    difference_interval,
    difference_score,
    mean_interval,
    percentile_interval,
    quantile,
    quantile_interval,
    resampled_differences,
    share_interval,
    smallest_effect,
    standard_error,
)


def _values(*numbers: float) -> Floats:
    return np.array(numbers, dtype=np.float64)


def test_single_cases_give_the_textbook_standard_error() -> None:
    """With one case per cluster the clustered error is that of independent values, as scipy has it."""
    values = _values(0.2, 0.9, 0.4, 1.0, 0.1)

    assert pytest.approx(float(stats.sem(values)), abs=1e-12) == standard_error(values, np.arange(5))


def test_a_standard_error_worked_by_hand() -> None:
    """Clusters (1,1), (0,0), (1,0): residual sums 1, -1, 0 over 4 cases left; variance 2/3 * 2/16."""
    values, clusters = _values(1, 1, 0, 0, 1, 0), np.array([0, 0, 1, 1, 2, 2])

    assert pytest.approx(math.sqrt(1 / 12)) == standard_error(values, clusters)


def test_repeating_a_cluster_s_case_does_not_make_it_surer() -> None:
    """Five cases each copied four times inside their cluster say as much as the five."""
    values = _values(0, 1, 1, 0, 1)
    copied, clusters = np.repeat(values, 4), np.repeat(np.arange(5), 4)

    once, again = share_interval(values, np.arange(5), 0.05), share_interval(copied, clusters, 0.05)
    assert pytest.approx((once.low, once.high)) == (again.low, again.high)


def test_a_mean_s_interval_is_student_s() -> None:
    """The interval scipy gives for independent values, to 1e-9."""
    values = _values(3.0, 5.5, 4.0, 8.0)
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))

    assert pytest.approx((low, high), abs=1e-9) == tuple(mean_interval(values, np.arange(4), 0.05))


def test_many_independent_cases_give_wilson_s_interval() -> None:
    """With 5,000 single cases Student's quantile is the normal one to three digits: scipy's Wilson interval."""
    values = np.repeat(_values(1, 0), [4000, 1000])
    wilson = stats.binomtest(4000, 5000).proportion_ci(0.95, method="wilson")

    assert pytest.approx((wilson.low, wilson.high), abs=1e-5) == tuple(share_interval(values, np.arange(5000), 0.05))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_values_do_not_prove_perfection(value: float) -> None:
    """Ten clusters all right: the bound is 10 / (10 + t²) with t = 2.2622 for nine degrees of freedom."""
    interval = share_interval(np.full(30, value), np.repeat(np.arange(10), 3), 0.05)
    bound = 10 / (10 + 2.2621571628**2)

    wanted = (bound, 1.0) if value else (0.0, 1 - bound)
    assert pytest.approx(wanted) == (interval.low, interval.high)


def test_one_cluster_leaves_no_interval() -> None:
    """Nothing can be said from a single cluster, and nothing is."""
    values, clusters = _values(1, 0, 1), np.zeros(3, dtype=np.int64)

    assert NO_INTERVAL == share_interval(values, clusters, 0.05)
    assert NO_INTERVAL == mean_interval(values, clusters, 0.05)
    assert NO_INTERVAL == quantile_interval(values, clusters, 0.5, 0.05)
    assert NO_INTERVAL == difference_interval(values, clusters, 0.05)
    assert smallest_effect(0.0, 1.0, 1, 0.05) is None
    assert clusters_needed(0.0, 1.0, 1, 0.1, 0.05) is None


def _draw(stream: np.random.Generator, count: int, share: float, likeness: float) -> tuple[Floats, Codes]:
    """Beta-binomial clusters of one to seven cases; `likeness` is the correlation inside a cluster."""
    clusters = np.repeat(np.arange(count), stream.integers(1, 8, count))
    scale = (1 - likeness) / likeness
    chances = stream.beta(share * scale, (1 - share) * scale, count)
    return (stream.random(len(clusters)) < chances[clusters]).astype(np.float64), clusters


@pytest.mark.parametrize(("count", "share"), [(15, 0.5), (40, 0.7), (40, 0.9), (120, 0.85)])
def test_intervals_of_scores_cover_as_often_as_they_say(count: int, share: float) -> None:
    """Of 1,000 simulated runs with correlated clusters 93 to 97.5 % have the truth inside the 95 % interval."""
    stream = np.random.default_rng(11)
    intervals = [share_interval(*_draw(stream, count, share, 0.3), 0.05) for _ in range(1000)]

    covered = sum(i.low is not None and i.high is not None and i.low <= share <= i.high for i in intervals)
    assert 930 <= covered <= 975


@pytest.mark.parametrize(("count", "up", "down"), [(40, 0.15, 0.15), (120, 0.2, 0.05), (120, 0.05, 0.05)])
def test_intervals_of_differences_cover_as_often_as_they_say(count: int, up: float, down: float) -> None:
    """Paired differences of -1, 0 and 1, partly shared inside a cluster: 93 to 99 % cover, rare ones most."""
    stream = np.random.default_rng(12)
    covered = 0
    for _ in range(1000):
        clusters = np.repeat(np.arange(count), stream.integers(1, 5, count))
        drawn = stream.choice([1.0, 0.0, -1.0], p=[up, 1 - up - down, down], size=len(clusters) + count)
        shared = stream.random(len(clusters)) < 0.5
        differences = np.where(shared, drawn[clusters], drawn[count:])
        interval = difference_interval(differences, clusters, 0.05)
        covered += interval.low is not None and interval.high is not None and interval.low <= up - down <= interval.high

    assert 930 <= covered <= 990


def test_no_difference_seen_is_not_no_difference() -> None:
    """Fifty single cases that never differ: the d at which d = t * sqrt(d (1 - d) / 50), with t = 2.0096."""
    interval = difference_interval(np.zeros(50), np.arange(50), 0.05)
    square = 2.0095752371**2 / 50

    assert pytest.approx((-square / (1 + square), square / (1 + square))) == (interval.low, interval.high)


def test_a_difference_s_score_is_tango_s() -> None:
    """Children's airways, 7 worse and 1 better of 21: Tango's interval -0.517 to -0.026 of Fagerland et al. 2014.

    An error with n - 1 is that of 20 cases, so the published normal quantile is met but for sqrt(20 / 21).
    """
    score = difference_score(np.repeat(_values(-1, 1, 0), [7, 1, 13]), np.arange(21))
    wanted = 1.95996 * math.sqrt(20 / 21)

    assert pytest.approx((wanted, -wanted), abs=0.01) == (score(-0.517), score(-0.026))


def test_losses_alone_make_no_narrow_interval() -> None:
    """Five of 100 lost and none won: the limit is t errors away, by the error of the limit and not of the data."""
    interval = difference_interval(np.repeat(_values(-1, 0), [5, 95]), np.arange(100), 0.05)
    low = interval.low or 0.0
    quantile = float(stats.t.ppf(0.975, 99))

    assert pytest.approx(-0.05 - quantile * math.sqrt(-low * (1 + low) / 99)) == low


def test_quantiles_and_their_interval() -> None:
    """The 95th of 100 values is the 95th; Wilson's interval of 95 of 100, 0.888 to 0.978, says which bound it."""
    values = np.arange(1.0, 101.0)

    assert [50.0, 95.0] == [quantile(values, 0.5), quantile(values, 0.95)]
    assert (89.0, 98.0) == tuple(quantile_interval(values, np.arange(100), 0.95, 0.05))
    assert (7.0, 7.0) == tuple(quantile_interval(np.full(9, 7.0), np.arange(9), 0.5, 0.05))


def test_a_quantile_s_interval_covers_as_often_as_it_says() -> None:
    """The median of 60 clustered lognormal costs; 92.5 to 97.5 % of 1,000 intervals have the true one inside."""
    stream = np.random.default_rng(13)
    covered = 0
    for _ in range(1000):
        clusters = np.repeat(np.arange(60), 3)
        values = np.exp(0.5 * stream.normal(size=60)[clusters] + stream.normal(size=180))
        interval = quantile_interval(values, clusters, 0.5, 0.05)
        covered += interval.low is not None and interval.high is not None and interval.low <= 1.0 <= interval.high

    assert 925 <= covered <= 975


def test_a_quantile_s_difference_keeps_pairs_together() -> None:
    """Every case costs exactly 5 more, so every resample does."""
    old = np.random.default_rng(14).gamma(2.0, 50.0, 200)
    resampled = resampled_differences((old, old + 5), np.arange(200) // 4, 0.95)

    assert 2000 == len(resampled)
    assert pytest.approx((5.0, 5.0)) == tuple(percentile_interval(resampled, 0.05))


def test_resampled_quantiles_worked_by_the_definition() -> None:
    """Small enough to repeat each cluster as often as it was drawn and take numpy's inverted quantile."""
    stream = np.random.default_rng(integer(0, "resamples"))
    clusters, old, new = np.array([0, 0, 1, 2, 2]), _values(5, 1, 4, 2, 3), _values(9, 1, 1, 8, 0)
    wanted = []
    for times in stream.multinomial(3, np.full(3, 1 / 3), size=2000):
        rows = np.repeat(np.arange(5), times[clusters])
        first, second = (np.quantile(values[rows], 0.5, method="inverted_cdf") for values in (old, new))
        wanted.append(second - first)

    assert wanted == resampled_differences((old, new), clusters, 0.5).tolist()


def test_the_smallest_effect_is_found_four_times_of_five() -> None:
    """A true mean of that size, 1,000 samples of 25 normal values: 76 to 84 % of their intervals exclude 0."""
    stream = np.random.default_rng(15)
    error = 1 / math.sqrt(25)
    spread = float(stats.t.ppf(0.975, 24)) * error
    effect = smallest_effect(-spread, spread, 25, 0.05)

    assert effect is not None
    lows = [mean_interval(stream.normal(effect, 1, 25), np.arange(25), 0.05).low for _ in range(1000)]
    assert 760 <= sum(low is not None and low > 0 for low in lows) <= 840


def test_the_clusters_needed_are_the_fewest_that_show_the_effect() -> None:
    """Of as many clusters as needed the smallest effect is small enough, of one less it is not."""
    error = 0.5 / math.sqrt(30)
    spread = float(stats.t.ppf(0.975, 29)) * error
    needed = clusters_needed(-spread, spread, 30, effect=0.1, alpha=0.05)

    assert needed is not None
    effects = []
    for count in (needed - 1, needed):
        half = float(stats.t.ppf(0.975, count - 1)) * 0.5 / math.sqrt(count)
        effects.append(smallest_effect(-half, half, count, 0.05) or 0.0)
    assert effects[1] <= 0.1 < effects[0]


def test_codes_number_names_in_their_order() -> None:
    """The same names give the same numbers, whatever comes first."""
    assert [1, 0, 1] == codes(["b", "a", "b"]).tolist()
