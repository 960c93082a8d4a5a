"""What a run shows: every metric and cost with its interval, by tag, and what failed."""

from collections import Counter

from workbench.core import Line, Report, Run, Slice
from workbench.evals.interval import (
    NO_INTERVAL,
    Interval,
    mean_interval,
    quantile,
    quantile_interval,
    share_interval,
)
from workbench.evals.sample import COSTS, Cost, Sample, draw


def summarize(run: Run) -> Report:
    """The report of a run: its metrics in the order of the header, then the costs, then the metrics by tag."""
    lines = tuple(measure(run, name) for name in (*run.header.metrics, *COSTS))
    tags = sorted({tag for tags in run.tags.values() for tag in tags})
    return Report(
        agent=run.header.agent,
        run_digest=run.digest,
        evalset_digest=run.header.evalset_digest,
        split=run.header.split,
        lines=lines,
        slices=tuple(part for tag in tags for part in _slices(run, tag)),
        failures=_failures(run),
    )


def measure(run: Run, name: str, *, alpha: float = 0.05) -> Line:
    """One metric or cost over a run, with its 1 - alpha interval by cluster.

    Raises: EvaluationError if the run does not have that name.
    """
    return _line(name, draw(run, name), alpha)


def _slices(run: Run, tag: str) -> tuple[Slice, ...]:
    tagged = {case_id for case_id, tags in run.tags.items() if tag in tags}
    lines = (_line(name, draw(run, name, tagged), 0.05) for name in run.header.metrics)
    return tuple(Slice(tag=tag, line=line) for line in lines if line.cases or line.unscored)


def _line(name: str, sample: Sample, alpha: float) -> Line:
    cost = COSTS.get(name)
    estimate, interval = _estimate(sample, cost, alpha)
    return Line(
        name=name,
        kind="score" if cost is None else "cost",
        unit="1" if cost is None else cost.unit,
        estimate=estimate,
        low=interval.low,
        high=interval.high,
        cases=len(sample.values),
        unscored=sample.unscored,
        clusters=sample.cluster_count,
        reason=sample.reason,
    )


def _estimate(sample: Sample, cost: Cost | None, alpha: float) -> tuple[float | None, Interval]:
    if not len(sample.values):
        return None, NO_INTERVAL
    if cost is None:
        return float(sample.values.mean()), share_interval(sample.values, sample.clusters, alpha)
    if cost.quantile is not None:
        bounds = quantile_interval(sample.values, sample.clusters, cost.quantile, alpha)
        return quantile(sample.values, cost.quantile), bounds
    bounds = mean_interval(sample.values, sample.clusters, alpha)
    low = None if bounds.low is None else max(0.0, bounds.low)
    return float(sample.values.mean()), Interval(low, bounds.high)


def _failures(run: Run) -> dict[str, int]:
    failed = (episode.failure for episode in run.episodes if episode.failure is not None)
    counts = Counter(f"{failure.blame}:{failure.kind}" for failure in failed)
    return dict(sorted(counts.items()))
