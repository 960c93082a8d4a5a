"""Edits of a gate: those that weaken it, by what they change, and those that do no harm."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from benchmarks.gate_setting import (
    METRICS,
    RULES,
    Setting,
    make_cases,
    on_cases,
    settle,
    solved,
    try_agent,
    version,
)
from workbench.core import Case, ExpectedAnswer, Run, Waiver, digest_json
from workbench.evals import metric, regrade
from workbench.gates import Rule, Terms, describe

Change = Callable[[Setting, random.Random], Setting]


def drop_rule(at: Setting, rng: random.Random) -> Setting:
    """A rule is deleted."""
    gone = rng.randrange(len(at.rules))
    kept = tuple(rule for place, rule in enumerate(at.rules) if place != gone)
    terms = at.terms if describe(at.rules[gone]) != at.terms.waivers[0].rule else Terms(today=at.terms.today)
    return settle(replace(at, rules=kept, terms=terms))


def loosen(at: Setting, rng: random.Random) -> Setting:
    """A threshold is made easier, or a margin wider."""
    place = rng.randrange(len(at.rules) - 1)  # the last is waived by its words
    rule, share = at.rules[place], rng.uniform(0.02, 0.3)
    if rule.better_than is not None:  # can't be easier than "at all": it becomes a weaker claim
        softer = Rule(metric=rule.metric, no_worse_than=rule.better_than, margin=share)
    elif rule.at_least is not None:
        softer = rule.model_copy(update={"at_least": rule.at_least - share})
    elif rule.at_most is not None:
        softer = rule.model_copy(update={"at_most": rule.at_most * (1 + share)})
    elif rule.coverage is not None:
        softer = rule.model_copy(update={"coverage": rule.coverage - share})
    else:
        softer = rule.model_copy(update={"margin": rule.margin + share})
    return settle(replace(at, rules=(*at.rules[:place], softer, *at.rules[place + 1 :])))


def other_metric(at: Setting, rng: random.Random) -> Setting:
    """A rule is moved to a metric that is easier to meet."""
    easy = Rule(metric="answer_f1", at_least=rng.uniform(0.0, 0.3))
    place = rng.choice([0, 1, 2])
    rules = (*at.rules[:place], easy, *at.rules[place + 1 :])
    return settle(replace(at, rules=rules))


def raise_alpha(at: Setting, rng: random.Random) -> Setting:
    """More chance of a wrong decision is allowed."""
    return settle(replace(at, terms=at.terms.model_copy(update={"alpha": rng.choice([0.1, 0.2, 0.4])})))


def shop_for_seed(at: Setting, rng: random.Random) -> Setting:
    """Another seed for the tests that draw."""
    return settle(replace(at, seed=rng.randrange(2, 10_000)))


def waive_rule(at: Setting, rng: random.Random) -> Setting:
    """A rule that was not waived is."""
    rule = rng.choice(RULES[:5])
    waiver = Waiver(rule=describe(rule), owner="me", reason="later", expires=date(2027, rng.randint(1, 12), 1))
    return settle(replace(at, terms=Terms(waivers=(*at.terms.waivers, waiver), today=at.terms.today)))


def prolong_waiver(at: Setting, rng: random.Random) -> Setting:
    """A waiver counts for longer."""
    longer = at.terms.waivers[0].model_copy(update={"expires": date(2027, rng.randint(1, 12), 1)})
    return settle(replace(at, terms=Terms(waivers=(longer,), today=at.terms.today)))


def other_correction(at: Setting, _rng: random.Random) -> Setting:
    """Claims made together are corrected otherwise."""
    terms = Terms(waivers=at.terms.waivers, today=at.terms.today, correction="fixed sequence")
    return settle(replace(at, terms=terms))


def drop_hard(at: Setting, rng: random.Random) -> Setting:
    """Some of the cases that the challenger fails are dropped, and everything is evaluated again."""
    hard = [score.case_id for score in at.challenger.scores if score.metric == "task_success" and score.value == 0]
    gone = set(rng.sample(sorted(set(hard)), rng.randint(1, 5)))
    return on_cases(at, [case for case in at.cases if case.case_id not in gone])


def drop_some(at: Setting, rng: random.Random) -> Setting:
    """Some cases are dropped, whichever."""
    return on_cases(at, rng.sample(at.cases, len(at.cases) - rng.randint(1, 30)))


def accept_more(at: Setting, rng: random.Random) -> Setting:
    """What the challenger wrongly says becomes one of the right answers."""
    return on_cases(at, _changed(at, rng, lambda case: case.model_copy(update={"expected": _accepting(case)})))


def reword(at: Setting, rng: random.Random) -> Setting:
    """A request is replaced by an easier one."""
    return on_cases(at, _changed(at, rng, lambda case: case.model_copy(update={"request": f"Easy: {case.request}"})))


def split_clusters(at: Setting, rng: random.Random) -> Setting:
    """Cases that are not independent count as if they were: intervals shrink."""
    return on_cases(at, _changed(at, rng, lambda case: case.model_copy(update={"cluster": case.case_id})))


def untag(at: Setting, rng: random.Random) -> Setting:
    """Cases no longer count for what they cover."""
    return on_cases(at, _changed(at, rng, lambda case: case.model_copy(update={"tags": case.tags[:1]})))


def add_easy(at: Setting, rng: random.Random) -> Setting:
    """Many cases that the champion solves, too, are added: every mean rises."""
    easy = [case for case in make_cases(400)[80:] if solved(case, 0.5)]
    return on_cases(at, (*at.cases, *rng.sample(easy, rng.randint(10, 60))))


def fewer_repeats(at: Setting, _rng: random.Random) -> Setting:
    """Each case is tried once."""
    return on_cases(at, at.cases, repeats=1)


def other_split(at: Setting, _rng: random.Random) -> Setting:
    """It is decided on the cases that chose the candidate."""
    return on_cases(at, at.cases, split="val")


def swap_judge(at: Setting, rng: random.Random) -> Setting:
    """Something else grades, more kindly or not, in both runs."""
    name = rng.choice(["task_success", "answer_f1"])
    other = digest_json(["another judge", rng.random()])
    runs = [_header(run, graders={**run.header.graders, name: other}) for run in (at.champion, at.challenger)]
    return settle(replace(at, champion=runs[0], challenger=runs[1]))


def drop_judge(at: Setting, _rng: random.Random) -> Setting:
    """A metric is no longer measured, and its rules go with it."""
    runs = [regrade(run, at.cases, [metric("task_success")]) for run in (at.champion, at.challenger)]
    rules = tuple(rule for rule in at.rules if rule.metric != "answer_f1")
    return settle(replace(at, champion=runs[0], challenger=runs[1], rules=rules))


def weaker_champion(at: Setting, rng: random.Random) -> Setting:
    """The challenger is held against somebody who is easier to beat."""
    return settle(replace(at, champion=try_agent("champion", at.cases, share=rng.uniform(0.1, 0.4))))


def edit_verdict(at: Setting, rng: random.Random) -> Setting:
    """The verdict is edited after the fact."""
    place = rng.randrange(len(at.verdict.findings))
    finding = at.verdict.findings[place]
    field, value = rng.choice(
        [("status", "PASS"), ("estimate", 0.99), ("reason", "fine"), ("low", 0.9), ("cases", 999)]
    )
    if getattr(finding, field) == value:
        field, value = "reason", "fine"
    changed = finding.model_copy(update={field: value})
    findings = (*at.verdict.findings[:place], changed, *at.verdict.findings[place + 1 :])
    return replace(at, verdict=at.verdict.model_copy(update={"findings": findings}))


def edit_status(at: Setting, rng: random.Random) -> Setting:
    """A verdict over a failing challenger is made to say PASS."""
    bad = settle(replace(at, challenger=try_agent("challenger", at.cases, share=rng.uniform(0.2, 0.5))))
    return replace(bad, verdict=bad.verdict.model_copy(update={"status": "PASS"}))


def edit_report(at: Setting, rng: random.Random) -> Setting:
    """A line of the report is edited after the fact."""
    place = rng.randrange(len(METRICS))
    line = at.report.lines[place].model_copy(update={"estimate": 0.999})
    lines = (*at.report.lines[:place], line, *at.report.lines[place + 1 :])
    return replace(at, report=at.report.model_copy(update={"lines": lines}))


def edit_scores(at: Setting, rng: random.Random) -> Setting:
    """Scores of the challenger are raised, and report and verdict are made to fit."""
    return settle(replace(at, challenger=_scored(at.challenger, rng, 0.0, 1.0)))


def sink_champion(at: Setting, rng: random.Random) -> Setting:
    """Scores of the champion are lowered, and report and verdict are made to fit."""
    return settle(replace(at, champion=_scored(at.champion, rng, 1.0, 0.0)))


def drop_failures(at: Setting, rng: random.Random) -> Setting:
    """Failed episodes are taken out of both runs, and report and verdict are made to fit."""
    failed = sorted({s.case_id for s in at.challenger.scores if s.metric == "task_success" and s.value == 0})
    gone = set(rng.sample(failed, rng.randint(1, len(failed))))
    return settle(replace(at, champion=_without(at.champion, gone), challenger=_without(at.challenger, gone)))


def stale(at: Setting, rng: random.Random) -> Setting:
    """The suite has moved on, and the runs are of what it was."""
    cases = _changed(at, rng, lambda case: case.model_copy(update={"request": f"{case.request} Now?"}))
    return replace(at, cases=tuple(cases), evalset=version(cases))


def other_run(at: Setting, rng: random.Random) -> Setting:
    """The verdict is of one run, and another one is shown."""
    return replace(at, challenger=try_agent("challenger", at.cases, share=rng.uniform(0.3, 0.8)))


def forge_episodes(at: Setting, rng: random.Random) -> Setting:
    """What the agent said is replaced by what is right, and everything after it is made to fit."""
    right = {case.case_id: case.expected.ideal() for case in at.cases}
    chosen = set(rng.sample(sorted(right), 10))
    episodes = tuple(
        episode.model_copy(update={"prediction": right[episode.case_id]}) if episode.case_id in chosen else episode
        for episode in at.challenger.episodes
    )
    metrics = [metric(name) for name in at.challenger.header.metrics]
    forged = regrade(at.challenger.model_copy(update={"episodes": episodes}), at.cases, metrics)
    return settle(replace(at, challenger=forged))


WEAKENINGS: Mapping[str, Sequence[tuple[Change, int]]] = {
    "rules": ((drop_rule, 6), (loosen, 12), (other_metric, 4)),
    "terms": ((raise_alpha, 3), (shop_for_seed, 4), (waive_rule, 5), (prolong_waiver, 3), (other_correction, 1)),
    "suite": (
        *((drop_hard, 8), (drop_some, 6), (accept_more, 5), (reword, 4), (split_clusters, 5), (untag, 4)),
        *((add_easy, 4), (fewer_repeats, 1), (other_split, 1)),
    ),
    "judges": ((swap_judge, 6), (drop_judge, 1), (weaker_champion, 5)),
    "evidence": (
        *((edit_verdict, 8), (edit_status, 4), (edit_report, 4), (edit_scores, 6), (sink_champion, 4)),
        *((drop_failures, 5), (stale, 4), (other_run, 4), (forge_episodes, 4)),
    ),
}
"""Each change with how many seeded ones of it are tried."""


def same(at: Setting, _rng: random.Random) -> Setting:
    """Everything is evaluated once more."""
    return on_cases(at, at.cases)


def reorder_rules(at: Setting, rng: random.Random) -> Setting:
    """The same rules in another order."""
    return settle(replace(at, rules=tuple(rng.sample(at.rules, len(at.rules)))))


def tighten(at: Setting, rng: random.Random) -> Setting:
    """A threshold is made harder."""
    at_least = rng.uniform(0.61, 0.8)
    harder = {
        1: at.rules[1].model_copy(update={"at_least": at_least}),
        2: at.rules[2].model_copy(update={"margin": 0.02}),
    }
    place = rng.choice([1, 2])
    return settle(replace(at, rules=(*at.rules[:place], harder[place], *at.rules[place + 1 :])))


def add_rule(at: Setting, rng: random.Random) -> Setting:
    """One more rule."""
    return settle(replace(at, rules=(*at.rules, Rule(metric="answer_f1", at_least=rng.uniform(0.1, 0.7)))))


def lower_alpha(at: Setting, rng: random.Random) -> Setting:
    """Less chance of a wrong decision is allowed."""
    return settle(replace(at, terms=at.terms.model_copy(update={"alpha": rng.uniform(0.01, 0.04)})))


def end_waiver(at: Setting, rng: random.Random) -> Setting:
    """A waiver is taken back, or ends earlier."""
    shorter = at.terms.waivers[0].model_copy(update={"expires": date(2026, 12, rng.randint(1, 30))})
    waivers = rng.choice([(), (shorter,)])
    return settle(replace(at, terms=Terms(waivers=waivers, today=at.terms.today)))


def reorder_cases(at: Setting, rng: random.Random) -> Setting:
    """The same cases in another order, tried again."""
    return on_cases(at, rng.sample(at.cases, len(at.cases)))


def add_hard(at: Setting, rng: random.Random) -> Setting:
    """Cases that the champion fails are added."""
    hard = [case for case in make_cases(400)[80:] if not solved(case, 0.5)]
    return on_cases(at, (*at.cases, *rng.sample(hard, rng.randint(1, 20))))


def add_tag(at: Setting, rng: random.Random) -> Setting:
    """Cases count for one thing more."""
    return on_cases(at, _changed(at, rng, lambda case: case.model_copy(update={"tags": (*case.tags, "policy:new")})))


def more_repeats(at: Setting, _rng: random.Random) -> Setting:
    """Each case is tried more often."""
    return on_cases(at, at.cases, repeats=3)


def better_challenger(at: Setting, rng: random.Random) -> Setting:
    """Another candidate, or a worse one: that is what a gate is for."""
    return settle(replace(at, challenger=try_agent("challenger", at.cases, share=rng.uniform(0.3, 0.99))))


def regrade_all(at: Setting, _rng: random.Random) -> Setting:
    """Both runs are graded once more by the same graders."""
    graders = [metric(name) for name in METRICS]
    runs = [regrade(run, at.cases, graders) for run in (at.champion, at.challenger)]
    return settle(replace(at, champion=runs[0], challenger=runs[1]))


HARMLESS: Sequence[tuple[Change, int]] = (
    *((same, 1), (reorder_rules, 3), (tighten, 4), (add_rule, 3), (lower_alpha, 3), (end_waiver, 3)),
    *((reorder_cases, 3), (add_hard, 4), (add_tag, 3), (more_repeats, 1), (better_challenger, 3), (regrade_all, 1)),
)


def _changed(at: Setting, rng: random.Random, change: Callable[[Case], Case]) -> list[Case]:
    """The cases with one to eight of them changed."""
    chosen = set(rng.sample(range(len(at.cases)), rng.randint(1, 8)))
    return [change(case) if place in chosen else case for place, case in enumerate(at.cases)]


def _accepting(case: Case) -> ExpectedAnswer:
    assert isinstance(case.expected, ExpectedAnswer), "make_cases makes no other"
    return ExpectedAnswer(answers=(*case.expected.answers, "no idea"))


def _header(run: Run, *, graders: dict[str, str]) -> Run:
    return run.model_copy(update={"header": run.header.model_copy(update={"graders": graders})})


def _scored(run: Run, rng: random.Random, before: float, after: float) -> Run:
    """One to ten scores changed from one value to another."""
    places = [n for n, s in enumerate(run.scores) if s.metric == "task_success" and s.value == before]
    chosen = set(rng.sample(places, rng.randint(1, min(10, len(places)))))
    scores = tuple(s.model_copy(update={"value": after}) if n in chosen else s for n, s in enumerate(run.scores))
    return run.model_copy(update={"scores": scores})


def _without(run: Run, gone: set[str]) -> Run:
    return run.model_copy(
        update={
            "episodes": tuple(e for e in run.episodes if e.case_id not in gone),
            "scores": tuple(s for s in run.scores if s.case_id not in gone),
            "clusters": {key: value for key, value in run.clusters.items() if key not in gone},
            "tags": {key: value for key, value in run.tags.items() if key not in gone},
        }
    )
