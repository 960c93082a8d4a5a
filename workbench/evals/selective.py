"""Answering only when sure: how well a confidence tells right from wrong, and what it costs to hand over the rest.

An agent that answers where its confidence reaches a threshold, and escalates the rest to a person, buys fewer
errors with more escalations. What it gets for them is its operating curve; which point to choose follows from the
two prices. Source: Chow 1970, On Optimum Recognition Error and Reject Tradeoff, IEEE Trans. Information Theory
16(1); El-Yaniv & Wiener 2010, On the Foundations of Noise-free Selective Classification, JMLR 11.

A threshold that was chosen on cases looks better on them than it is: choose it with `cheapest` on one split, and
measure it with `operate` on another.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from workbench.core import EvaluationError, Line, Record
from workbench.evals.interval import (
    NO_INTERVAL,
    Codes,
    Floats,
    Interval,
    codes,
    mean_interval,
    share_interval,
    student,
    wilson,
)

Flags = NDArray[np.bool_]


class Judged(NamedTuple):
    """Cases, each with a confidence, whether an answer is right (or the request in scope), and its cluster."""

    confidence: Floats
    """Higher is surer; any scale."""
    right: Flags
    clusters: Codes

    @property
    def cluster_count(self) -> int:
        """How many clusters there are."""
        return int(self.clusters.max()) + 1


class Price(Record):
    """What a case costs that goes wrong, and one that a person takes over; in one unit, for instance USD."""

    error: float = Field(ge=0, allow_inf_nan=False)
    escalation: float = Field(ge=0, allow_inf_nan=False)


class Operating(Record):
    """What happens at one threshold."""

    threshold: float | None = Field(allow_inf_nan=False)
    """Cases of at least this confidence are answered; None: none is."""
    escalated: float = Field(ge=0, le=1)
    """Share of the cases that a person takes over."""
    error: float | None = Field(ge=0, le=1)
    """Share of the answered cases that are wrong; None if none is answered."""
    error_low: float | None = None
    error_high: float | None = None
    cost: float
    """Mean over all cases, in the unit of the price; 0 for a right answer."""
    cost_low: float | None = None
    cost_high: float | None = None
    cases: int
    clusters: int


class Point(NamedTuple):
    """A point of the risk–coverage curve: with this threshold, this share is answered, and this share of it wrong."""

    threshold: float
    coverage: float
    risk: float


def judge(confidence: Sequence[float] | Floats, right: Sequence[bool] | Flags, clusters: Sequence[str]) -> Judged:
    """Cases as arrays, in the order given.

    Raises: EvaluationError if there is none, the three differ in length, or a confidence is not a finite number.
    """
    if not len(confidence) == len(right) == len(clusters) > 0:
        counts = f"{len(confidence)} confidences, {len(right)} outcomes, {len(clusters)} clusters"
        raise EvaluationError(f"selective answering: got {counts}; give one of each for each case, at least one")
    values = np.asarray(confidence, dtype=np.float64)
    if not np.isfinite(values).all():
        place = int(np.flatnonzero(~np.isfinite(values))[0])
        raise EvaluationError(f"confidence {values[place]} (case {place}): is not finite; leave the case out")
    return Judged(values, np.asarray(right, dtype=np.bool_), codes(clusters))


def auroc(judged: Judged, *, alpha: float = 0.05) -> Line:
    """The probability that a right case has a higher confidence than a wrong one; a tie counts half.

    0.5 is chance. Unmeasured if all are right or all wrong. The variance is DeLong's, by cluster, and never less
    than for independent cases; the interval is Wilson's with the effective sample size, as for shares. It has
    Student's quantile for as many clusters as there are with right cases or with wrong ones, whichever are fewer.
    Source: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44(3); for clusters Obuchowski 1997, Nonparametric
    Analysis of Clustered ROC Curve Data, Biometrics 53(2).

    >>> auroc(judge([0.9, 0.8, 0.8, 0.1], [True, True, False, False], ["a", "b", "c", "d"])).estimate
    0.875
    """
    first, second = judged.confidence[judged.right], judged.confidence[~judged.right]
    estimate, interval, reason = None, NO_INTERVAL, ""
    if len(first) and len(second):
        beats = _beaten(first, second)
        estimate = float(beats.mean())
        placed = np.empty(len(judged.right))
        placed[judged.right], placed[~judged.right] = beats - estimate, 1 - _beaten(second, first) - estimate
        interval = _auroc_interval(judged, placed, estimate, alpha)
    else:
        reason = f"all cases are {'right' if len(first) else 'wrong'}, so nothing can be told apart"
    return Line(
        name="auroc",
        kind="score",
        unit="1",
        estimate=estimate,
        low=interval.low,
        high=interval.high,
        cases=len(judged.right) if estimate is not None else 0,
        unscored=0 if estimate is not None else len(judged.right),
        clusters=judged.cluster_count,
        reason=reason,
    )


def risk_coverage(judged: Judged) -> tuple[Point, ...]:
    """The risk at each confidence that occurs, from answering only the surest to answering all.

    Source: Geifman & El-Yaniv 2017, Selective Classification for Deep Neural Networks, NeurIPS.
    """
    values, ends, wrong = _sorted(judged)
    return tuple(
        Point(float(values[end - 1]), float(end / len(values)), float(wrong[end - 1] / end)) for end in ends.tolist()
    )


def risk_area(judged: Judged) -> float:
    """The area under the risk–coverage curve: the mean of the risk over answering 1, 2, ... all cases; lower is better.

    Cases of equal confidence come in no order: it is the mean over all their orders. Source: Geifman, Uziel &
    El-Yaniv 2019, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers, ICLR.
    """
    values, ends, wrong = _sorted(judged)
    counts = np.arange(1, len(values) + 1)
    # Over all orders of a tie, the errors among its first ones grow in a straight line.
    expected = np.interp(counts, np.concatenate(([0], ends)), np.concatenate(([0], wrong[ends - 1])))
    return float((expected / counts).mean())


def operate(judged: Judged, threshold: float | None, price: Price, *, alpha: float = 0.05) -> Operating:
    """What happens at a threshold, with 1 - alpha intervals by cluster; a threshold of None answers nothing."""
    answered = judged.confidence >= (math.inf if threshold is None else threshold)
    wrong = (~judged.right[answered]).astype(np.float64)
    costs = np.where(answered, np.where(judged.right, 0.0, price.error), price.escalation)
    errors = NO_INTERVAL
    if len(wrong):
        _names, clusters = np.unique(judged.clusters[answered], return_inverse=True)
        errors = share_interval(wrong, clusters.astype(np.int64), alpha)
    spent = mean_interval(costs, judged.clusters, alpha)
    return Operating(
        threshold=threshold,
        escalated=float((~answered).mean()),
        error=float(wrong.mean()) if len(wrong) else None,
        error_low=errors.low,
        error_high=errors.high,
        cost=float(costs.mean()),
        cost_low=None if spent.low is None else max(0.0, spent.low),
        cost_high=spent.high,
        cases=len(answered),
        clusters=judged.cluster_count,
    )


def operating_curve(judged: Judged, price: Price, *, most: int = 101, alpha: float = 0.05) -> tuple[Operating, ...]:
    """What happens at each threshold, from escalating nothing to escalating everything.

    Where there are more than `most` different confidences, at that many of them, evenly spread over the cases.
    """
    shares = np.linspace(0, 1, most)
    found = dict.fromkeys(threshold_for(judged, share) for share in shares.tolist())
    return tuple(operate(judged, threshold, price, alpha=alpha) for threshold in found)


def threshold_for(judged: Judged, share: float) -> float | None:
    """The threshold that escalates at least this share of the cases, and no more than ties force; None: all of them.

    >>> cases = judge([0.1, 0.2, 0.3, 0.4], [False, True, True, True], ["a", "b", "c", "d"])
    >>> threshold_for(cases, 0.25), threshold_for(cases, 1.0)
    (0.2, None)
    """
    values = np.unique(judged.confidence)
    below = np.searchsorted(np.sort(judged.confidence), values) / len(judged.confidence)
    place = int(np.searchsorted(below, share - 1e-12))  # 0.3 of ten cases is three, whatever the last digit says
    return float(values[place]) if place < len(values) else None


def cheapest(judged: Judged, price: Price, *, alpha: float = 0.05) -> Operating:
    """The threshold at which these cases cost least; of several the one that escalates least."""
    values, ends, wrong = _sorted(judged)
    answered = np.concatenate((ends[::-1], [0]))
    errors = np.concatenate((wrong[ends - 1][::-1], [0]))
    costs = errors * price.error + (len(values) - answered) * price.escalation
    # Sums of the same prices in another order differ in the last digits; those are ties.
    best = int(np.flatnonzero(costs <= costs.min() + 1e-9 * max(1.0, float(costs.min())))[0])
    threshold = float(values[answered[best] - 1]) if answered[best] else None
    return operate(judged, threshold, price, alpha=alpha)


def _sorted(judged: Judged) -> tuple[Floats, Codes, Codes]:
    """Confidences from high to low, how many cases there are up to the end of each tie, and wrong ones up to each."""
    order = np.argsort(-judged.confidence, kind="stable")
    values = judged.confidence[order]
    ends = np.append(np.flatnonzero(np.diff(values)) + 1, len(values)).astype(np.int64)
    return values, ends, np.cumsum(~judged.right[order]).astype(np.int64)


def _beaten(values: Floats, others: Floats) -> Floats:
    """For each value the share of the others that are lower; a tie counts half."""
    others = np.sort(others)
    lower, at_most = (np.searchsorted(others, values, side) for side in ("left", "right"))
    found: Floats = (lower + at_most) / (2 * len(others))
    return found


def _auroc_interval(judged: Judged, placed: Floats, estimate: float, alpha: float) -> Interval:
    count = min(len(np.unique(judged.clusters[judged.right])), len(np.unique(judged.clusters[~judged.right])))
    if count < 2:
        return NO_INTERVAL
    alone = np.arange(len(placed))
    variance = max(_variance(placed, judged.right, judged.clusters), _variance(placed, judged.right, alone))
    size = estimate * (1 - estimate) / variance if variance > 0 else float(count)
    return wilson(estimate, size, student(1 - alpha / 2, count))


def _variance(placed: Floats, right: Flags, clusters: Codes) -> float:
    """Of the estimate: its parts from right and wrong cases, and what the two share inside clusters."""
    sums = [np.bincount(clusters[kind], weights=placed[kind], minlength=len(placed)) for kind in (right, ~right)]
    cases = [int(kind.sum()) for kind in (right, ~right)]
    held = [len(np.unique(clusters[kind])) for kind in (right, ~right)]
    own = sum(
        count / (count - 1) * float(part @ part) / size**2 for part, count, size in zip(sums, held, cases, strict=True)
    )
    total = len(np.unique(clusters))
    return own + 2 * total / (total - 1) * float(sums[0] @ sums[1]) / (cases[0] * cases[1])
