"""The episodes and steps of an agent's runs as columns, and a KPI's statistics over them."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.core import INAPPLICABLE, Episode, Run, Score
from workbench.evals.interval import Codes, Floats, Interval, codes, quantile, quantile_interval, share_interval
from workbench.evals.kpi_ratio import ratio_interval
from workbench.evals.sample import most_frequent

ALPHA = 0.05
Mask = NDArray[np.bool_]


class Measured(NamedTuple):
    """A KPI's number; an estimate of None is unmeasured, and `reason` says why."""

    estimate: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Episodes, steps, calls or records that it is computed from."""
    clusters: int = 0
    gaps: int = 0
    """How many more there should be."""
    reason: str = ""


class Graded(NamedTuple):
    """The scores of one metric, an entry for each episode."""

    values: Floats
    """NaN where there is no score: it never leaves this module's callers."""
    gaps: Mask
    """Where a score should be and is none."""
    reason: str
    """The most frequent reason of the gaps; where nothing is scored, why."""

    @property
    def scored(self) -> Mask:
        """Where there is a score."""
        return ~np.isnan(self.values)


class Trials:
    """The episodes of an agent's runs, and the steps inside them; a case is in its cluster in every run."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        self.episodes: tuple[Episode, ...] = tuple(episode for run in runs for episode in run.episodes)
        self.clusters = codes([run.clusters[episode.case_id] for run in runs for episode in run.episodes])

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all metrics of the runs."""
        return tuple(dict.fromkeys(name for run in self.runs for name in run.header.metrics))

    @cached_property
    def broken(self) -> Mask:
        """Where an episode broke off by no fault of the agent: it says nothing of what the agent takes."""
        failures = (episode.failure for episode in self.episodes)
        return np.array([failure is not None and failure.blame != "agent" for failure in failures], dtype=np.bool_)

    @cached_property
    def milliseconds(self) -> Floats:
        """Wall time of each episode; 0 in recordings that carry none."""
        return np.array([episode.milliseconds for episode in self.episodes], dtype=np.float64)

    @cached_property
    def tokens(self) -> Floats:
        """Tokens that each episode needs."""
        return np.array([episode.usage.tokens for episode in self.episodes], dtype=np.float64)

    @cached_property
    def counted(self) -> Mask:
        """Where tokens or calls were counted; recordings do not always say."""
        usages = [episode.usage for episode in self.episodes]
        return np.array([usage.tokens + usage.calls + usage.cached_calls > 0 for usage in usages], dtype=np.bool_)

    @cached_property
    def steps(self) -> "Steps":
        """What the agent did in all episodes, in order."""
        found = [
            (place, step.milliseconds, step.kind == "tool", bool(step.error))
            for place, episode in enumerate(self.episodes)
            if episode.prediction is not None
            for step in episode.prediction.steps
            if step.kind != "user"
        ]
        places, times, tools, errors = zip(*found, strict=True) if found else ((), (), (), ())
        return Steps(
            np.array(places, dtype=np.int64),
            np.array(times, dtype=np.float64),
            np.array(tools, dtype=np.bool_),
            np.array(errors, dtype=np.bool_),
        )

    def tagged(self, beginning: str) -> Mask:
        """Where a case has a tag that begins so."""
        tags = [run.tags.get(episode.case_id, ()) for run in self.runs for episode in run.episodes]
        found = [any(tag.startswith(beginning) for tag in own) for own in tags]
        return np.array(found, dtype=np.bool_)

    def first(self, names: Sequence[str]) -> str | None:
        """The first of these metrics that was measured."""
        return next((name for name in names if name in self.metrics), None)

    def graded(self, name: str) -> Graded:
        """The scores of one metric; a run without it is a gap."""
        scores = [score for run in self.runs for score in self._scores[id(run)].get(name, _lacking(run))]
        values = np.array([np.nan if score is None or score.value is None else score.value for score in scores])
        reasons = ["was never graded" if score is None else score.reason for score in scores]
        bare = np.isnan(values)
        gaps = np.array([not reason.startswith(INAPPLICABLE) for reason in reasons], dtype=np.bool_) & bare
        told = [reason for reason, gap in zip(reasons, gaps, strict=True) if gap]
        return Graded(values.astype(np.float64), gaps, most_frequent(told) if told else "applies to no case")

    @cached_property
    def _scores(self) -> dict[int, dict[str, list[Score | None]]]:
        """For each run and metric the scores in the order of the episodes."""
        found: dict[int, dict[str, list[Score | None]]] = {}
        for run in self.runs:
            place = {(episode.case_id, episode.repeat): number for number, episode in enumerate(run.episodes)}
            mine = {name: _lacking(run) for name in run.header.metrics}
            for score in run.scores:
                mine[score.metric][place[score.case_id, score.repeat]] = score
            found[id(run)] = mine
        return found


class Steps(NamedTuple):
    """An entry for each step."""

    episodes: Codes
    """The number of its episode."""
    milliseconds: Floats
    tools: Mask
    """Where a tool was called."""
    errors: Mask
    """Where the step failed."""


def share(values: Floats, clusters: Codes, gaps: int = 0, reason: str = "") -> Measured:
    """The mean of values in [0, 1], which are one at least."""
    found = _Found(float(values.mean()), share_interval(values, _dense(clusters), ALPHA))
    return found.told(clusters, gaps, reason)


def level(values: Floats, clusters: Codes, at: float, gaps: int = 0, reason: str = "") -> Measured:
    """A quantile of values, which are one at least."""
    found = _Found(quantile(values, at), quantile_interval(values, _dense(clusters), at, ALPHA))
    return found.told(clusters, gaps, reason)


def ratio(above: Floats, below: Floats, clusters: Codes, gaps: int = 0, reason: str = "") -> Measured:
    """The total above over the total below, which is more than zero; both of values that are not negative."""
    low, high = ratio_interval(above, below, _dense(clusters), ALPHA)
    found = _Found(float(above.sum() / below.sum()), Interval(None if low is None else max(0.0, low), high))
    return found.told(clusters, gaps, reason)


class _Found(NamedTuple):
    estimate: float
    bounds: Interval

    def told(self, clusters: Codes, gaps: int, reason: str) -> Measured:
        """With where it comes from, and why anything is missing."""
        count, (low, high) = len(np.unique(clusters)), self.bounds
        notes = [reason] if gaps else []
        if low is None:
            notes.append("one cluster gives no interval" if count < 2 else "too few were completed to bound it")
        return Measured(self.estimate, low, high, len(clusters), count, gaps, "; ".join(notes))


def _dense(clusters: Codes) -> Codes:
    """The clusters numbered anew from 0 without holes, after some episodes were left out."""
    return np.unique(clusters, return_inverse=True)[1].astype(np.int64)


def _lacking(run: Run) -> list[Score | None]:
    return [None] * len(run.episodes)
