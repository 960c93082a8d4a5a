"""What a run measured under one name, score or cost, as arrays that statistics can work on."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Literal, NamedTuple

import numpy as np

from workbench.core import INAPPLICABLE, Episode, EvaluationError, Record, Run, nearest
from workbench.evals.interval import Codes, Floats, codes

Key = tuple[str, int]


class Cost(Record):
    """A cost over a run: which statistic of the episodes, in which unit. Lower is better."""

    name: str
    unit: Literal["USD", "tokens", "ms", "calls"]
    quantile: float | None = None
    """The level of a quantile; None is the mean over the episodes."""


COSTS: dict[str, Cost] = {
    cost.name: cost
    for cost in (
        Cost(name="tokens", unit="tokens"),
        Cost(name="lm_calls", unit="calls"),
        Cost(name="usd", unit="USD"),
        Cost(name="model_ms_p50", unit="ms", quantile=0.5),
        Cost(name="model_ms_p95", unit="ms", quantile=0.95),
        Cost(name="latency_ms_p50", unit="ms", quantile=0.5),
        Cost(name="latency_ms_p95", unit="ms", quantile=0.95),
    )
}
"""Tokens and calls that a case needs whether or not the store answers; dollars that were paid; model time as it
was when paid, comparable between a fresh and a replayed run; latency as the caller saw it in this run."""

_SPENT: dict[str, Callable[[Episode], float | None]] = {
    "tokens": lambda episode: float(episode.usage.tokens),
    "lm_calls": lambda episode: float(episode.usage.calls + episode.usage.cached_calls),
    "usd": lambda episode: episode.usage.usd,
    "model_ms": lambda episode: episode.usage.model_milliseconds,
    "latency_ms": lambda episode: episode.milliseconds,
}


class Row(NamedTuple):
    """What an episode measured under one name."""

    key: Key
    value: float | None
    reason: str
    """Why there is no value; of a score also why it is not 1."""


class Sample(NamedTuple):
    """The measured values of one name, in the order of the run."""

    keys: tuple[Key, ...]
    """Case id and repeat of each value."""
    values: Floats
    clusters: Codes
    """The number of each value's cluster."""
    unscored: int
    """Cases that should have a value and have none."""
    reason: str
    """The most frequent reason why; if nothing is measured, why."""

    @property
    def cluster_count(self) -> int:
        """How many clusters have a value."""
        return int(self.clusters.max()) + 1 if len(self.clusters) else 0


def draw(run: Run, name: str, among: Collection[str] | None = None) -> Sample:
    """The values of one metric or cost; `among` keeps the cases with these ids.

    Raises: EvaluationError if the run does not have that name.
    """
    return pick(run, [row for row in measured(run, name) if among is None or row.key[0] in among])


def measured(run: Run, name: str) -> list[Row]:
    """Every value of one metric or cost, and every gap, in the order of the run.

    Raises: EvaluationError if the run does not have that name.
    """
    if name in COSTS:
        return _costs(run, name)
    if name in run.header.metrics:
        return [Row((s.case_id, s.repeat), s.value, s.reason) for s in run.scores if s.metric == name]
    known = (*run.header.metrics, *COSTS)
    raise EvaluationError(f"run of {run.header.agent!r}: has no metric {name!r}; {nearest(name, known)}")


def pick(run: Run, rows: Sequence[Row]) -> Sample:
    """Rows of a run as arrays."""
    found = [(row.key, row.value) for row in rows if row.value is not None]
    gaps = [row.reason for row in rows if row.value is None and not row.reason.startswith(INAPPLICABLE)]
    return Sample(
        keys=tuple(key for key, _value in found),
        values=np.array([value for _key, value in found], dtype=np.float64),
        clusters=codes([run.clusters[case_id] for (case_id, _repeat), _value in found]),
        unscored=len(gaps),
        reason=most_frequent(gaps) if gaps or found else "applies to no case",
    )


def _costs(run: Run, name: str) -> list[Row]:
    if name in run.header.unmeasured:
        return [Row((episode.case_id, episode.repeat), None, "was not recorded") for episode in run.episodes]
    spent = _SPENT[name.removesuffix("_p50").removesuffix("_p95")]
    unknown = sum(spent(episode) is None for episode in run.episodes)
    if unknown:  # the mean over the calls whose price is known would look like the price of all
        reason = f"the price of a model is unknown in {unknown} of {len(run.episodes)} episodes"
        return [Row((episode.case_id, episode.repeat), None, reason) for episode in run.episodes]
    return [Row((episode.case_id, episode.repeat), *_cost(episode, spent)) for episode in run.episodes]


def _cost(episode: Episode, spent: Callable[[Episode], float | None]) -> tuple[float | None, str]:
    """An episode that broke off by no fault of the agent says nothing of what the agent costs."""
    failure = episode.failure
    if failure is not None and failure.blame != "agent":
        return None, f"{failure.blame}: {failure.kind}"
    return spent(episode), ""


def most_frequent(reasons: Sequence[str]) -> str:
    """The reason given most often, with how often if there are others; ties by text; empty if there is none."""
    if not reasons:
        return ""
    counts = Counter(reasons)
    reason = min(counts, key=lambda text: (-counts[text], text))
    return reason if counts[reason] == len(reasons) else f"{reason} ({counts[reason]} of {len(reasons)})"
