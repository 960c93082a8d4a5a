"""Runs and rules into a verdict, every finding with its reason in words."""

import textwrap
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from workbench.core import Basis, ConfigError, EvaluationError, Finding, Run, Status, Verdict, digest_json, short
from workbench.evals import COSTS, check_comparable, number, signed, smallest_effect
from workbench.gates.early import NOTHING_EARLY, Early, check_looks, ends, look
from workbench.gates.evidence import Evidence, Match, Trial, collect
from workbench.gates.family import CORRECTIONS, correct, holm
from workbench.gates.rule import Rule, check_names, describe
from workbench.gates.waiver import Terms, check_waivers, waive

_INDENT = " " * 16
_WORST_FIRST: tuple[Status, ...] = ("FAIL", "UNMEASURED", "INCONCLUSIVE", "PASS")


def check(
    rules: Sequence[Rule],
    *,
    challenger: Run,
    champion: Run,
    seed: int,
    terms: Terms | None = None,
    suites: Mapping[str, Match] = MappingProxyType({}),
) -> Verdict:
    """Decide whether the challenger meets every rule; the verdict is as bad as the worst finding that is not waived.

    PASS: shown to be met. FAIL: shown to be broken, so a "no worse than" fails only if a drop beyond its margin is
    shown. INCONCLUSIVE: neither; more cases would tell. UNMEASURED: nothing to decide on. Only PASS lets through.

    Decisions rest on two-sided 1 - alpha intervals, "better" on the paired sign-flip test, all by cluster. The
    chance that a gate whose rules are all met fails is at most alpha / 2, and so is the chance that one passes with a
    rule that is not met; `workbench.gates.family` says how rules are corrected together. Where a rule may stop early
    the challenger may have tried the cases up to a look only; `workbench.gates.early` says how these are decided.
    `suites` holds the runs that rules on a suite are decided on.

    Raises: EvaluationError if the runs did not try the same cases, were graded or priced differently, or ended before
    the rules were decided; ConfigError if there is no rule, a rule names another champion or suite, or a waiver is for
    no rule.
    """
    terms = terms or Terms()
    _check_rules(rules, champion, terms, suites)
    early, match = _on_same_cases(rules, champion, challenger, seed=seed, terms=terms)
    trials = {name: _trial(one, seed, terms) for name, one in {"": match, **suites}.items()}
    if not ends(rules, early, terms):
        raise EvaluationError(f"run of {challenger.header.agent!r}: ended before its rules were decided; go on with it")
    evidence = [collect(rule, trials[rule.suite]) for rule in rules]
    findings, notes = waive(settle(rules, evidence, terms, early), terms)
    runs = Trial(champion, challenger, terms.alpha, seed)
    return _verdict(rules, runs, terms, findings, tuple(note for note in (*notes, early.note) if note), suites)


def _check_rules(rules: Sequence[Rule], champion: Run, terms: Terms, suites: Collection[str]) -> None:
    """Do nothing if the rules fit together, and to what they are about; a metric that a run lacks is found later."""
    if not rules:
        raise ConfigError("gate: has no rule, and silence is not a pass; give at least one")
    metrics = {rule.metric for rule in rules}
    check_names(rules, metrics, champion.header.agent, dict.fromkeys(suites, metrics))
    check_waivers(terms.waivers, rules)
    check_looks(rules, len({*champion.clusters.values()}), terms.correction)


def on_test(rules: Sequence[Rule], *, challenger: Run, champion: Run, seed: int, terms: Terms) -> tuple[Finding, ...]:
    """What `check` will find for the rules that are decided on the test, while the suites are not tried yet.

    Raises: EvaluationError as `check` does.
    """
    early, match = _on_same_cases(rules, champion, challenger, seed=seed, terms=terms)
    trial, later = _trial(match, seed, terms), Evidence(None, reason="the suite is not tried yet")
    evidence = [later if rule.suite else collect(rule, trial) for rule in rules]
    findings, _notes = waive(settle(rules, evidence, terms, early), terms)
    return tuple(finding for rule, finding in zip(rules, findings, strict=True) if not rule.suite)


def _on_same_cases(
    rules: Sequence[Rule], champion: Run, challenger: Run, *, seed: int, terms: Terms
) -> tuple[Early, Match]:
    """What looking early says, and the two runs on the cases that the challenger came to."""
    early = look(rules, challenger=challenger, champion=champion, seed=seed, alpha=terms.alpha)
    same = champion.on(challenger.clusters) if early.decisions else champion
    return early, Match(champion=same, challenger=challenger)


def _trial(match: Match, seed: int, terms: Terms) -> Trial:
    check_comparable(match.champion, match.challenger)
    return Trial(match.champion, match.challenger, terms.alpha, seed)


