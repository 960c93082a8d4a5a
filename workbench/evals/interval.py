"""Intervals and tests for measurements that come in clusters.

Cases of one cluster share tools, so they are not independent: a cluster is the unit that counts. The variance of
a mean is the jackknife's, leaving out one cluster at a time, and quantiles are Student's with G - 1 degrees
of freedom for G clusters; a percentile bootstrap of clusters covers less with few of them, and needs a seed.
Source: Cameron & Miller 2015, A Practitioner's Guide to Cluster-Robust Inference, JHR 50(2), section VI;
MacKinnon, Nielsen & Webb 2023, Cluster-robust inference: A guide to empirical practice, J. Econometrics 232(2),
who recommend this variance (CV3) over the plain one where clusters differ in size, as ours do.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from workbench.core import integer

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST_PATTERNS = 14
"""Up to two to this power sign patterns are all looked at; beyond, some are drawn."""
DRAWS = 10_000
RESAMPLES = 2_000


class Interval(NamedTuple):
    """A two-sided interval; both None where one cluster or none leaves nothing to estimate from."""

    low: float | None
    high: float | None


NO_INTERVAL = Interval(None, None)


def codes(clusters: Sequence[str]) -> Codes:
    """A number for each cluster's name, from 0, in the order of names."""
    _names, found = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
    return found.astype(np.int64)


def standard_error(values: Floats, clusters: Codes) -> float:
    """The standard error of the mean, by cluster; NaN for fewer than two clusters.

    Never less than for independent values: with few clusters their sums can agree by chance.
    """
    count = _count(clusters)
    if count < 2:
        return math.nan
    sizes = np.bincount(clusters)
    residuals = np.bincount(clusters, weights=values - values.mean())
    without = residuals / (len(values) - sizes)  # how far the mean moves when a cluster is left out
    clustered = (count - 1) / count * float(without @ without)
    independent = float(values.var(ddof=1)) / len(values)
    return math.sqrt(max(clustered, independent))


def student(level: float, clusters: int) -> float:
    """The quantile of Student's t with one degree of freedom less than there are clusters."""
    return float(stdtrit(clusters - 1, level))


def share_interval(values: Floats, clusters: Codes, alpha: float) -> Interval:
    """The 1 - alpha interval of the mean of values in [0, 1].

    Wilson's interval with the effective sample size in place of the number of cases and Student's quantile in
    place of the normal one. It stays inside [0, 1]. Where all values are equal the data say nothing of how
    alike the cases of a cluster are, so each cluster counts as one case: ten clusters that are all right do
    not prove perfection. Source: Franco, Little, Louis & Slud 2019, Comparative Study of Confidence Intervals
    for Proportions in Complex Sample Surveys, JSSAM 7(3), who recommend this form.
    """
    count = _count(clusters)
    if count < 2:
        return NO_INTERVAL
    share, error, quantile = float(values.mean()), standard_error(values, clusters), student(1 - alpha / 2, count)
    size = share * (1 - share) / error**2 if error > 0 else float(count)
    centre = (share + quantile**2 / (2 * size)) / (1 + quantile**2 / size)
    spread = quantile / (1 + quantile**2 / size) * math.sqrt(share * (1 - share) / size + (quantile / (2 * size)) ** 2)
    return Interval(max(0.0, centre - spread), min(1.0, centre + spread))


def mean_interval(values: Floats, clusters: Codes, alpha: float) -> Interval:
    """The 1 - alpha interval of the mean of any values: mean ± Student's quantile × error."""
    count = _count(clusters)
    if count < 2:
        return NO_INTERVAL
    spread = student(1 - alpha / 2, count) * standard_error(values, clusters)
    return Interval(float(values.mean()) - spread, float(values.mean()) + spread)


def quantile(values: Floats, level: float) -> float:
    """The smallest value with at least a share of `level` of the values at or below it.

    >>> quantile(np.array([1.0, 2.0, 3.0, 4.0]), 0.5)
    2.0
    """
    return float(np.quantile(values, level, method="inverted_cdf"))


def quantile_interval(values: Floats, clusters: Codes, level: float, alpha: float) -> Interval:
    """The 1 - alpha interval of a quantile.

    The values between which the share at or below the quantile is uncertain. Source: Woodruff 1952, Confidence
    Intervals for Medians and Other Position Measures, JASA 47.
    """
    below = (values <= quantile(values, level)).astype(np.float64)
    shares = share_interval(below, clusters, alpha)
    if shares.low is None or shares.high is None:
        return NO_INTERVAL
    excess = float(below.mean()) - level  # ties can put more at or below the quantile than its level says
    low, high = max(0.0, shares.low - excess), min(1.0, shares.high)
    return Interval(quantile(values, low), quantile(values, high))


