"""A challenger against a champion, case by case."""

import numpy as np

from workbench.core import Comparison, EvaluationError, Run, short
from workbench.evals.interval import (
    NO_INTERVAL,
    Floats,
    Interval,
    codes,
    difference_interval,
    mean_interval,
    quantile,
    quantile_difference_interval,
    sign_flip_p,
)
from workbench.evals.sample import COSTS, Cost, Key, draw


def compare(
    champion: Run, challenger: Run, metric: str, *, margin: float = 0.0, alpha: float = 0.05, seed: int = 0
) -> Comparison:
    """How much higher the challenger is, over the episodes on which both were measured, paired and by cluster.

    The interval has level 1 - alpha; the p-value is that of a difference of exactly `margin`. For costs higher is
    worse: `better` counts the cases where the challenger costs less; a quantile's difference has no p-value.

    Raises: EvaluationError if the runs are of different eval sets, splits or cases, or one lacks the metric.
    """
    check_comparable(champion, challenger)
    first, second = draw(champion, metric), draw(challenger, metric)
    old, new = dict(zip(first.keys, first.values, strict=True)), dict(zip(second.keys, second.values, strict=True))
    shared = [key for key in first.keys if key in new]
    pairs = _Pairs(champion, shared, np.array([old[key] for key in shared]), np.array([new[key] for key in shared]))
    cost = COSTS.get(metric)
    higher, lower = int((pairs.new > pairs.old).sum()), int((pairs.new < pairs.old).sum())
    interval = pairs.interval(cost, alpha)
    return Comparison(
        metric=metric,
        champion=champion.header.agent,
        challenger=challenger.header.agent,
        difference=pairs.difference(cost),
        low=interval.low,
        high=interval.high,
        p_value=pairs.p_value(cost, margin, seed),
        cases=len(shared),
        clusters=pairs.count,
        better=higher if cost is None else lower,
        worse=lower if cost is None else higher,
    )


def check_comparable(champion: Run, challenger: Run) -> None:
    """Do nothing if the two runs tried the same cases.

    Raises: EvaluationError if they did not.
    """
    names = f"runs of {champion.header.agent!r} and {challenger.header.agent!r}"
    old, new = champion.header, challenger.header
    if old.evalset_digest != new.evalset_digest:
        digests = f"{short(old.evalset_digest)}, {short(new.evalset_digest)}"
        raise EvaluationError(f"{names}: are of different eval sets ({digests}); evaluate both on one")
    if old.split != new.split:
        raise EvaluationError(f"{names}: are of different splits ({old.split}, {new.split}); evaluate both on one")
    tried, retried = ({(e.case_id, e.repeat) for e in run.episodes} for run in (champion, challenger))
    if tried != retried or champion.clusters != challenger.clusters:
        raise EvaluationError(f"{names}: did not try the same cases; evaluate both on the same list of cases")


class _Pairs:
    """Two values for each episode that both runs measured."""

    def __init__(self, run: Run, keys: list[Key], old: Floats, new: Floats) -> None:
        self.old, self.new = old.astype(np.float64), new.astype(np.float64)
        self.clusters = codes([run.clusters[case_id] for case_id, _repeat in keys])
        self.count = int(self.clusters.max()) + 1 if keys else 0

    def difference(self, cost: Cost | None) -> float | None:
        if not len(self.old):
            return None
        if cost is not None and cost.quantile is not None:
            return quantile(self.new, cost.quantile) - quantile(self.old, cost.quantile)
        return float((self.new - self.old).mean())

    def interval(self, cost: Cost | None, alpha: float) -> Interval:
        if not len(self.old):
            return NO_INTERVAL
        if cost is None:
            return difference_interval(self.new - self.old, self.clusters, alpha)
        if cost.quantile is None:
            return mean_interval(self.new - self.old, self.clusters, alpha)
        return quantile_difference_interval((self.old, self.new), self.clusters, cost.quantile, alpha)

    def p_value(self, cost: Cost | None, margin: float, seed: int) -> float | None:
        if not len(self.old) or (cost is not None and cost.quantile is not None):
            return None
        sums = np.bincount(self.clusters, weights=self.new - self.old - margin).astype(np.float64)
        return sign_flip_p(sums, seed)
