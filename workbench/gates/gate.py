"""Runs and rules into a verdict, every finding with its reason in words."""

import textwrap
from collections.abc import Sequence

from workbench.core import ConfigError, Finding, Run, Status, Verdict, digest_json, short
from workbench.evals import COSTS, check_comparable, number, signed, smallest_effect
from workbench.gates.evidence import Evidence, Trial, collect
from workbench.gates.rule import Rule, check_names, describe

_WORST_FIRST: tuple[Status, ...] = ("FAIL", "UNMEASURED", "INCONCLUSIVE", "PASS")


def check(rules: Sequence[Rule], *, challenger: Run, champion: Run, seed: int, alpha: float = 0.05) -> Verdict:
    """Decide whether the challenger meets every rule; the verdict is as bad as the worst finding.

    Thresholds and "no worse" rest on two-sided 1 - alpha intervals. "Better" rests on the paired sign-flip test
    by cluster; the p-values of all such rules are corrected together, so that the chance that any of them passes
    without a true difference is at most alpha. Source: Holm 1979, A Simple Sequentially Rejective Multiple Test
    Procedure, Scand. J. Statistics 6.

    Raises: EvaluationError if the runs did not try the same cases; ConfigError if there is no rule or a rule
    names another champion.
    """
    if not rules:
        raise ConfigError("gate: has no rule, and silence is not a pass; give at least one")
    check_names(rules, [rule.metric for rule in rules], champion.header.agent)
    check_comparable(champion, challenger)
    trial = Trial(champion, challenger, alpha, seed)
    evidence = _correct(rules, [collect(rule, trial) for rule in rules])
    findings = tuple(_find(rule, found, alpha) for rule, found in zip(rules, evidence, strict=True))
    return Verdict(
        status=min((finding.status for finding in findings), key=_WORST_FIRST.index),
        findings=findings,
        agent_digest=challenger.header.agent_digest,
        champion_digest=champion.header.agent_digest,
        run_digest=challenger.digest,
        champion_run_digest=champion.digest,
        evalset_digest=challenger.header.evalset_digest,
        rules_digest=digest_json([rule.model_dump(mode="json") for rule in rules]),
        seed=seed,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def render_verdict(verdict: Verdict) -> str:
    """The verdict as text, at most 100 columns wide; ends with a line break."""
    lines = [f"{verdict.status}: run {short(verdict.run_digest)} against {short(verdict.champion_run_digest)}"]
    for finding in verdict.findings:
        lines.append(f"  {finding.status:<12}  {finding.rule}")
        lines.extend(textwrap.wrap(finding.reason, 100, initial_indent=" " * 16, subsequent_indent=" " * 16))
    return "\n".join(lines) + "\n"


def _correct(rules: Sequence[Rule], evidence: Sequence[Evidence]) -> list[Evidence]:
    """The evidence with the p-values of "better" corrected together, and those of other rules left out."""
    family = [place for place, rule in enumerate(rules) if rule.better_than is not None]
    raw = [evidence[place].p_value for place in family]
    corrected = dict(zip(family, holm([1.0 if p is None else p for p in raw]), strict=True))
    return [
        found._replace(p_value=None if found.estimate is None else corrected.get(place))
        for place, found in enumerate(evidence)
    ]


def _find(rule: Rule, found: Evidence, alpha: float) -> Finding:
    status = _status(rule, found, alpha)
    effect = None
    if found.low is not None and found.high is not None:
        effect = smallest_effect(found.low, found.high, found.clusters, alpha)
    return Finding(
        rule=describe(rule),
        status=status,
        metric=rule.metric,
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        threshold=_threshold(rule),
        p_value=found.p_value,
        cases=found.cases,
        clusters=found.clusters,
        smallest_effect=effect,
        reason=_words(rule, found, status, effect),
    )


def _threshold(rule: Rule) -> float:
    """Where the estimate has to be above, or for a cost below."""
    if rule.no_worse_than is not None:
        return rule.margin if rule.metric in COSTS else -rule.margin
    given = (rule.at_least, rule.at_most, rule.coverage)
    return next((value for value in given if value is not None), rule.margin)


def _status(rule: Rule, found: Evidence, alpha: float) -> Status:
    if found.estimate is None:
        return "UNMEASURED"
    if rule.coverage is not None:
        return "PASS" if found.estimate >= rule.coverage else "FAIL"
    if found.low is None or found.high is None:
        return "INCONCLUSIVE"
    threshold = _threshold(rule)
    at_worst, at_best = found.low - threshold, found.high - threshold
    if rule.metric in COSTS:
        at_worst, at_best = threshold - found.high, threshold - found.low
    if at_best < 0:
        return "FAIL"
    if rule.better_than is not None:
        shown = found.p_value is not None and found.p_value <= alpha and found.estimate > threshold
        return "PASS" if shown else "INCONCLUSIVE"
    return "PASS" if at_worst >= 0 else "INCONCLUSIVE"


def _words(rule: Rule, found: Evidence, status: Status, effect: float | None) -> str:
    """The outcome with its numbers."""
    if found.estimate is None:
        return f"{found.reason}; what is not measured does not pass"
    if rule.coverage is not None:
        gap = f"; unscored: {found.reason}" if found.reason else ""
        return f"{found.estimate:.1%} of {found.cases} cases are scored, {rule.coverage:.1%} are needed{gap}"
    show = signed if rule.rival else number
    what = f"{'the difference is' if rule.rival else 'measured'} {show(found.estimate)}"
    where = f"over {found.cases} cases in {found.clusters} clusters"
    if found.low is None or found.high is None:
        return f"{what} {where}; too few clusters for an interval"
    interval = f"[{show(found.low)}, {show(found.high)}]"
    return f"{what} {interval} {where}: {_judgement(rule, found, status, effect)}"


def _judgement(rule: Rule, found: Evidence, status: Status, effect: float | None) -> str:
    show = signed if rule.rival else number
    threshold = show(_threshold(rule))
    if status == "FAIL":
        return f"all of the interval is on the wrong side of {threshold}"
    if rule.better_than is not None:
        p_value = f"p = {found.p_value:.4f}"
        if status == "PASS":
            return f"more than {threshold}, {p_value}"
        return f"not shown to be more than {threshold}, {p_value}{_power(effect)}"
    if status == "PASS":
        return f"all of the interval is on the right side of {threshold}"
    return f"the interval contains {threshold}{_power(effect)}"


def _power(effect: float | None) -> str:
    return "" if effect is None else f"; this many clusters show a distance of {number(effect)} in 4 of 5 tries"