def difference_interval(differences: Floats, clusters: Codes, alpha: float) -> Interval:
    """The 1 - alpha interval of the mean of paired differences of scores, each in [-1, 1].

    Student's interval by cluster, after one more cluster of each sign is added, as large as those that
    differ: where few or none differ the data can't show that none ever would, and a plain interval would have
    no width. Source: Bonett & Price 2012, Adjusted Wald Confidence Interval for a Difference of Binomial
    Proportions Based on Paired Data, JEBS 37(4), who add one discordant pair of each sign; carried over to clusters.
    """
    count = _count(clusters)
    if count < 2:
        return NO_INTERVAL
    sums = np.bincount(clusters, weights=differences)
    differing = sums[sums != 0]
    added = math.sqrt(float((differing**2).mean())) if len(differing) else len(differences) / count
    cases = len(differences) + 2 * added
    centre = float(sums.sum()) / cases
    residuals = np.bincount(clusters, weights=differences - centre)
    square = float(residuals @ residuals) + (added * (1 - centre)) ** 2 + (added * (1 + centre)) ** 2
    error = math.sqrt((count + 2) / (count + 1) * square) / cases
    spread = student(1 - alpha / 2, count) * error
    return Interval(centre - spread, centre + spread)


def quantile_difference_interval(pairs: tuple[Floats, Floats], clusters: Codes, level: float, alpha: float) -> Interval:
    """The 1 - alpha interval of how much a quantile of the second values exceeds that of the first.

    The two values of a case stay together. Percentiles of 2,000 resamples of clusters, always the same ones.
    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 8 and 13.
    """
    count = _count(clusters)
    if count < 2:
        return NO_INTERVAL
    stream = np.random.default_rng(integer(0, "resamples"))
    drawn = stream.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    first, second = (_resampled_quantiles(values, clusters, drawn, level) for values in pairs)
    low, high = np.quantile(second - first, [alpha / 2, 1 - alpha / 2])
    return Interval(float(low), float(high))


def _resampled_quantiles(values: Floats, clusters: Codes, drawn: Codes, level: float) -> Floats:
    """The quantile of `values` under each row of how often each cluster was drawn."""
    order = np.argsort(values, kind="stable")
    found = np.empty(len(drawn))
    for row, times in enumerate(drawn):  # one at a time: all at once would need rows times cases of memory
        reached = np.cumsum(times[clusters[order]])
        found[row] = values[order[np.searchsorted(reached, level * reached[-1])]]
    return found


def sign_flip_p(sums: Floats, seed: int) -> float:
    """The two-sided p-value of cluster sums under the hypothesis that each sign is as likely as the other.

    Exact up to 2^14 sign patterns; beyond, 10,000 drawn with `seed`, and the observed one is counted among
    them. Clusters that sum to 0 say nothing. Source: Fisher 1935, The Design of Experiments, section 21; for
    clusters Canay, Romano & Shaikh 2017, Econometrica 85(3); for the count Phipson & Smyth 2010, SAGMB 9(1).

    >>> sign_flip_p(np.array([1.0, 1.0, 1.0]), seed=1)
    0.25
    """
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    # Sums of the same size in another order differ in the last digits; those are ties.
    observed = abs(float(sums.sum())) - 1e-9 * float(np.abs(sums).sum())
    if len(sums) <= MOST_PATTERNS:
        patterns = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        return float((np.abs((2.0 * patterns - 1) @ sums) >= observed).mean())
    stream = np.random.default_rng(integer(seed, "sign flips"))
    drawn = 2.0 * stream.integers(0, 2, size=(DRAWS, len(sums)), dtype=np.int8) - 1
    return (1 + int((np.abs(drawn @ sums) >= observed).sum())) / (1 + DRAWS)


def smallest_effect(low: float, high: float, clusters: int, alpha: float) -> float | None:
    """The smallest true distance from a threshold that is shown with 80 % power, at two-sided level alpha.

    Taken from the 1 - alpha interval and its number of clusters; None for fewer than two. Source: Bloom 1995,
    Minimum Detectable Effects, Evaluation Review 19(5): the standard error times the sum of two quantiles.
    """
    if clusters < 2:
        return None
    error = (high - low) / 2 / student(1 - alpha / 2, clusters)
    return (student(1 - alpha / 2, clusters) + student(0.8, clusters)) * error


def _count(clusters: Codes) -> int:
    return int(clusters.max()) + 1 if len(clusters) else 0
