"""Try an agent on cases: every case is one episode, and a failed episode is data, not a crash.

The only thread pool of the project. A failure is somebody's: the agent's scores 0.0, everybody else's is
unscored. What stops an evaluation is a budget that is used up, a person, or an agent that is none; then what
is finished or still under way is kept in the journal, and the next call goes on from there. It tries again what
failed by the infrastructure's or a simulator's fault: that was no attempt of the agent.
"""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import Field

from workbench.core import (
    AgentError,
    Blame,
    BudgetExceeded,
    Case,
    DataError,
    Episode,
    EvaluationError,
    Failure,
    Prediction,
    Record,
    Run,
    RunHeader,
    Split,
    Usage,
    WorkbenchError,
    boundary,
)
from workbench.evals.clock import now
from workbench.evals.journal import Entry, Journal, encode, open_journal
from workbench.evals.metric import Metric, bind_metrics
from workbench.evals.regrade import grade
from workbench.evals.scenario import CaseAgent
from workbench.evals.users import SimulatorError


class Agent(Protocol):
    """What can be evaluated."""

    def __call__(self, request: str) -> Prediction:
        """Answer one request."""
        ...


class EvaluationRequest(Record):
    """What is evaluated on what; everything but `workers` and `repeats` becomes the run's header."""

    agent: str
    """Name for people, for instance "baseline"."""
    agent_digest: str
    evalset_digest: str
    split: Split
    metrics: tuple[str, ...] = Field(min_length=1)
    repeats: int = Field(default=1, ge=1)
    """Episodes per case."""
    workers: int = Field(default=2, ge=1)
    """Threads; they change how long it takes and nothing else."""
    source: str = ""
    """How the episodes come about, for the figures' label: the language model's name, "scripted", "simulated"."""

    def header(self, graders: Sequence[Metric]) -> RunHeader:
        """What the run will rest on."""
        return RunHeader(
            agent=self.agent,
            agent_digest=self.agent_digest,
            evalset_digest=self.evalset_digest,
            split=self.split,
            metrics=self.metrics,
            graders={grader.name: grader.digest for grader in graders},
            source=self.source,
        )


def evaluate(
    agent: Agent,
    cases: Sequence[Case],
    *,
    request: EvaluationRequest,
    graders: Sequence[Metric] | None = None,
    journal: Path | None = None,
    on_case: Callable[[int, int], None] | None = None,
) -> Run:
    """Try every case and score it; the run is in the order of the cases, whatever the number of threads.

    `graders` are the metrics that the request names, in its order, bound to what they look things up in by
    `bind_metrics`; without them they are bound to nothing. `journal` is a folder in which every finished episode
    is kept; those found there are not tried again, so a longer or shorter list of cases of the same split may
    follow, and where the metrics changed they are only graded anew. `on_case` is told how many episodes of how many
    are done, on the caller's thread. Episodes are timed by the clock of `timed_by`, else by the machine's.

    Raises: EvaluationError if there is no case, a case comes twice, the graders are not those that the request names,
    the journal belongs to another run or the agent returns no Prediction; ConfigError for an unknown metric;
    BudgetExceeded when the budget is used up.
    """
    tries = _tries(cases, request)
    graders = bind_metrics(request.metrics, None) if graders is None else _asked_for(graders, request)
    header = request.header(graders)
    with _open(journal, header) as kept:
        entries = {} if kept is None else {key: entry for key, entry in kept.entries.items() if _stands(entry)}
        work = _left(tries, entries)
        progress = _Progress(on_case, len(tries), len(tries) - len(work))
        with closing(_run_all(_Attempt(agent, graders, kept), work, request.workers)) as finished:
            for entry in finished:
                entries[entry.key] = entry
                progress.advance()
    ordered = [entries[case.case_id, repeat] for case, repeat in tries]
    return Run(
        header=header,
        clusters={case.case_id: case.cluster for case in cases},
        tags={case.case_id: case.tags for case in cases},
        episodes=tuple(entry.episode for entry in ordered),
        scores=tuple(score for entry in ordered for score in entry.scores),
    )


def _left(tries: Sequence[tuple[Case, int]], entries: Mapping[tuple[str, int], Entry]) -> list["_Work"]:
    """What has to be tried, and what only has to be graded anew."""
    return [
        _Work(case, repeat, entries[key].episode if key in entries else None)
        for case, repeat in tries
        if (key := (case.case_id, repeat)) not in entries or not entries[key].scores
    ]


def _asked_for(graders: Sequence[Metric], request: EvaluationRequest) -> tuple[Metric, ...]:
    names = tuple(grader.name for grader in graders)
    if names != request.metrics:
        given, due = ", ".join(names), ", ".join(request.metrics)
        raise EvaluationError(f"run of {request.agent!r}: is to be graded by {due}, and was given {given}; bind those")
    return tuple(graders)


