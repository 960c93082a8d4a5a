"""What a run shows: every metric and cost with its interval, by tag, and what failed."""

from collections import Counter, defaultdict

from workbench.core import Line, Report, Run, Slice
from workbench.evals.interval import (
    NO_INTERVAL,
    Interval,
    mean_interval,
    quantile,
    quantile_interval,
    share_interval,
)
from workbench.evals.sample import COSTS, Cost, Row, Sample, draw, measured, pick


def summarize(run: Run) -> Report:
    """The report of a run: its metrics in the order of the header, then the costs, then the metrics by tag."""
    lines = tuple(measure(run, name) for name in (*run.header.metrics, *COSTS))
    return Report(
        agent=run.header.agent,
        run_digest=run.digest,
        evalset_digest=run.header.evalset_digest,
        split=run.header.split,
        lines=lines,
        slices=_slices(run),
        failures=_failures(run),
    )


def measure(run: Run, name: str, *, alpha: float = 0.05) -> Line:
    """One metric or cost over a run, with its 1 - alpha interval by cluster.

    Raises: EvaluationError if the run does not have that name.
    """
    return _line(name, draw(run, name), alpha)


def _slices(run: Run) -> tuple[Slice, ...]:
    """Every metric by tag, in the order of tags; each score is looked at once for each tag of its case."""
    tagged: defaultdict[str, list[str]] = defaultdict(list)
    for case_id, tags in run.tags.items():
        for tag in dict.fromkeys(tags):
            tagged[tag].append(case_id)
    rows: dict[str, defaultdict[str, list[Row]]] = {name: defaultdict(list) for name in run.header.metrics}
    for name, by_case in rows.items():
        for row in measured(run, name):
            by_case[row.key[0]].append(row)
    lines = (
        (tag, _line(name, pick(run, [row for case_id in tagged[tag] for row in by_case.get(case_id, ())]), 0.05))
        for tag in sorted(tagged)
        for name, by_case in rows.items()
    )
    return tuple(Slice(tag=tag, line=line) for tag, line in lines if line.cases or line.unscored)


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
