"""Does a verdict follow from its evidence? Everything is computed once more and held against what is said.

A report can be edited after the fact, scores can be edited before it, a run can be of an older suite. What was
graded by code is graded again from the episodes; what a judge said can't be had again without asking it, so its
scores are taken as they are. Not seen is an edit of the episodes themselves: nothing here says what an agent did
but they; keep them where those who want a release can't write.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from pydantic import Field

from workbench.core import Case, EvalSet, Record, Report, Run, Score, Verdict, WorkbenchError, digest_json, short
from workbench.evals import METRICS, Metric, bind_metrics, regrade, summarize
from workbench.gates.early import may_stop
from workbench.gates.evidence import Match
from workbench.gates.gate import check
from workbench.gates.guard import Alarm
from workbench.gates.rule import Rule
from workbench.gates.waiver import Terms


class Presented(Record):
    """What is put forward for a release."""

    rules: tuple[Rule, ...]
    terms: Terms = Terms()
    challenger: Run
    champion: Run
    suites: dict[str, Match] = Field(default_factory=dict)
    """The runs on each suite, by its name."""
    verdict: Verdict
    report: Report | None = None
    """Of the challenger, if one is shown."""


def contradictions(
    presented: Presented,
    cases: Sequence[Case],
    *,
    evalset_digest: str,
    suites: Mapping[str, EvalSet] = MappingProxyType({}),
) -> tuple[Alarm, ...]:
    """Where what is said does not follow from what lies before us; empty if all of it does.

    `cases` are those of the split as it is today, `evalset_digest` is its version; `suites` are the suites as they are.
    """
    match = Match(champion=presented.champion, challenger=presented.challenger)
    found = [*_held(match, cases, evalset_digest, early=may_stop(presented.rules))]
    for name, suite in suites.items():
        if name not in presented.suites:
            found.append(f"suite {name!r} was not tried: evaluate anew")
            continue
        problems = _held(presented.suites[name], suite.test, suite.digest, early=False)
        found.extend(f"suite {name!r}: {problem}" for problem in problems)
    return tuple(Alarm(about="evidence", what=what) for what in (*found, *_said(presented)))


def _held(match: Match, cases: Sequence[Case], evalset_digest: str, *, early: bool) -> Iterator[str]:
    """Two runs against the cases they should be of; `early` says that the challenger's may be a part."""
    yield from _stale(match.challenger, cases, evalset_digest, partly=early)
    yield from _stale(match.champion, cases, evalset_digest, partly=False)
    for run in (match.challenger, match.champion):
        yield from _scores(run, cases)


def _stale(run: Run, cases: Sequence[Case], evalset_digest: str, *, partly: bool) -> Iterator[str]:
    name = f"the run of {run.header.agent!r}"
    if run.header.evalset_digest != evalset_digest:
        versions = f"{short(run.header.evalset_digest)}, and the suite is {short(evalset_digest)}"
        yield f"{name} is of eval set {versions}: evaluate anew"
    clusters = {case.case_id: case.cluster for case in cases}
    if (missing := sorted(clusters.keys() - run.clusters.keys())) and not partly:
        yield f"{name} did not try {len(missing)} of {len(clusters)} cases, for instance {missing[0]!r}"
    if foreign := sorted(run.clusters.keys() - clusters.keys()):
        yield f"{name} tried {len(foreign)} cases that the suite does not have, for instance {foreign[0]!r}"
    moved = sorted(key for key in run.clusters if key in clusters and run.clusters[key] != clusters[key])
    if moved:
        yield f"{name} counts case {moved[0]!r} in another cluster than the suite"


def _scores(run: Run, cases: Sequence[Case]) -> Iterator[str]:
    """Scores that the graders of today, where they are the ones that judged, would not give."""
    name = f"the run of {run.header.agent!r}"
    metrics = [metric for metric in _graders(run) if run.header.graders.get(metric.name) == metric.digest]
    known = {case.case_id for case in cases}
    if metrics and {episode.case_id for episode in run.episodes} <= known:
        yield from _regraded(run, cases, metrics, name)
    keys = [(score.case_id, score.repeat, score.metric) for score in run.scores]
    tried = {(episode.case_id, episode.repeat) for episode in run.episodes}
    wanted = {(case_id, repeat, metric) for case_id, repeat in tried for metric in run.header.metrics}
    if len(set(keys)) < len(keys):
        yield f"{name} has a score twice"
    if set(keys) != wanted:
        yield f"{name} has {len(set(keys))} scores and not the {len(wanted)} that its episodes and metrics ask for"


def _graders(run: Run) -> Sequence[Metric]:
    # Without the catalogue `schema_valid` is another grader; its digest says so, and it is left out.
    return bind_metrics([metric for metric in run.header.metrics if metric in METRICS], None)


def _regraded(run: Run, cases: Sequence[Case], metrics: Sequence[Metric], name: str) -> Iterator[str]:
    try:
        again = regrade(run, cases, metrics)
    except WorkbenchError as problem:
        yield f"{name} can't be graded again: {problem}"
        return
    right = {_key(score): score.value for score in again.scores}
    wrong = [score for score in run.scores if _key(score) in right and not _same(score.value, right[_key(score)])]
    if wrong:
        first = wrong[0]
        yield (
            f"{name} has {len(wrong)} scores that its graders do not give, for instance {first.metric} of case "
            f"{first.case_id!r}: {first.value} and not {right[_key(first)]}"
        )


def _said(presented: Presented) -> Iterator[str]:
    """What verdict and report say, against what follows from the runs."""
    said = presented.verdict
    try:
        again = check(
            presented.rules,
            challenger=presented.challenger,
            champion=presented.champion,
            seed=said.seed,
            terms=presented.terms,
            suites=presented.suites,
        )
    except WorkbenchError as problem:
        yield f"no verdict follows from these runs and rules: {problem}"
    else:
        if again.digest != digest_json(said.model_dump(mode="json")):
            words = f"the verdict says {said.words}, and what follows is another one: {again.words}"
            yield f"{words} ({_differ(said, again)})"
    shown = presented.report
    if shown is not None and digest_json(shown.model_dump(mode="json")) != summarize(presented.challenger).digest:
        yield "the report is not the one that follows from the challenger's run"


def _differ(said: Verdict, again: Verdict) -> str:
    """The first field in which two verdicts differ."""
    old, new = said.model_dump(mode="json"), again.model_dump(mode="json")
    field = next(name for name in old if old[name] != new[name])
    return f"they differ in {field}"


def _key(score: Score) -> tuple[str, int, str]:
    return score.case_id, score.repeat, score.metric


def _same(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and math.isclose(one, other, abs_tol=1e-12))
