"""Rules that may end an evaluation early, beside rules that may not.

A rule with `stop_early` is decided by a plan over all clusters of the champion's run: the challenger is tried on the
clusters in a drawn order, and at each look the rule may be shown, broken or given up. The evaluation ends when going on
could not change the verdict: a rule is lost that nobody waives, or every rule is decided. Rules that can't stop early
need every case, so a challenger that wins early is tried to the end for them; one that loses is not, and they are then
INCONCLUSIVE. Coverage has no error rate to keep: it is taken over what was tried.

Why alpha is shared out: the chance of a false FAIL holds for the gate as a whole. A rule that may stop early takes
alpha / m of it, m being the rules that are tested; Holm's method over the others counts it as one with p = 1. If k of
the others are rightly rejected, a wrong rejection among the rest has at most the chance (m - s - k) alpha / (m - k) for
s rules that may stop early, and these add s alpha / m: together no more than alpha. Source: the union bound in Holm
1979, A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statistics 6.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from pydantic import ValidationError

from workbench.core import ConfigError, Correction, EvaluationError, Finding, Run
from workbench.evals import draw
from workbench.gates.evidence import Evidence
from workbench.gates.rule import Rule, describe
from workbench.gates.sequential import Claim, Decision, Plan, decide, draw_order
from workbench.gates.sequential_bounds import Design
from workbench.gates.waiver import Terms


class Early(NamedTuple):
    """What the rules that may stop early say of the clusters tried so far."""

    decisions: Mapping[int, Decision]
    """By the place of the rule in the gate; empty if no rule may stop early."""
    tried: int
    total: int
    """Clusters."""

    @property
    def note(self) -> str:
        """What a person must know of an evaluation that ended early; empty if it did not."""
        if self.tried == self.total:
            return ""
        words = "an estimate lies on average further out than the truth"
        return f"stopped early, after {self.tried} of {self.total} clusters: {words}, its interval holds"

    def finding(self, place: int, rule: Rule) -> Finding | None:
        """What came of a rule if looking early decides it; None if the evidence does."""
        decision = self.decisions.get(place)
        if decision is not None:
            return _decided(rule, decision)
        if self.tried == self.total or rule.coverage is not None or rule.suite:
            return None
        reason = f"not decided: the evaluation ended after {self.tried} of {self.total} clusters"
        return _finding(rule, Decision(state="INCONCLUSIVE", plan_digest="", reason=reason))

    def evidence(self, place: int, found: Evidence) -> Evidence:
        """The evidence as the correction of the other rules must count it."""
        decision = self.decisions.get(place)
        if decision is None:
            return found
        return Evidence(decision.estimate, decision.low, decision.high, met_p=1.0, broken_p=1.0)


NOTHING_EARLY = Early(MappingProxyType({}), 0, 0)
"""For a gate in which no rule may stop early."""


def may_stop(rules: Sequence[Rule]) -> bool:
    """True if the evaluation of such a gate may end before every case is tried."""
    return any(rule.stop_early for rule in rules)


def batches(rules: Sequence[Rule], champion: Run, *, seed: int) -> tuple[tuple[str, ...], ...]:
    """The case ids that are tried at each look, each the one before and more; the last is all of the champion's run.

    Without a rule that may stop early it is one batch. Raises: ConfigError for too many looks.
    """
    order = draw_order(champion.clusters.values(), seed)
    ends = {end for plan in _plans(rules, order, alpha=0.05).values() for end in plan.looks} | {len(order)}
    parts = (frozenset(order[:end]) for end in sorted(ends))
    return tuple(tuple(key for key, cluster in champion.clusters.items() if cluster in part) for part in parts)


def check_looks(rules: Sequence[Rule], clusters: int, correction: Correction) -> None:
    """Do nothing if nobody looks too often; `clusters` is the most there can be. For use before anything runs.

    Raises: ConfigError with the fewest clusters between looks, or if rules are corrected as a fixed sequence, in which
    a rule that may stop early has no place.
    """
    if may_stop(rules) and correction != "holm":
        raise ConfigError(f"gate: a rule may stop early, and the correction is {correction!r}; use 'holm'")
    _plans(rules, tuple(map(str, range(clusters))), alpha=0.05)


def look(rules: Sequence[Rule], *, challenger: Run, champion: Run, seed: int, alpha: float = 0.05) -> Early:
    """What the rules that may stop early say of a challenger that tried a part of the champion's cases.

    Raises: EvaluationError if that part is not what is tried when somebody looks.
    """
    if not may_stop(rules):
        return NOTHING_EARLY
    if set(challenger.clusters) not in map(set, batches(rules, champion, seed=seed)):
        names = f"runs of {champion.header.agent!r} and {challenger.header.agent!r}"
        raise EvaluationError(f"{names}: did not try the same cases, nor those up to a look; go on with the evaluation")
    order = draw_order(champion.clusters.values(), seed)
    decisions = {
        place: decide(plan, _differences(champion, challenger, rules[place].metric))
        for place, plan in _plans(rules, order, alpha=alpha).items()
        if all(rules[place].metric in run.header.metrics for run in (champion, challenger))
    }
    return Early(decisions, len(set(challenger.clusters.values())), len(order))


def ends(rules: Sequence[Rule], early: Early, terms: Terms) -> bool:
    """True if trying more cases could not change the verdict."""
    if early.tried == early.total:
        return True
    waived = {waiver.rule for waiver in terms.waivers if terms.count(waiver)}
    lost = (
        describe(rules[place]) not in waived
        for place, decision in early.decisions.items()
        if decision.state in ("FAIL", "INCONCLUSIVE")
    )
    if any(lost):
        return True
    needy = any(
        place not in early.decisions and rule.coverage is None and not rule.suite for place, rule in enumerate(rules)
    )
    return not needy and all(decision.state != "CONTINUE" for decision in early.decisions.values())


def _plans(rules: Sequence[Rule], order: tuple[str, ...], *, alpha: float) -> dict[int, Plan]:
    """The plan of each rule that may stop early, by its place."""
    tested = sum(rule.coverage is None for rule in rules)
    return {
        place: _plan(rule, order, alpha / tested) for place, rule in enumerate(rules) if rule.stop_early is not None
    }


def _plan(rule: Rule, order: tuple[str, ...], alpha: float) -> Plan:
    assert rule.stop_early is not None, "the caller has seen to it"
    claim: Claim = "better" if rule.better_than is not None else "no_worse"
    looks = rule.stop_early
    try:
        return Plan(
            claim=claim,
            margin=rule.margin,
            clusters=order,
            first=looks.first,
            every=looks.every,
            design=Design(alpha=alpha),
        )
    except ValidationError as cause:
        problem = cause.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"gate rule {describe(rule)!r}: {problem}") from cause


def _differences(champion: Run, challenger: Run, metric: str) -> dict[str, list[float]]:
    """The paired differences of each cluster that the challenger tried."""
    first, second = draw(champion, metric), draw(challenger, metric)
    old = dict(zip(first.keys, first.values, strict=True))
    found: dict[str, list[float]] = {cluster: [] for cluster in challenger.clusters.values()}
    for key, value in zip(second.keys, second.values, strict=True):
        if key in old:
            found[challenger.clusters[key[0]]].append(float(value - old[key]))
    return found


def _decided(rule: Rule, decision: Decision) -> Finding:
    undecided = decision.model_copy(update={"state": "INCONCLUSIVE"})
    return _finding(rule, undecided if decision.state == "CONTINUE" else decision)


def _finding(rule: Rule, decision: Decision) -> Finding:
    assert decision.state != "CONTINUE", "a finding is final"
    return Finding(
        rule=describe(rule),
        status=decision.state,
        metric=rule.metric,
        estimate=decision.estimate,
        low=decision.low,
        high=decision.high,
        threshold=rule.threshold,
        margin=rule.margin,
        cases=decision.cases,
        clusters=decision.clusters,
        reason=decision.reason,
    )
