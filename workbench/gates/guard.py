"""What a gate was when people agreed to it, and what has become weaker since.

A gate is only as strong as what stands around it: whoever deletes a rule, loosens a threshold, drops the hard cases,
swaps the judge or edits a report can make anything pass. So what was agreed to is written down once as a `Pact`, with
who agreed; every later gate is held against it. Making a gate stronger needs nobody's leave: a stricter threshold,
one more rule, another order or another note raises no alarm. A change that may be either (a case reworded, another
judge) is an alarm, because nobody can tell without looking; who has looked agrees anew.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from workbench.core import Case, Record, Run, Waiver, digest_json
from workbench.evals import COSTS
from workbench.gates.rule import CONDITIONS, Rule, describe
from workbench.gates.waiver import Terms

DILUTION = 0.01
"""How far the champion's mean may rise by nothing but added cases before a fixed threshold counts as loosened."""

_HIGHER_IS_STRICTER = ("at_least", "better_than", "coverage")


class Alarm(Record):
    """Something that makes a gate weaker, or may."""

    about: Literal["rule", "terms", "suite", "judge", "champion", "evidence"]
    what: str
    """In words: what was, and what is."""


class Ground(Record):
    """What a gate is decided on: the cases of a suite, who grades them, and how the champion does."""

    split: str
    repeats: int = Field(ge=1)
    """The fewest episodes of a case."""
    graders: dict[str, str]
    """Digest of what grades each metric."""
    cases: dict[str, str]
    """Digest of each case without its tags: request, expectation, cluster."""
    tags: dict[str, tuple[str, ...]]
    champion_scores: dict[str, dict[str, float]]
    """Mean of the champion on each case, by metric."""


class Pact(Ground):
    """A gate as people agreed to it; its own ground is the experiment's test split."""

    rules: tuple[Rule, ...] = Field(min_length=1)
    seed: int
    """Of the gate's tests: whoever may choose it afterwards may choose the p-value."""
    terms: Terms
    prices: str = ""
    champion: str
    """Digest of the champion's agent."""
    suites: dict[str, Ground] = Field(default_factory=dict)
    """By the suite's name."""
    owner: str = ""
    """Who agreed."""
    reason: str = ""
    agreed: date | None = None


def make_pact(
    rules: Sequence[Rule],
    champion: Run,
    cases: Sequence[Case],
    *,
    seed: int,
    terms: Terms | None = None,
    suites: Mapping[str, tuple[Run, Sequence[Case]]] = MappingProxyType({}),
) -> Pact:
    """The gate as it stands: its rules, and everything around them that decides how strong they are.

    `cases` are those of the champion's run, in any order; `suites` gives its run on each suite with the suite's cases.
    """
    ground = _ground(champion, cases)
    return Pact(
        **dict(ground),
        rules=tuple(rules),
        seed=seed,
        terms=terms or Terms(),
        prices=champion.header.prices,
        champion=champion.header.agent_digest,
        suites={name: _ground(run, held) for name, (run, held) in suites.items()},
    )


def weakened(agreed: Pact, now: Pact) -> tuple[Alarm, ...]:
    """Every way in which the gate may have become weaker than what was agreed; empty if there is none."""
    found = [*_rules(agreed.rules, now.rules), *_terms(agreed, now), *_ground_lost("", agreed, now, agreed.rules)]
    for name, ground in agreed.suites.items():
        if name not in now.suites:
            found.append(Alarm(about="suite", what=f"suite {name!r} is gone"))
        else:
            found.extend(_ground_lost(name, ground, now.suites[name], agreed.rules))
    if agreed.prices and now.prices != agreed.prices:
        found.append(Alarm(about="judge", what="costs rest on another price list"))
    if now.champion != agreed.champion:
        found.append(Alarm(about="champion", what="the champion is another agent: a weaker one is easier to beat"))
    return tuple(found)


def _ground(champion: Run, cases: Sequence[Case]) -> Ground:
    counts = Counter(episode.case_id for episode in champion.episodes)
    return Ground(
        split=champion.header.split,
        repeats=min(counts.values(), default=1),
        graders=champion.header.graders,
        cases={case.case_id: digest_json(case.model_dump(mode="json", exclude={"tags"})) for case in cases},
        tags={case.case_id: case.tags for case in cases},
        champion_scores={metric: _means(champion, metric) for metric in champion.header.metrics},
    )


def _ground_lost(suite: str, agreed: Ground, now: Ground, rules: Sequence[Rule]) -> Iterator[Alarm]:
    """What is weaker about one suite, named in every alarm; no name is the test split."""
    fixed = {rule.metric for rule in rules if rule.at_least is not None and rule.suite == suite}
    for alarm in (*_suite(agreed, now), *_dilution(agreed, now, fixed - {*COSTS}), *_judges(agreed, now)):
        yield Alarm(about=alarm.about, what=f"suite {suite!r}: {alarm.what}") if suite else alarm


def render_alarms(alarms: Sequence[Alarm]) -> str:
    """One line for each alarm; ends with a line break."""
    if not alarms:
        return "the gate is at least as strong as what was agreed\n"
    return "".join(f"{alarm.about:<9} {alarm.what}\n" for alarm in alarms)


