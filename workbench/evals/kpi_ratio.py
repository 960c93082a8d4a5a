"""Intervals of ratios and of rates: what costs by completed task, what happens by request."""

import math

import numpy as np
from scipy.special import gammaincinv

from workbench.evals.interval import NO_INTERVAL, Codes, Floats, Interval, student


def ratio_interval(above: Floats, below: Floats, clusters: Codes, alpha: float) -> Interval:
    """The 1 - alpha interval of the total of `above` over the total of `below`, clusters being the units.

    Every ratio whose difference `above - ratio * below` can't be told from zero. Neither bound exists where the
    total below could itself be zero. Source: Fieller 1954, Some Problems in Interval Estimation, JRSS B 16(2), over
    totals of clusters as in Cochran 1977, Sampling Techniques, ch. 6.
    """
    count = int(clusters.max()) + 1 if len(clusters) else 0
    if count < 2:
        return NO_INTERVAL
    totals = np.array([np.bincount(clusters, weights=values, minlength=count) for values in (above, below)])
    top, bottom = totals.mean(axis=1)
    noise = student(1 - alpha / 2, count) ** 2 * np.cov(totals) / count
    square, middle, rest = bottom**2 - noise[1, 1], top * bottom - noise[0, 1], top**2 - noise[0, 0]
    if square <= 0:
        return NO_INTERVAL
    spread = math.sqrt(max(0.0, middle**2 - square * rest))  # below zero by rounding alone
    return Interval(float((middle - spread) / square), float((middle + spread) / square))


def rate_interval(events: int, exposure: float, alpha: float) -> Interval:
    """The exact 1 - alpha interval of a rate, if events come independently; in events for each unit of exposure.

    Source: Garwood 1936, Fiducial Limits for the Poisson Distribution, Biometrika 28(3/4).

    >>> low, high = rate_interval(10, 1.0, 0.05)
    >>> round(low, 3), round(high, 3)
    (4.795, 18.39)
    >>> rate_interval(0, 1.0, 0.05).low
    0.0
    """
    low = float(gammaincinv(events, alpha / 2)) if events else 0.0
    return Interval(low / exposure, float(gammaincinv(events + 1, 1 - alpha / 2)) / exposure)
