"""Trying agents on cases."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from pathlib import Path

import pytest

from workbench.core import (
    AgentError,
    BudgetExceeded,
    Case,
    ConfigError,
    DataError,
    EvaluationError,
    ExpectedAnswer,
    ExpectedCall,
    LMError,
    Prediction,
    Run,
    ToolCall,
    ToolSpec,
    read_run,
    write_run,
)
from workbench.evals import EvaluationRequest, evaluate
from workbench.evals.clock import timed_by

CASES = [
    Case(case_id=f"c{n}", request=f"{n}", expected=ExpectedAnswer(answers=(f"{n}",)), cluster=f"k{n % 3}", tags=("t",))
    for n in range(12)
]


def _request(**changes: object) -> EvaluationRequest:
    plain = {"agent": "a", "agent_digest": "1", "evalset_digest": "2", "split": "val", "metrics": ("answer_exact",)}
    return EvaluationRequest.model_validate({**plain, **changes})


def echo(request: str) -> Prediction:
    """Answers with the request, which is right; later cases sooner, so that threads overtake each other."""
    time.sleep((12 - int(request)) / 1000)
    return Prediction(answer=request)


class Counting:
    """An agent that counts its calls, and fails on chosen requests."""

    def __init__(self, failures: dict[str, BaseException] | None = None) -> None:
        self.calls: list[str] = []
        self.failures = failures or {}

    def __call__(self, request: str) -> Prediction:
        self.calls.append(request)
        if request in self.failures:
            raise self.failures[request]
        return Prediction(answer=request)


def _timeless(run: Run) -> object:
    return [episode.model_copy(update={"milliseconds": 0.0}) for episode in run.episodes], run.scores, run.header


def test_the_run_is_in_the_order_of_the_cases_whatever_the_threads(tmp_path: Path) -> None:
    """One thread and four give the same run, and it survives being written and read."""
    one = evaluate(echo, CASES, request=_request(workers=1, repeats=2))
    four = evaluate(echo, CASES, request=_request(workers=4, repeats=2), journal=tmp_path / "journal")
    write_run(tmp_path / "run", four)

    assert [(f"c{n}", repeat) for n in range(12) for repeat in (0, 1)] == [(e.case_id, e.repeat) for e in four.episodes]
    assert _timeless(one) == _timeless(four)
    assert four == read_run(tmp_path / "run")
    assert {1.0} == set(four.values("answer_exact").values())


@pytest.mark.parametrize(
    ("error", "blame", "kind", "value"),
    [
        (AgentError("step limit"), "agent", "AgentError", 0.0),
        (LMError("no answer"), "infrastructure", "LMError", None),
        (DataError("no document"), "data", "DataError", None),
        (ZeroDivisionError("oh"), "infrastructure", "ZeroDivisionError", None),
    ],
)
def test_a_failed_episode_is_data_and_blame_decides(
    error: Exception, blame: str, kind: str, value: float | None
) -> None:
    """The other cases are tried all the same."""
    run = evaluate(Counting({"3": error}), CASES, request=_request())
    failure = run.episodes[3].failure

    assert failure is not None
    assert (blame, kind, str(error)) == (failure.blame, failure.kind, failure.message)
    assert [1.0, value] == [run.values("answer_exact")[name, 0] for name in ("c2", "c3")]


@pytest.mark.parametrize("stop", [BudgetExceeded("budget 'calls': is used up"), KeyboardInterrupt()])
def test_what_stops_an_evaluation_keeps_what_is_finished(stop: BaseException, tmp_path: Path) -> None:
    """A used-up budget or a person stops it; the next call tries only what is missing."""
    first, second = Counting({"6": stop}), Counting()
    with pytest.raises(type(stop)):
        evaluate(first, CASES, request=_request(workers=1), journal=tmp_path)
    run = evaluate(second, CASES, request=_request(workers=1), journal=tmp_path)

    assert [case.request for case in CASES[:7]] == first.calls
    assert [case.request for case in CASES[6:]] == second.calls
    assert [case.case_id for case in CASES] == [episode.case_id for episode in run.episodes]


def test_a_person_who_stops_it_loses_nothing_under_way(tmp_path: Path) -> None:
    """An interrupt on the caller's thread: the episodes that other threads are in are finished and kept."""
    begun: list[str] = []

    def slow(request: str) -> Prediction:
        begun.append(request)
        time.sleep(0.05)
        return Prediction(answer=request)

    def interrupt(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(slow, CASES, request=_request(workers=2), journal=tmp_path, on_case=interrupt)
    lines = (tmp_path / "episodes.jsonl").read_text().splitlines()[1:]

    assert 3 < len(begun) < len(CASES)
    assert sorted(begun) == sorted(json.loads(line)["episode"]["case_id"][1:] for line in lines)


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_runner import CASES, _request
from workbench.core import Prediction
from workbench.evals import evaluate

def slow(request):
    time.sleep(0.03)
    return Prediction(answer=request)

evaluate(slow, CASES, request=_request(workers=1), journal=Path({journal!r}))
"""


def test_a_killed_process_repeats_no_finished_case(tmp_path: Path) -> None:
    """Kill -9 after some lines, then half a line: the rest is tried, and the run is that of an undisturbed one."""
    journal = tmp_path / "episodes.jsonl"
    code = KILLED.format(folder=str(Path(__file__).parent), journal=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", code])
    waited = time.monotonic()
    while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
        assert process.poll() is None
        assert time.monotonic() - waited < 60
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = journal.read_bytes().count(b"\n") - 1
    with journal.open("ab") as file:
        file.write(b'{"episode":{"case_id":"c11","mil')
    agent, again = Counting(), Counting()
    run = evaluate(agent, CASES, request=_request(), journal=tmp_path)

    assert run == evaluate(again, CASES, request=_request(), journal=tmp_path)
    assert [] == again.calls
    assert 3 <= finished < len(CASES)
    assert len(CASES) - finished == len(agent.calls)
    assert _timeless(evaluate(echo, CASES, request=_request())) == _timeless(run)


def test_what_is_finished_is_in_the_journal_before_its_thread_goes_on(tmp_path: Path) -> None:
    """However slow the caller's thread is: a kill costs at most what threads are in."""
    behind: list[int] = []
    begun: list[str] = []

    def look(request: str) -> Prediction:
        begun.append(request)
        behind.append(len(begun) - (tmp_path / "episodes.jsonl").read_bytes().count(b'"case_id"') // 2)
        return Prediction(answer=request)

    evaluate(look, CASES, request=_request(), journal=tmp_path, on_case=lambda _done, _total: time.sleep(0.01))

    assert len(CASES) == len(behind)
    assert max(behind) <= 2


def test_episodes_are_timed_by_the_clock_in_force() -> None:
    """Scripted clocks make the same bytes on every thread; outside, the machine's clock is back."""
    now = threading.local()

    def clock() -> float:
        return float(getattr(now, "seconds", 0.0))

    def waits(request: str) -> Prediction:
        now.seconds = clock() + int(request)
        return Prediction(answer=request)

    with timed_by(clock):
        one, two = (evaluate(waits, CASES, request=_request(workers=workers)) for workers in (1, 3))
    after = evaluate(echo, CASES[11:], request=_request())

    assert [1000.0 * n for n in range(12)] == [episode.milliseconds for episode in two.episodes]
    assert one.digest == two.digest
    assert 0 < after.episodes[0].milliseconds < 10_000


def test_a_failed_infrastructure_is_tried_again_and_an_agent_s_failure_is_not(tmp_path: Path) -> None:
    """A second call with the same journal repairs what the first could not measure."""
    broken = Counting({"1": LMError("down"), "2": AgentError("step limit")})
    evaluate(broken, CASES, request=_request(), journal=tmp_path)
    repaired = Counting()
    run = evaluate(repaired, CASES, request=_request(), journal=tmp_path)

    assert ["1"] == repaired.calls
    assert [1.0, 0.0] == [run.values("answer_exact")[name, 0] for name in ("c1", "c2")]


def test_a_journal_of_another_run_is_refused(tmp_path: Path) -> None:
    """Another agent, and a damaged line in the middle, end with words."""
    evaluate(echo, CASES[:3], request=_request(), journal=tmp_path)
    with pytest.raises(EvaluationError, match="does not belong to this run of 'a'"):
        evaluate(echo, CASES[:3], request=_request(agent_digest="other"), journal=tmp_path)
    path = tmp_path / "episodes.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"episode"', b'{"epis', 1))
    with pytest.raises(EvaluationError, match=r"episodes.jsonl:2\): the line is damaged"):
        evaluate(echo, CASES[:3], request=_request(), journal=tmp_path)


def test_a_journal_that_can_not_be_written_is_an_error_for_a_person(tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(EvaluationError, match="can't be written"):
        evaluate(echo, CASES, request=_request(), journal=tmp_path / "file")


def test_progress_is_told_once_per_case_on_the_caller_s_thread(tmp_path: Path) -> None:
    """A resumed evaluation begins at what is already there."""
    evaluate(echo, CASES[:5], request=_request(), journal=tmp_path)
    told: list[tuple[int, int, int]] = []
    evaluate(
        echo,
        CASES,
        request=_request(workers=3),
        journal=tmp_path,
        on_case=lambda done, total: told.append((done, total, threading.get_ident())),
    )

    assert [(done, 12, threading.get_ident()) for done in range(5, 13)] == told


COLOUR: ContextVar[str] = ContextVar("colour", default="none")


def test_threads_see_the_caller_s_context() -> None:
    """Context variables, and so the scopes of the ledger, are inherited."""
    token = COLOUR.set("green")
    run = evaluate(lambda _request: Prediction(answer=COLOUR.get()), CASES, request=_request(workers=3))
    COLOUR.reset(token)

    assert {"green"} == {episode.prediction.answer for episode in run.episodes if episode.prediction}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_prediction_that_json_can_not_hold_is_the_agent_s_fault(number: float) -> None:
    """NaN or half a surrogate pair would make the run unreadable."""
    call = {"tool_id": "t", "name": "t", "arguments": {"x": number}}
    run = evaluate(lambda _: Prediction.model_validate({"call": call}), CASES[:1], request=_request())
    half = evaluate(lambda _: Prediction(answer="\ud800"), CASES[:1], request=_request())

    for failed in (run, half):
        failure = failed.episodes[0].failure
        assert failure is not None
        assert ("agent", "NotJson", 0.0) == (failure.blame, failure.kind, failed.scores[0].value)
        assert 64 == len(failed.digest)


def test_what_can_not_begin_says_why() -> None:
    """No case, a case twice, an unknown metric, an agent that returns something else."""
    with pytest.raises(EvaluationError, match="there is no case in split 'val'"):
        evaluate(echo, [], request=_request())
    with pytest.raises(EvaluationError, match="a case comes twice"):
        evaluate(echo, [CASES[0], CASES[0]], request=_request())
    with pytest.raises(ConfigError, match='did you mean "answer_exact"'):
        evaluate(echo, CASES, request=_request(metrics=("anser_exact",)))
    with pytest.raises(EvaluationError, match="the agent returned str; it must return a Prediction"):
        evaluate(str, CASES, request=_request())  # type: ignore[arg-type]


def test_a_metric_that_breaks_is_the_grader_s_fault() -> None:
    """A tool whose schema is none can't be judged: unscored, with the reason, and the episode stands."""
    tool = ToolSpec(name="f", parameters={"properties": {"x": {"type": "colour"}}})
    case = Case(case_id="c", request="?", expected=ExpectedCall(tool=tool, arguments={}), cluster="k")
    call = ToolCall(tool_id="f#1", name="f", arguments={})
    run = evaluate(lambda _: Prediction(call=call), [case], request=_request(metrics=("schema_valid", "tool_choice")))

    assert [None, 1.0] == [score.value for score in run.scores]
    assert run.scores[0].reason.startswith("grader: metric 'schema_valid': ValidationError")
