"""Intervals and tests for measurements that come in clusters.

Cases of one cluster share tools, so they are not independent: a cluster is the unit that counts. The variance of
a mean is the jackknife's, leaving out one cluster at a time, and quantiles are Student's with G - 1 degrees
of freedom for G clusters; a percentile bootstrap of clusters covers less with few of them, and needs a seed.
Source: Cameron & Miller 2015, A Practitioner's Guide to Cluster-Robust Inference, JHR 50(2), section VI;
MacKinnon, Nielsen & Webb 2023, Cluster-robust inference: A guide to empirical practice, J. Econometrics 232(2),
who recommend this variance (CV3) over the plain one where clusters differ in size, as ours do.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from workbench.core import integer

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

RESAMPLES = 2_000
BISECTIONS = 54
"""Halvings of [-1, 1] until a double has no digits left."""
BLOCK = 1_000_000
"""Numbers held at once while resamples are looked at."""


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
    return wilson(share, share * (1 - share) / error**2 if error > 0 else float(count), quantile)


def wilson(share: float, size: float, quantile: float) -> Interval:
    """Wilson's interval of a share seen in a sample of `size`, which need not be whole; it stays inside [0, 1].

    Source: Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22.
    """
    centre = (share + quantile**2 / (2 * size)) / (1 + quantile**2 / size)
    spread = quantile / (1 + quantile**2 / size) * math.sqrt(share * (1 - share) / size + (quantile / (2 * size)) ** 2)
    # At the ends the formula gives 0 and 1 but for the last bit, which would be shown.
    return Interval(max(0.0, centre - spread) if share else 0.0, min(1.0, centre + spread) if share < 1 else 1.0)


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

    The differences that `difference_score` does not reject, with Student's quantile in place of the normal one.
    """
    count = _count(clusters)
    if count < 2:
        return NO_INTERVAL
    score, quantile = difference_score(differences, clusters), student(1 - alpha / 2, count)
    mean = float(differences.mean())
    return Interval(_root(score, quantile, (-1.0, mean)), _root(score, -quantile, (mean, 1.0)))


def difference_score(differences: Floats, clusters: Codes) -> Callable[[float], float]:
    """How many standard errors the mean of paired differences lies above a threshold; two clusters at least.

    The error is that of the threshold, not of the mean: where few differ, or all that differ do so in one direction,
    an error from the data is too small, and a drop of just the margin would pass for none too often. Tango's score
    with the effective sample size in place of the number of cases; where none differ, each cluster counts as one
    case. For grades between 0 and 1 the variance keeps the proportion that it has to that of right and wrong.
    Source: Tango 1998, Equivalence Test and Confidence Interval for the Difference in Proportions for the
    Paired-Sample Design, Statistics in Medicine 17(8), recommended by Fagerland, Lydersen & Laake 2014, 33(16).
    """
    up, down = float(differences.clip(0).mean()), float((-differences).clip(0).mean())
    spread, error = up + down - (up - down) ** 2, standard_error(differences, clusters)
    size = spread / error**2 if error > 0 and spread > 0 else float(_count(clusters))

    def score(threshold: float) -> float:
        # The likeliest share of losses if the mean were the threshold: the larger root of a quadratic.
        linear = up + down + threshold * (up - down) - 2 * threshold
        loss = (linear + math.sqrt(max(0.0, linear**2 + 8 * down * threshold * (1 - threshold)))) / 4
        variance = 2 * loss + threshold - threshold**2
        distance = up - down - threshold
        if variance <= 0:
            return math.copysign(math.inf, distance) if distance else 0.0
        return distance / math.sqrt(variance / size)

    return score


