"""How unlikely what was measured would be, if the truth stood just at a threshold.

Each test here but the sign flips is its interval of `workbench.evals.interval` turned round: the doubled tail is
the smallest alpha whose interval leaves the threshold out, so a p-value and an interval never contradict each other.
Source: Casella & Berger 2002, Statistical Inference, section 9.2.1, on inverting a test.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from workbench.core import integer
from workbench.evals.interval import Codes, Floats, difference_score, quantile, standard_error

MOST_PATTERNS = 14
"""Up to two to this power sign patterns are all looked at; beyond, some are drawn."""
DRAWS = 10_000
MOST_STEPS = 4_096
"""Whole cluster sums that add up to no more than this are all counted."""


class Tails(NamedTuple):
    """One-sided p-values, each in [0, 1]: a small one shows that the truth lies on that side of the threshold."""

    below: float
    above: float


def mean_tails(values: Floats, clusters: Codes, threshold: float) -> Tails | None:
    """The tails of `mean_interval`; None for fewer than two clusters."""
    if _count(clusters) < 2:
        return None
    return _student_tails(float(values.mean()) - threshold, standard_error(values, clusters), _count(clusters))


def share_tails(values: Floats, clusters: Codes, threshold: float) -> Tails | None:
    """The tails of `share_interval`: a score test, its error that of the threshold; None for fewer than two clusters.

    Source: Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22.
    """
    count = _count(clusters)
    if count < 2:
        return None
    share, error = float(values.mean()), standard_error(values, clusters)
    size = share * (1 - share) / error**2 if error > 0 else float(count)
    return _student_tails(share - threshold, math.sqrt(max(0.0, threshold * (1 - threshold)) / size), count)


def difference_tails(differences: Floats, clusters: Codes, threshold: float) -> Tails | None:
    """The tails of `difference_interval`; None for fewer than two clusters."""
    if _count(clusters) < 2:
        return None
    statistic = difference_score(differences, clusters)(threshold)
    return _student_tails(statistic, 1.0, _count(clusters))


def quantile_tails(values: Floats, clusters: Codes, level: float, threshold: float) -> Tails | None:
    """The tails of `quantile_interval`; None for fewer than two clusters.

    A quantile lies below the threshold if more than its level of the values do.
    """
    below = (values <= quantile(values, level)).astype(np.float64)
    reached = float((values <= threshold).mean())
    excess = float(below.mean()) - level
    lower, upper = share_tails(below, clusters, reached), share_tails(below, clusters, reached + excess)
    return None if lower is None or upper is None else Tails(lower.below, upper.above)


def resampled_tails(resampled: Floats, threshold: float) -> Tails:
    """The tails of a bootstrap distribution, the observed one counted among the resamples.

    Source: Davison & Hinkley 1997, Bootstrap Methods and their Application, section 4.2.
    """
    total = len(resampled) + 1
    above, below = int((resampled >= threshold).sum()), int((resampled <= threshold).sum())
    return Tails((1 + above) / total, (1 + below) / total)


def sign_flip_p(sums: Floats, seed: int) -> float:
    """The two-sided p-value of cluster sums under the hypothesis that each sign is as likely as the other.

    Exact where all sums are whole numbers, as those of right and wrong are, and up to 2^14 sign patterns;
    beyond, 10,000 drawn with `seed`, and the observed one is counted among them. Clusters that sum to 0 say
    nothing. Source: Fisher 1935, The Design of Experiments, section 21; for clusters Canay, Romano & Shaikh
    2017, Econometrica 85(3); for the count of draws Phipson & Smyth 2010, SAGMB 9(1); for counting all patterns by
    convolution Pagano & Tritchler 1983, On Obtaining Permutation Distributions in Polynomial Time, JASA 78.

    >>> sign_flip_p(np.array([1.0, 1.0, 1.0]), seed=1)
    0.25
    """
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    whole = np.rint(sums).astype(np.int64)
    if np.array_equal(whole, sums) and np.abs(whole).sum() <= MOST_STEPS:
        return _whole_sign_flip_p(whole)
    # Sums of the same size in another order differ in the last digits; those are ties.
    observed = abs(float(sums.sum())) - 1e-9 * float(np.abs(sums).sum())
    if len(sums) <= MOST_PATTERNS:
        patterns = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        return float((np.abs((2.0 * patterns - 1) @ sums) >= observed).mean())
    stream = np.random.default_rng(integer(seed, "sign flips"))
    drawn = 2.0 * stream.integers(0, 2, size=(DRAWS, len(sums)), dtype=np.int8) - 1
    return (1 + int((np.abs(drawn @ sums) >= observed).sum())) / (1 + DRAWS)


def _whole_sign_flip_p(sums: Codes) -> float:
    """All sign patterns counted: the positive part is a sum of binomial counts, one for each size."""
    sizes, counts = np.unique(np.abs(sums), return_counts=True)
    chances = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        spread = np.zeros(count * size + 1)
        spread[::size] = _coins(count)
        chances = np.convolve(chances, spread)
    totals = np.abs(2 * np.arange(len(chances)) - (len(chances) - 1))
    return min(1.0, float(chances[totals >= abs(int(sums.sum()))].sum()))


@lru_cache(maxsize=1024)
def _coins(count: int) -> tuple[float, ...]:
    """The chances of 0, 1, ... heads in so many tosses of a coin, each rounded once."""
    ways, chances = 1, []
    for heads in range(count + 1):
        chances.append(ways / 2**count)
        ways = ways * (count - heads) // (heads + 1)
    return tuple(chances)


def _student_tails(distance: float, error: float, clusters: int) -> Tails:
    """Student's tails at distance / error; without any error the smallest distance is proof, and none is no proof."""
    if error > 0:
        statistic = distance / error
        return Tails(float(stdtr(clusters - 1, statistic)), float(stdtr(clusters - 1, -statistic)))
    return Tails(float(distance >= 0), float(distance <= 0))


def _count(clusters: Codes) -> int:
    return int(clusters.max()) + 1 if len(clusters) else 0
