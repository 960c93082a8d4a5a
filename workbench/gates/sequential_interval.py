"""How far a mean of paired differences by cluster lies from a threshold, where drops are rare and large.

Agents differ on few tasks and there on all cases, so cluster sums are skewed, and Student's interval is then too
short on the side where it matters: a challenger that loses one task of ten looks harmless until that task comes up.
On recorded pairs "no worse" with the true drop as its margin passed in 9 % of evaluations that looked often,
instead of 2.5 %. So each end lies at the further of two places: Student's, and the one with the skewness taken out.
It is never nearer than Student's, since with few differing tasks a skewness may be chance.
Source: Hall 1992, On the Removal of Skewness by Transformation, JRSS B 54(1).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtr

from workbench.evals import NO_INTERVAL, Codes, Floats, Interval, difference_moments, student


class Spread(NamedTuple):
    """What is known of a mean difference."""

    centre: float
    error: float
    """The standard error by cluster."""
    skew: float
    """The skewness of what the clusters add to the mean, over the root of their number."""
    clusters: int

    def interval(self, alpha: float) -> Interval:
        """The 1 - alpha interval, inside [-1, 1]."""
        reach = student(1 - alpha / 2, self.clusters)
        low = self.centre - self.error * max(reach, self._untwist(reach))
        high = self.centre - self.error * min(-reach, self._untwist(-reach))
        return Interval(max(-1.0, low), min(1.0, high))

    def distance(self, threshold: float) -> float:
        """How far above the threshold, in standard errors of a normal distribution.

        More than a normal quantile exactly if the interval of that level lies above the threshold.
        """
        plain = (self.centre - threshold) / self.error
        twisted = self._twist(plain)
        reached = math.copysign(min(abs(plain), abs(twisted)), plain) if plain * twisted > 0 else 0.0
        tail = float(stdtr(self.clusters - 1, -abs(reached)))  # the lower tail, which keeps its digits
        return math.copysign(float(ndtri(tail)), reached)

    def _twist(self, reached: float) -> float:
        """Hall's cubic: a Student's ratio without its skewness."""
        return reached + self.skew * reached**2 / 3 + self.skew**2 * reached**3 / 27 + self.skew / 6

    def _untwist(self, reached: float) -> float:
        """The inverse of `_twist`."""
        if abs(self.skew) < 1e-6:  # the cube root would lose all digits; and what it would change is less
            return reached - self.skew / 6
        return 3 / self.skew * (math.cbrt(1 + self.skew * (reached - self.skew / 6)) - 1)


def spread(differences: Floats, clusters: Codes) -> Spread | None:
    """The spread of differences of scores, each in [-1, 1]; None for fewer than two clusters.

    Without skewness, its interval is Student's around `difference_moments`.
    """
    if not len(clusters) or not clusters.max():
        return None
    centre, error = difference_moments(differences, clusters)
    residuals = np.bincount(clusters, weights=differences - centre)
    square, count = float((residuals**2).mean()), len(residuals)
    skew = float((residuals**3).mean()) / square**1.5 / math.sqrt(count) if square > 0 else 0.0
    return Spread(centre, error, skew, count)


def spread_interval(differences: Floats, clusters: Codes, alpha: float) -> Interval:
    """The 1 - alpha interval of the mean difference; none for fewer than two clusters."""
    found = spread(differences, clusters)
    return NO_INTERVAL if found is None else found.interval(alpha)