def difference_moments(differences: Floats, clusters: Codes) -> tuple[float, float]:
    """The mean of paired differences of scores and its standard error, both drawn a little to no difference.

    Two clusters at least. Half a cluster of each sign and one of no difference are added, as large as those that
    differ, so that the error is never 0. For sums that grow while one looks, where a score can't be solved each time.
    Source: Agresti & Min 2005, Simple Improved Confidence Intervals for Comparing Matched Proportions, Statistics in
    Medicine 24(5), who add half a pair to each of the four cells; carried over to clusters.
    """
    count = _count(clusters)
    sums = np.bincount(clusters, weights=differences)
    differing = sums[sums != 0]
    added = math.sqrt(float((differing**2).mean())) if len(differing) else len(differences) / count
    cases = len(differences) + 2 * added
    centre = float(sums.sum()) / cases
    residuals = np.bincount(clusters, weights=differences - centre)
    square = float(residuals @ residuals) + added**2 * (1 + 2 * centre**2)
    return centre, math.sqrt((count + 2) / (count + 1) * square) / cases


def _root(score: Callable[[float], float], level: float, between: tuple[float, float]) -> float:
    """Where a falling score reaches a level, to the last digits; the nearer end where it does not."""
    low, high = between
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) > level else (low, middle)
    return (low + high) / 2


def percentile_interval(resampled: Floats, alpha: float) -> Interval:
    """The 1 - alpha interval of a difference of quantiles: the percentiles of its resamples.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    low, high = np.quantile(resampled, [alpha / 2, 1 - alpha / 2])
    return Interval(float(low), float(high))


def resampled_differences(pairs: tuple[Floats, Floats], clusters: Codes, level: float) -> Floats:
    """How much a quantile of the second values exceeds that of the first in 2,000 resamples of clusters.

    The two values of a case stay together, and the resamples are always the same ones. Source: Efron & Tibshirani
    1993, An Introduction to the Bootstrap, chapter 8.
    """
    count = _count(clusters)
    stream = np.random.default_rng(integer(0, "resamples"))
    drawn = stream.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    first, second = (_resampled_quantiles(values, clusters, drawn, level) for values in pairs)
    return second - first


def _resampled_quantiles(values: Floats, clusters: Codes, drawn: Codes, level: float) -> Floats:
    """The quantile of `values` under each row of how often each cluster was drawn."""
    order = np.argsort(values, kind="stable")
    found = np.empty(len(drawn))
    rows = max(1, BLOCK // len(values))
    for start in range(0, len(drawn), rows):  # in blocks: all at once would need rows times cases of memory
        reached = np.cumsum(drawn[start : start + rows, clusters[order]], axis=1)
        below = (reached < level * reached[:, -1:]).sum(axis=1)
        found[start : start + rows] = values[order[below]]
    return found


def smallest_effect(low: float, high: float, clusters: int, alpha: float) -> float | None:
    """The smallest true distance from a threshold that is shown with 80 % power, at two-sided level alpha.

    Taken from the 1 - alpha interval and its number of clusters; None for fewer than two. Source: Bloom 1995,
    Minimum Detectable Effects, Evaluation Review 19(5): the standard error times the sum of two quantiles.
    """
    if clusters < 2:
        return None
    error = (high - low) / 2 / student(1 - alpha / 2, clusters)
    return (student(1 - alpha / 2, clusters) + student(0.8, clusters)) * error


def clusters_needed(low: float, high: float, clusters: int, effect: float, alpha: float) -> int | None:
    """How many clusters like these show a true distance of `effect` with 80 % power; None for fewer than two.

    Taken from the 1 - alpha interval of `clusters` of them. Source: as `smallest_effect`, solved for the number.

    >>> clusters_needed(-0.2, 0.2, 50, effect=0.1, alpha=0.05)
    391
    """
    smallest = smallest_effect(low, high, clusters, alpha)
    if smallest is None:
        return None
    deviation = (high - low) / 2 / student(1 - alpha / 2, clusters) * math.sqrt(clusters)
    count = 2
    while (student(1 - alpha / 2, count) + student(0.8, count)) * deviation / math.sqrt(count) > effect:
        # Student's quantiles fall with the number, so the square of what is missing never leads past the answer.
        short = (student(1 - alpha / 2, 10**9) + student(0.8, 10**9)) * deviation / effect
        count = max(count + 1, math.floor(short**2))
    return count


def _count(clusters: Codes) -> int:
    return int(clusters.max()) + 1 if len(clusters) else 0
