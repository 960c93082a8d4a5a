"""What a rule rests on: numbers out of runs, without a judgement."""

from typing import NamedTuple

from workbench.core import Run
from workbench.evals import COSTS, compare, measure
from workbench.gates.rule import Rule


class Trial(NamedTuple):
    """Two runs over the same cases, and how sure one wants to be."""

    champion: Run
    challenger: Run
    alpha: float
    """Intervals have level 1 - alpha."""
    seed: int


class Evidence(NamedTuple):
    """An estimate with its interval; an estimate of None is unmeasured, and `reason` says why."""

    estimate: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    cases: int = 0
    clusters: int = 0
    reason: str = ""


def collect(rule: Rule, trial: Trial) -> Evidence:
    """The evidence for one rule: a level of the challenger, a coverage, or a paired difference."""
    runs = (trial.challenger, trial.champion) if rule.rival else (trial.challenger,)
    lacking = [run.header.agent for run in runs if rule.metric not in (*run.header.metrics, *COSTS)]
    if lacking:
        return Evidence(None, reason=f"the run of {lacking[0]!r} has no metric {rule.metric!r}")
    return _difference(rule, trial) if rule.rival else _level(rule, trial)


def _level(rule: Rule, trial: Trial) -> Evidence:
    line = measure(trial.challenger, rule.metric, alpha=trial.alpha)
    if not line.cases:
        return Evidence(None, reason=f"no case is scored: {line.reason}")
    if rule.coverage is not None:
        return Evidence(line.coverage, None, None, None, line.cases + line.unscored, line.clusters, line.reason)
    return Evidence(line.estimate, line.low, line.high, None, line.cases, line.clusters)


def _difference(rule: Rule, trial: Trial) -> Evidence:
    comparison = compare(
        trial.champion,
        trial.challenger,
        rule.metric,
        margin=rule.margin if rule.better_than else 0.0,
        alpha=trial.alpha,
        seed=trial.seed,
    )
    if comparison.difference is None:
        reasons = (measure(run, rule.metric).reason for run in (trial.challenger, trial.champion))
        return Evidence(None, reason=f"no case is scored in both runs: {next(filter(None, reasons), 'they differ')}")
    return Evidence(
        estimate=comparison.difference,
        low=comparison.low,
        high=comparison.high,
        p_value=comparison.p_value,
        cases=comparison.cases,
        clusters=comparison.clusters,
    )