def _means(run: Run, metric: str) -> dict[str, float]:
    values: defaultdict[str, list[float]] = defaultdict(list)
    for (case_id, _repeat), value in run.values(metric).items():
        if value is not None:
            values[case_id].append(value)
    return {case_id: math.fsum(found) / len(found) for case_id, found in values.items()}


def _rules(agreed: Sequence[Rule], now: Sequence[Rule]) -> Iterator[Alarm]:
    left = {_subject(rule): rule for rule in sorted(now, key=_strictness)}  # of several the strictest counts
    for rule in agreed:
        same = left.get(_subject(rule))
        if same is None:
            yield Alarm(about="rule", what=f"{describe(rule)!r} is gone")
        elif _strictness(same) < _strictness(rule):
            yield Alarm(about="rule", what=f"{describe(rule)!r} was loosened to {describe(same)!r}")
        elif same.stop_early != rule.stop_early:
            yield Alarm(about="rule", what=f"{describe(rule)!r} is looked at otherwise: {describe(same)!r}")


def _subject(rule: Rule) -> tuple[str, str, str, str]:
    condition = next(name for name in CONDITIONS if getattr(rule, name) is not None)
    return rule.metric, condition, rule.rival or "", rule.suite


def _strictness(rule: Rule) -> float:
    """Higher is harder to meet; to be compared between rules of one subject only."""
    condition = _subject(rule)[1]
    value = rule.margin if rule.rival else rule.threshold
    return value if condition in _HIGHER_IS_STRICTER else -value


def _terms(agreed: Pact, now: Pact) -> Iterator[Alarm]:
    if now.terms.alpha > agreed.terms.alpha:
        raised = f"{agreed.terms.alpha:g} to {now.terms.alpha:g}"
        yield Alarm(about="terms", what=f"alpha was raised from {raised}")
    if now.seed != agreed.seed:
        yield Alarm(about="terms", what=f"the seed of the tests is {now.seed} and no longer {agreed.seed}")
    if now.terms.correction != agreed.terms.correction:
        changed = f"{agreed.terms.correction} to {now.terms.correction}"
        yield Alarm(about="terms", what=f"rules that are tested together are corrected otherwise: {changed}")
    known = {waiver.rule: waiver for waiver in agreed.terms.waivers}
    for waiver in now.terms.waivers:
        yield from _waiver(known.get(waiver.rule), waiver)


def _waiver(before: Waiver | None, waiver: Waiver) -> Iterator[Alarm]:
    if before is None:
        yield Alarm(about="terms", what=f"{waiver.rule!r} is waived by {waiver.owner} until {waiver.expires}")
    elif waiver.expires > before.expires:
        longer = f"from {before.expires} to {waiver.expires}"
        yield Alarm(about="terms", what=f"the waiver for {waiver.rule!r} was prolonged {longer}")


def _suite(agreed: Ground, now: Ground) -> Iterator[Alarm]:
    if now.split != agreed.split:
        yield Alarm(about="suite", what=f"it is decided on {now.split!r} and no longer on {agreed.split!r}")
    if now.repeats < agreed.repeats:
        yield Alarm(about="suite", what=f"each case is tried {now.repeats} times and no longer {agreed.repeats}")
    for case_id, digest in agreed.cases.items():
        if case_id not in now.cases:
            yield Alarm(about="suite", what=f"case {case_id!r} is gone")
        elif now.cases[case_id] != digest:
            yield Alarm(about="suite", what=f"case {case_id!r} asks or expects something else, or has another cluster")
        elif lost := sorted(set(agreed.tags.get(case_id, ())) - set(now.tags.get(case_id, ()))):
            yield Alarm(about="suite", what=f"case {case_id!r} no longer counts for {', '.join(lost)}")


def _dilution(agreed: Ground, now: Ground, fixed: Collection[str]) -> Iterator[Alarm]:
    """Added cases that the champion finds easier lift every mean: a threshold that stays is then a lower one."""
    for metric in sorted(fixed):
        scores = now.champion_scores.get(metric, {})
        before = _mean(scores, agreed.cases)
        after = _mean(scores, now.cases)
        if before is not None and after is not None and after > before + DILUTION:
            words = f"added cases lift {metric} of the champion from {before:.3f} to {after:.3f}"
            yield Alarm(about="suite", what=f"{words}: a fixed threshold is easier to meet")


def _mean(scores: Mapping[str, float], cases: Mapping[str, str]) -> float | None:
    found = [scores[case_id] for case_id in cases if case_id in scores]
    return math.fsum(found) / len(found) if found else None


def _judges(agreed: Ground, now: Ground) -> Iterator[Alarm]:
    for metric, digest in agreed.graders.items():
        if metric not in now.graders:
            yield Alarm(about="judge", what=f"{metric} is no longer graded")
        elif now.graders[metric] != digest:
            yield Alarm(
                about="judge", what=f"{metric} is graded by something else; regrade the champion and agree anew"
            )