def _verdict(
    rules: Sequence[Rule],
    trial: Trial,
    terms: Terms,
    findings: tuple[Finding, ...],
    notes: tuple[str, ...],
    suites: Mapping[str, Match],
) -> Verdict:
    open_ones = [finding.status for finding in findings if not finding.holds]
    rules_digest = digest_json([rule.model_dump(mode="json") for rule in rules])
    challenger, champion = trial.challenger, trial.champion
    return Verdict(
        status=min(open_ones, key=_WORST_FIRST.index, default="PASS"),
        findings=findings,
        agent_digest=challenger.header.agent_digest,
        champion_digest=champion.header.agent_digest,
        run_digest=challenger.digest,
        champion_run_digest=champion.digest,
        evalset_digest=challenger.header.evalset_digest,
        suites={name: _basis(match) for name, match in suites.items()},
        rules_digest=rules_digest,
        seed=trial.seed,
        alpha=trial.alpha,
        correction=terms.correction,
        today=terms.today,
        notes=notes,
        evidence_digest=_digest(trial, rules_digest, terms, suites),
    )


def _basis(match: Match) -> Basis:
    return Basis(
        evalset_digest=match.challenger.header.evalset_digest,
        run_digest=match.challenger.digest,
        champion_run_digest=match.champion.digest,
    )


def settle(
    rules: Sequence[Rule], evidence: Sequence[Evidence], terms: Terms, early: Early = NOTHING_EARLY
) -> list[Finding]:
    """One finding for each rule and its evidence, corrected together; waivers are not looked at."""
    counted = [early.evidence(place, found) for place, found in enumerate(evidence)]
    corrected = correct(rules, counted, broken=holm, better=CORRECTIONS[terms.correction])
    return [
        early.finding(place, rule) or _find(rule, found, terms.alpha)
        for place, (rule, found) in enumerate(zip(rules, corrected, strict=True))
    ]


def render_verdict(verdict: Verdict) -> str:
    """The verdict as text, at most 100 columns wide; ends with a line break."""
    lines = [f"{verdict.words}: run {short(verdict.run_digest)} against {short(verdict.champion_run_digest)}"]
    for finding in verdict.findings:
        lines.append(f"  {finding.status if finding.waiver is None else 'WAIVED':<12}  {finding.rule}")
        lines.extend(_wrap(f"{_waived(finding)}{finding.reason}"))
    for note in verdict.notes:
        lines.extend(_wrap(f"note: {note}", "  "))
    if verdict.evidence_digest:
        lines.append(f"  rests on {short(verdict.evidence_digest)}, alpha {verdict.alpha:g}, {verdict.correction}")
    return "\n".join(lines) + "\n"


def _digest(trial: Trial, rules_digest: str, terms: Terms, suites: Mapping[str, Match]) -> str:
    """The digest of everything the verdict rests on: another one if any of it was another."""
    runs = (trial.champion, trial.challenger)
    return digest_json(
        {
            "runs": [run.digest for run in runs],
            "suites": {name: _basis(match).digest for name, match in suites.items()},
            "evalset": trial.challenger.header.evalset_digest,
            "graders": [dict(run.header.graders) for run in runs],
            "prices": [run.header.prices for run in runs],
            "rules": rules_digest,
            "terms": terms.digest,
            "seed": trial.seed,
        }
    )


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
        threshold=rule.threshold,
        margin=rule.margin,
        p_value=found.met_p,
        fail_p_value=found.broken_p,
        cases=found.cases,
        clusters=found.clusters,
        smallest_effect=effect,
        reason=_words(rule, found, status, effect),
    )


def _status(rule: Rule, found: Evidence, alpha: float) -> Status:
    if found.estimate is None:
        return "UNMEASURED"
    if rule.coverage is not None:
        return "PASS" if found.estimate >= rule.coverage else "FAIL"
    if found.low is None or found.high is None:
        return "INCONCLUSIVE"
    if found.broken_p is not None and found.broken_p <= alpha:
        return "FAIL"
    if rule.better_than is not None:
        return "PASS" if found.met_p is not None and found.met_p <= alpha else "INCONCLUSIVE"
    met = found.high <= rule.threshold if rule.metric in COSTS else found.low >= rule.threshold
    return "PASS" if met else "INCONCLUSIVE"


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
    threshold = show(rule.threshold)
    if status == "FAIL":
        return f"shown to be on the wrong side of {threshold}, p = {found.broken_p:.4f}"
    if rule.better_than is not None:
        p_value = f"p = {found.met_p:.4f}"
        if status == "PASS":
            return f"more than {threshold}, {p_value}"
        return f"not shown to be more than {threshold}, {p_value}{_power(effect)}"
    if status == "PASS":
        return f"all of the interval is on the right side of {threshold}"
    if found.low is not None and found.high is not None and not found.low <= rule.threshold <= found.high:
        return f"on the wrong side of {threshold}, but not shown with so many rules at once, p = {found.broken_p:.4f}"
    return f"the interval contains {threshold}{_power(effect)}"


def _power(effect: float | None) -> str:
    return "" if effect is None else f"; this many clusters show a distance of {number(effect)} in 4 of 5 tries"


def _waived(finding: Finding) -> str:
    """Who answers for it, and what the evidence says all the same."""
    if finding.waiver is None:
        return ""
    waiver = finding.waiver
    return f"{finding.status}, waived by {waiver.owner} until {waiver.expires} ({waiver.reason}): "


def _wrap(text: str, indent: str = _INDENT) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=indent)
