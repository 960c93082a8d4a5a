"""A challenger against a champion, case by case."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.core import Comparison, EvaluationError, Run, short
from workbench.evals.interval import (
    NO_INTERVAL,
    Codes,
    Floats,
    Interval,
    codes,
    difference_interval,
    mean_interval,
    percentile_interval,
    quantile,
    resampled_differences,
)
from workbench.evals.sample import COSTS, Cost, draw
from workbench.evals.significance import Tails, difference_tails, mean_tails, resampled_tails, sign_flip_p


def compare(
    champion: Run, challenger: Run, metric: str, *, margin: float = 0.0, alpha: float = 0.05, seed: int = 0
) -> Comparison:
    """How much higher the challenger is, over the episodes on which both were measured, paired and by cluster.

    The interval has level 1 - alpha; the p-value is that of a difference of exactly `margin`. For costs higher is
    worse: `better` counts the cases where the challenger costs less; a quantile's difference has no p-value.

    Raises: EvaluationError if the runs are of different eval sets, splits or cases, were graded or priced
    differently, or one lacks the metric.
    """
    check_comparable(champion, challenger)
    pairs = pair(champion, challenger, metric)
    higher, lower = int((pairs.new > pairs.old).sum()), int((pairs.new < pairs.old).sum())
    interval = pairs.interval(alpha)
    return Comparison(
        metric=metric,
        champion=champion.header.agent,
        challenger=challenger.header.agent,
        difference=pairs.difference,
        low=interval.low,
        high=interval.high,
        p_value=pairs.p_value(margin, seed),
        cases=len(pairs.old),
        clusters=pairs.count,
        better=higher if pairs.cost is None else lower,
        worse=lower if pairs.cost is None else higher,
    )


def check_comparable(champion: Run, challenger: Run) -> None:
    """Do nothing if the two runs tried the same cases and were graded alike.

    Raises: EvaluationError if they were not. How one of the two was graded may not be known: that is not alike.
    """
    names = _names(champion, challenger)
    old, new = champion.header, challenger.header
    if old.evalset_digest != new.evalset_digest:
        digests = f"{short(old.evalset_digest)}, {short(new.evalset_digest)}"
        raise EvaluationError(f"{names}: are of different eval sets ({digests}); evaluate both on one")
    if old.split != new.split:
        raise EvaluationError(f"{names}: are of different splits ({old.split}, {new.split}); evaluate both on one")
    tried, retried = ({(e.case_id, e.repeat) for e in run.episodes} for run in (champion, challenger))
    if tried != retried or champion.clusters != challenger.clusters:
        raise EvaluationError(f"{names}: did not try the same cases; evaluate both on the same list of cases")
    for metric in old.metrics:
        graders = [header.graders.get(metric, "") for header in (old, new)]
        if metric in new.metrics and graders[0] != graders[1]:
            digests = ", ".join(short(digest) or "not known" for digest in graders)
            raise EvaluationError(
                f"{names}: metric {metric!r} was graded differently ({digests}); regrade the champion"
            )


def pair(champion: Run, challenger: Run, metric: str) -> "Pairs":
    """The values of the episodes on which two comparable runs were both measured.

    Raises: EvaluationError if one lacks the metric, or dollars rest on different price lists.
    """
    if metric == "usd" and champion.header.prices != challenger.header.prices:
        lists = ", ".join(short(run.header.prices) or "none" for run in (champion, challenger))
        names = _names(champion, challenger)
        raise EvaluationError(f"{names}: dollars rest on different price lists ({lists}); regrade the champion")
    first, second = draw(champion, metric), draw(challenger, metric)
    old, new = dict(zip(first.keys, first.values, strict=True)), dict(zip(second.keys, second.values, strict=True))
    shared = [key for key in first.keys if key in new]
    return Pairs(
        old=np.array([old[key] for key in shared], dtype=np.float64),
        new=np.array([new[key] for key in shared], dtype=np.float64),
        clusters=codes([champion.clusters[case_id] for case_id, _repeat in shared]),
        cost=COSTS.get(metric),
    )


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two values for each episode that both runs measured."""

    old: Floats
    new: Floats
    clusters: Codes
    """The number of each pair's cluster, from 0."""
    cost: Cost | None = None
    """What is measured; None is a score."""

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return int(self.clusters.max()) + 1 if len(self.clusters) else 0

    @property
    def difference(self) -> float | None:
        """New minus old, of the means or of the cost's quantiles; None if there is no pair."""
        if not len(self.old):
            return None
        if self._level is not None:
            return quantile(self.new, self._level) - quantile(self.old, self._level)
        return float(self._differences.mean())

    def interval(self, alpha: float) -> Interval:
        """The 1 - alpha interval of the difference."""
        if self.count < 2:
            return NO_INTERVAL
        if self._level is not None:
            return percentile_interval(self._resampled, alpha)
        bounds = difference_interval if self.cost is None else mean_interval
        return bounds(self._differences, self.clusters, alpha)

    def tails(self, threshold: float) -> Tails | None:
        """One-sided p-values of the difference against a threshold, by the interval; None where there is none."""
        if self.count < 2:
            return None
        if self._level is not None:
            return resampled_tails(self._resampled, threshold)
        tails = difference_tails if self.cost is None else mean_tails
        return tails(self._differences, self.clusters, threshold)

    def p_value(self, margin: float, seed: int) -> float | None:
        """The two-sided p-value of a difference of exactly `margin`, by sign flips; None for a quantile."""
        if not len(self.old) or self._level is not None:
            return None
        return sign_flip_p(np.bincount(self.clusters, weights=self._differences - margin).astype(np.float64), seed)

    @property
    def _level(self) -> float | None:
        return None if self.cost is None else self.cost.quantile

    @cached_property
    def _differences(self) -> Floats:
        return self.new - self.old

    @cached_property
    def _resampled(self) -> Floats:
        assert self._level is not None, "only quantiles are resampled"
        return resampled_differences((self.old, self.new), self.clusters, self._level)


def _names(champion: Run, challenger: Run) -> str:
    return f"runs of {champion.header.agent!r} and {challenger.header.agent!r}"
