"""Expected costs to reach a score, and how many times as much one searcher takes: a part of `benchmarks.frugality`.

Source: Hansen, Auger, Ros, Mersmann, Tusar & Brockhoff 2021, COCO: A Platform for Comparing Continuous Optimizers in a
Black-Box Setting, Optimization Methods and Software 36(1), for the expected running time: what all runs took until
they reached the target or ended, over the number of those that reached it. That is what a person pays who begins anew
until a run gets there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

RESAMPLES = 2_000
Unit = Literal["calls", "tokens"]
UNITS: tuple[Unit, ...] = ("calls", "tokens")


class Point(NamedTuple):
    """From here on a searcher would return a candidate of this true score."""

    calls: int
    tokens: int
    score: float


@dataclass(frozen=True)
class Path:
    """One run of a searcher."""

    points: tuple[Point, ...]
    calls: int
    """All that it took."""
    tokens: int

    @property
    def final(self) -> float:
        """The true score of what it returned."""
        return self.points[-1].score

    def reaches(self, target: float, unit: Unit) -> int | None:
        """What it had taken when what it would return first had that score; None if it never had."""
        return next((getattr(point, unit) for point in self.points if point.score >= target), None)

    def at(self, calls: int, start: float) -> float:
        """The true score of what it would return after so many calls; before there is anything, that of the start."""
        return next((point.score for point in reversed(self.points) if point.calls <= calls), start)


def expected_cost(paths: Sequence[Path], target: float, unit: Unit) -> float:
    """The expected cost to reach a score; infinite if no run does.

    >>> paths = [Path((Point(100, 1, 0.5), Point(200, 2, 0.7)), 300, 3), Path((Point(100, 1, 0.5),), 300, 3)]
    >>> expected_cost(paths, 0.6, "calls")
    500.0
    """
    found = [path.reaches(target, unit) for path in paths]
    total = sum(getattr(path, unit) if cost is None else cost for path, cost in zip(paths, found, strict=True))
    reached = sum(cost is not None for cost in found)
    return total / reached if reached else math.inf


def target_of(paths: Sequence[Path]) -> float:
    """The true score that at least half of a searcher's runs end with: the lower median of what they returned."""
    return sorted(path.final for path in paths)[(len(paths) - 1) // 2]


@dataclass(frozen=True)
class Pair:
    """A peer and ours on the same drawn tasks, run by run."""

    member: str
    theirs: Sequence[Path]
    ours: Sequence[Path]

    def ratio(self, runs: Sequence[int], unit: Unit) -> float:
        """How many times our cost theirs is in these runs, to the score that half of theirs end with."""
        theirs, ours = [self.theirs[run] for run in runs], [self.ours[run] for run in runs]
        target = target_of(theirs)
        return expected_cost(theirs, target, unit) / expected_cost(ours, target, unit)


@dataclass(frozen=True)
class Ratio:
    """How many times as much a peer takes, with the 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """For a table."""
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def measured_ratio(pairs: Sequence[Pair], unit: Unit) -> Ratio:
    """The geometric mean over members; a percentile bootstrap of the seeds, the same ones for both and in all members.

    The target is taken anew from each resample, since it comes from the same runs.
    """
    count = len(pairs[0].theirs)
    rng = np.random.default_rng(0)
    drawn = [[int(run) for run in runs] for runs in rng.integers(count, size=(RESAMPLES, count))]
    values = [_mean([pair.ratio(runs, unit) for pair in pairs]) for runs in drawn]
    low, high = np.quantile(values, [0.025, 0.975])
    return Ratio(_mean([pair.ratio(range(count), unit) for pair in pairs]), float(low), float(high))


def _mean(ratios: Sequence[float]) -> float:
    """Geometric; 0 if one is."""
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if all(ratios) else 0.0
