"""What a rule rests on: numbers out of runs, without a judgement."""

from dataclasses import dataclass, field
from typing import NamedTuple

from workbench.core import Record, Run
from workbench.evals import COSTS, Pairs, Sample, Tails, draw, mean_tails, measure, pair, quantile_tails, share_tails
from workbench.gates.rule import Rule


class Match(Record):
    """Champion and challenger on one suite."""

    champion: Run
    challenger: Run


@dataclass(frozen=True, eq=False)
class Trial:
    """Two runs over the same cases, and how sure one wants to be."""

    champion: Run
    challenger: Run
    alpha: float
    """Intervals have level 1 - alpha."""
    seed: int
    _paired: dict[str, Pairs] = field(default_factory=dict, repr=False)

    def pairs(self, metric: str) -> Pairs:
        """The values that both runs measured, drawn once however many rules ask for them."""
        if metric not in self._paired:
            self._paired[metric] = pair(self.champion, self.challenger, metric)
        return self._paired[metric]


class Evidence(NamedTuple):
    """An estimate with its interval; an estimate of None is unmeasured, and `reason` says why."""

    estimate: float | None
    low: float | None = None
    high: float | None = None
    met_p: float | None = None
    """Of the claim that the rule is met: the one-sided p-value, doubled, at most 1."""
    broken_p: float | None = None
    """Of the claim that it is broken, the same way."""
    cases: int = 0
    clusters: int = 0
    reason: str = ""


def collect(rule: Rule, trial: Trial) -> Evidence:
    """The evidence for one rule: a level of the challenger, a coverage, or a paired difference.

    The runs are comparable. Raises: EvaluationError if dollars are compared that rest on different price lists.
    """
    runs = (trial.challenger, trial.champion) if rule.rival else (trial.challenger,)
    lacking = [run.header.agent for run in runs if rule.metric not in (*run.header.metrics, *COSTS)]
    if lacking:
        return Evidence(None, reason=f"the run of {lacking[0]!r} has no metric {rule.metric!r}")
    if rule.rival is None:
        return _level(rule, trial)
    pairs = trial.pairs(rule.metric)
    if pairs.difference is None:
        reasons = (measure(run, rule.metric).reason for run in runs)
        return Evidence(None, reason=f"no case is scored in both runs: {next(filter(None, reasons), 'they differ')}")
    return contrast(rule, pairs, alpha=trial.alpha, seed=trial.seed)


def contrast(rule: Rule, pairs: Pairs, *, alpha: float, seed: int) -> Evidence:
    """The evidence of paired values for a rule that compares; there is at least one pair.

    "Better" is claimed by the sign-flip test, which is exact where the two are alike; that a rule is broken, and
    that a challenger is no worse, by the tails of the interval, which needs no symmetry around a margin.
    """
    assert pairs.difference is not None, "the caller has seen to it"
    interval = pairs.interval(alpha)
    met, broken = _claims(rule, pairs.tails(rule.threshold))
    if rule.better_than is not None:
        met = pairs.p_value(rule.margin, seed) if pairs.difference > rule.margin else 1.0
    return Evidence(pairs.difference, interval.low, interval.high, met, broken, len(pairs.old), pairs.count)


def _level(rule: Rule, trial: Trial) -> Evidence:
    line = measure(trial.challenger, rule.metric, alpha=trial.alpha)
    if not line.cases:
        return Evidence(None, reason=f"no case is scored: {line.reason}")
    if rule.coverage is not None:
        cases = line.cases + line.unscored
        return Evidence(line.coverage, cases=cases, clusters=line.clusters, reason=line.reason)
    met, broken = _claims(rule, _tails(rule, draw(trial.challenger, rule.metric)))
    return Evidence(line.estimate, line.low, line.high, met, broken, line.cases, line.clusters)


def _tails(rule: Rule, sample: Sample) -> Tails | None:
    cost = COSTS.get(rule.metric)
    if cost is None:
        return share_tails(sample.values, sample.clusters, rule.threshold)
    if cost.quantile is None:
        return mean_tails(sample.values, sample.clusters, rule.threshold)
    return quantile_tails(sample.values, sample.clusters, cost.quantile, rule.threshold)


def _claims(rule: Rule, tails: Tails | None) -> tuple[float | None, float | None]:
    """The doubled p-values of "met" and of "broken": a score has to lie above its threshold, a cost below."""
    if tails is None:
        return None, None
    above, below = min(1.0, 2 * tails.above), min(1.0, 2 * tails.below)
    return (below, above) if rule.metric in COSTS else (above, below)