def _tries(cases: Sequence[Case], request: EvaluationRequest) -> list[tuple[Case, int]]:
    """Each case as often as it is repeated, in order."""
    if not cases:
        raise EvaluationError(f"run of {request.agent!r}: there is no case in split {request.split!r}; name another")
    if len({case.case_id for case in cases}) < len(cases):
        raise EvaluationError(f"run of {request.agent!r}: a case comes twice; use repeats to try cases several times")
    return [(case, repeat) for case in cases for repeat in range(request.repeats)]


@dataclass
class _Progress:
    listener: Callable[[int, int], None] | None
    total: int
    done: int

    def __post_init__(self) -> None:
        self._tell()

    def advance(self) -> None:
        self.done += 1
        self._tell()

    def _tell(self) -> None:
        if self.listener is not None and self.done:
            self.listener(self.done, self.total)


@contextmanager
def _open(folder: Path | None, header: RunHeader) -> Iterator[Journal | None]:
    if folder is None:
        yield None
    else:
        with open_journal(folder, header) as journal:
            yield journal


class _Work(NamedTuple):
    """What a thread has to do: try a case and grade it, or only grade it anew."""

    case: Case
    repeat: int
    episode: Episode | None
    """What was tried earlier and needs new scores; None if it has to be tried."""


def _run_all(attempt: "_Attempt", work: Sequence[_Work], workers: int) -> Generator[Entry, None, None]:
    """Finished episodes as they come. If the caller or an episode stops it, what is under way is still finished."""
    pool = ThreadPoolExecutor(max_workers=min(workers, max(1, len(work))), thread_name_prefix="evaluate")
    # Threads do not inherit context variables: each try gets a copy, so that outer scopes account its calls too.
    waiting = [pool.submit(copy_context().run, attempt, one) for one in work]
    try:
        for future in as_completed(waiting):
            if not isinstance(future.exception(), _Stopped):  # the one that stopped it comes too
                yield future.result()
    finally:
        attempt.stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _stands(entry: Entry) -> bool:
    return entry.episode.failure is None or entry.episode.failure.blame not in ("infrastructure", "simulator")


@dataclass(frozen=True)
class _Attempt:
    """Tries one case once; runs on the pool's threads."""

    agent: Agent
    graders: tuple[Metric, ...]
    journal: Journal | None
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set when no further case may begin."""

    def __call__(self, work: _Work) -> Entry:
        if self.stopped.is_set():
            raise _Stopped
        finished = False
        try:
            entry, line = self._finish(work)
            if self.journal is not None:  # here, so that a kill costs at most the episodes that threads are in
                self.journal.append(line)
            finished = True
        finally:
            if not finished:  # set here, on this thread, before it takes the next case
                self.stopped.set()
        return entry

    def _finish(self, work: _Work) -> tuple[Entry, bytes]:
        episode = work.episode or self._try(work.case, work.repeat)
        entry = Entry(episode=episode, scores=grade(work.case, episode, self.graders))
        try:
            return entry, encode(entry)
        except (ValueError, TypeError) as cause:  # what the agent made can't be written, so nobody could ever read it
            failure = Failure(blame="agent", kind="NotJson", message=f"the prediction can't be written: {cause!r}")
            episode = episode.model_copy(update={"prediction": None, "failure": failure})
            entry = Entry(episode=episode, scores=grade(work.case, episode, self.graders))
            return entry, encode(entry)

    def _try(self, case: Case, repeat: int) -> Episode:
        # Here and not above: reading a run or a report must not load a language-model library.
        from workbench.lms import scope  # noqa: PLC0415

        prediction: Prediction | None = None
        failure: Failure | None = None
        with scope(case=case.case_id) as tally:
            began = now()
            try:
                prediction = self._answer(case)
            except BudgetExceeded:
                raise
            except WorkbenchError as error:
                failure = _failure(error)
            milliseconds = 1000 * (now() - began)
            usage: Usage = tally.usage()
        if failure is None and not issubclass(type(prediction), Prediction):
            raise EvaluationError(
                f"case {case.case_id!r}: the agent returned {type(prediction).__name__}; it must return a Prediction"
            )
        return Episode(
            case_id=case.case_id,
            repeat=repeat,
            prediction=prediction,
            failure=failure,
            usage=usage,
            milliseconds=milliseconds,
        )

    def _answer(self, case: Case) -> Prediction:
        with boundary(_Foreign, f"case {case.case_id!r}"):
            return self.agent.try_case(case) if isinstance(self.agent, CaseAgent) else self.agent(case.request)


class _Stopped(WorkbenchError):
    """This case was not begun, because another one stopped the evaluation."""


class _Foreign(WorkbenchError):
    """Something that is not one of our errors came out of an agent."""


_BLAME: tuple[tuple[type[WorkbenchError], Blame], ...] = (
    (AgentError, "agent"),
    (DataError, "data"),
    (SimulatorError, "simulator"),
)


def _failure(error: WorkbenchError) -> Failure:
    blame: Blame = next((blame for kind, blame in _BLAME if isinstance(error, kind)), "infrastructure")
    cause = error.__cause__ if isinstance(error, _Foreign) and error.__cause__ else error
    return Failure(blame=blame, kind=type(cause).__name__, message=str(cause).encode(errors="replace").decode())
