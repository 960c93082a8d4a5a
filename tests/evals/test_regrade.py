"""Grading anew what was tried."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from workbench.core import (
    BudgetExceeded,
    Case,
    ConfigError,
    Episode,
    EvaluationError,
    ExpectedAnswer,
    LMError,
    Prediction,
    Run,
    Score,
)
from workbench.evals import EvaluationRequest, compare, evaluate, metric
from workbench.evals.regrade import grade, regrade

CASES = [
    Case(case_id=f"c{n}", request=f"{n}", expected=ExpectedAnswer(answers=("3 or 4",)), cluster=f"k{n}", tags=("t",))
    for n in range(6)
]


@dataclass
class Counting:
    """Answers with the request, counts its calls, and breaks where it is told to."""

    broken: frozenset[str] = frozenset()
    calls: list[str] = field(default_factory=list)

    def __call__(self, request: str) -> Prediction:
        self.calls.append(request)
        if request in self.broken:
            raise LMError("down")
        return Prediction(answer=request)


@dataclass(frozen=True)
class Judge:
    """A grader with a digest of its own."""

    digest: str
    value: float | None = 0.5
    name: str = "judge"

    def __call__(self, case: Case, episode: Episode) -> Score:
        if self.digest == "broken":
            raise ZeroDivisionError("oh")
        if self.digest == "poor":
            raise BudgetExceeded("budget 'calls': is used up")
        return Score(case_id=case.case_id, repeat=episode.repeat, metric=self.name, value=self.value)


def _request(*metrics: str, **changes: object) -> EvaluationRequest:
    plain = {"agent": "a", "agent_digest": "1", "evalset_digest": "2", "split": "val", "metrics": metrics}
    return EvaluationRequest.model_validate({**plain, **changes})


def _timeless(run: Run) -> object:
    return [one.model_copy(update={"milliseconds": 0.0}) for one in run.episodes], run.scores, run.header


def _lines(folder: Path) -> list[bytes]:
    return (folder / "episodes.jsonl").read_bytes().splitlines()


def test_other_graders_judge_the_same_episodes_and_the_agent_is_not_asked() -> None:
    """The run is that of an evaluation with these graders; what judged before is gone."""
    old = evaluate(Counting(), CASES, request=_request("answer_exact", repeats=2))
    new = regrade(old, CASES[::-1], [metric("answer_f1")])

    assert old.episodes == new.episodes
    assert ("answer_f1",) == new.header.metrics
    assert {"answer_f1": metric("answer_f1").digest} == new.header.graders
    assert _timeless(evaluate(Counting(), CASES, request=_request("answer_f1", repeats=2))) == _timeless(new)


def test_a_baseline_can_be_compared_again_once_it_is_graded_anew() -> None:
    """The new metric is in both runs, judged by one grader."""
    baseline = evaluate(Counting(), CASES, request=_request("answer_exact"))
    challenger = evaluate(lambda _: Prediction(answer="3 or 4"), CASES, request=_request("answer_f1"))
    with pytest.raises(EvaluationError, match="has no metric 'answer_f1'"):
        compare(baseline, challenger, "answer_f1")
    regraded = regrade(baseline, CASES, [metric("answer_f1")])

    assert regraded.header.graders == challenger.header.graders
    assert 6 == compare(regraded, challenger, "answer_f1").better


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        (CASES[1:], "'c0' .*: is not among the cases given"),
        ([CASES[0].model_copy(update={"cluster": "other"}), *CASES[1:]], "'c0' .*: has another cluster"),
        ([CASES[0].model_copy(update={"tags": ()}), *CASES[1:]], "'c0' .*: has another cluster or other tags"),
    ],
)
def test_other_cases_than_those_of_the_run_are_refused(cases: list[Case], message: str) -> None:
    """Grading against another case would say nothing of what was tried."""
    run = evaluate(Counting(), CASES, request=_request("answer_exact"))

    with pytest.raises(EvaluationError, match=message):
        regrade(run, cases, [metric("answer_f1")])


def test_no_grader_is_refused() -> None:
    """A run without scores would look measured."""
    run = evaluate(Counting(), CASES, request=_request("answer_exact"))

    with pytest.raises(EvaluationError, match="there is no metric to grade it anew"):
        regrade(run, CASES, [])


def test_a_grader_that_breaks_leaves_a_reason_and_a_used_up_budget_stops() -> None:
    """Its fault is nobody else's, and money is not a fault."""
    episode = Episode(case_id="c0", prediction=Prediction(answer="x"), milliseconds=0)
    scores = grade(CASES[0], episode, [Judge("broken"), Judge("fine", name="second")])

    assert [(None, "grader: metric 'judge': ZeroDivisionError: oh"), (0.5, "")] == [(s.value, s.reason) for s in scores]
    with pytest.raises(BudgetExceeded):
        grade(CASES[0], episode, [Judge("poor")])


def test_a_journal_under_other_graders_is_kept_and_graded_anew(tmp_path: Path) -> None:
    """No call to the agent; the run is that of a fresh one; the next call has nothing left to do."""
    first = evaluate(Counting(), CASES, request=_request("answer_exact"), journal=tmp_path)
    agent = Counting()
    second = evaluate(agent, CASES, request=_request("answer_f1", "answer_exact"), journal=tmp_path)
    graded = _lines(tmp_path)
    again = evaluate(agent, CASES, request=_request("answer_f1", "answer_exact"), journal=tmp_path)

    assert [] == agent.calls
    assert first.episodes == second.episodes
    assert 12 == len(second.scores)
    assert second == again
    assert graded == _lines(tmp_path)


def test_a_grader_whose_code_changed_grades_anew(tmp_path: Path) -> None:
    """The name stays and the digest differs: scores of the old code do not stand."""
    old = evaluate(Counting(), CASES, request=_request("judge"), graders=[Judge("old", 0.25)], journal=tmp_path)
    agent = Counting()
    new = evaluate(agent, CASES, request=_request("judge"), graders=[Judge("new", 0.75)], journal=tmp_path)

    assert ({0.25}, {0.75}) == (set(old.values("judge").values()), set(new.values("judge").values()))
    assert [] == agent.calls


def test_other_graders_than_the_request_names_are_refused() -> None:
    """Before anybody is asked."""
    agent = Counting()
    with pytest.raises(EvaluationError, match="is to be graded by answer_exact, and was given judge; bind those"):
        evaluate(agent, CASES, request=_request("answer_exact"), graders=[Judge("other")])

    assert [] == agent.calls


def test_cases_that_are_not_asked_for_now_are_kept_for_later(tmp_path: Path) -> None:
    """A regrade of some cases loses none of the others."""
    evaluate(Counting(), CASES, request=_request("answer_exact"), journal=tmp_path)
    agent = Counting()
    some = evaluate(agent, CASES[:2], request=_request("answer_f1"), journal=tmp_path)
    every = evaluate(agent, CASES, request=_request("answer_f1"), journal=tmp_path)

    assert [] == agent.calls
    assert (2, 6) == (len(some.scores), len(every.scores))
    assert Counter({"answer_f1": 6}) == Counter(score.metric for score in every.scores)


def test_what_the_infrastructure_broke_is_tried_again_also_under_other_graders(tmp_path: Path) -> None:
    """It was no attempt of the agent, so there is nothing to grade."""
    evaluate(Counting(frozenset("3")), CASES, request=_request("answer_exact"), journal=tmp_path)
    agent = Counting()
    run = evaluate(agent, CASES, request=_request("answer_f1"), journal=tmp_path)

    assert ["3"] == agent.calls
    assert all(value is not None for value in run.values("answer_f1").values())


@pytest.mark.parametrize(
    "change",
    [{"agent_digest": "x"}, {"agent": "x"}, {"evalset_digest": "x"}, {"split": "test"}, {"source": "x"}],
    ids=lambda change: next(iter(change)),
)
def test_any_other_difference_is_still_refused(change: dict[str, str], tmp_path: Path) -> None:
    """Whether or not the graders changed, too; and the journal stays as it is."""
    evaluate(Counting(), CASES, request=_request("answer_exact"), journal=tmp_path)
    before = _lines(tmp_path)
    for name in ("answer_exact", "answer_f1"):
        with pytest.raises(EvaluationError, match="does not belong to this run"):
            evaluate(Counting(), CASES, request=_request(name, **change), journal=tmp_path)

    assert before == _lines(tmp_path)


def test_an_unknown_metric_leaves_the_journal_as_it_is(tmp_path: Path) -> None:
    """It is refused before anything is touched."""
    evaluate(Counting(), CASES, request=_request("answer_exact"), journal=tmp_path)
    before = _lines(tmp_path)
    with pytest.raises(ConfigError):
        evaluate(Counting(), CASES, request=_request("answer_f2"), journal=tmp_path)

    assert before == _lines(tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_regrade import CASES, Counting, _request
from workbench.evals import evaluate
from workbench.evals.journal import Journal

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

append, appended = Journal.append, []
def two(journal, line):
    if len(appended) == 2:
        die()
    appended.append(line)
    append(journal, line)

if {where!r} == "replace":
    os.replace = die
else:
    Journal.append = two
evaluate(Counting(), CASES, request=_request("answer_f1", workers=1), journal=Path({journal!r}))
"""


@pytest.mark.parametrize(("where", "graded"), [("replace", 6), ("append", 2)])
def test_a_kill_while_the_journal_is_graded_anew_loses_nothing(where: str, graded: int, tmp_path: Path) -> None:
    """Just before the new file takes the old one's place, and after two of six new grades: no episode is lost."""
    before = evaluate(Counting(), CASES, request=_request("answer_exact"), journal=tmp_path)
    code = KILLED.format(folder=str(Path(__file__).parent), where=where, journal=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ}, check=False)
    scored = [line for line in map(json.loads, _lines(tmp_path)[1:]) if line["scores"]]
    agent = Counting()
    run = evaluate(agent, CASES, request=_request("answer_f1"), journal=tmp_path)

    assert -signal.SIGKILL == done.returncode
    assert graded == len(scored)
    assert [] == agent.calls
    assert before.episodes == run.episodes
