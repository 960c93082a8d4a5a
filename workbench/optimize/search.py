"""One search: candidates tried on validation cases, every trial kept, the budget held."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import dspy
from pydantic import Field

from workbench.agents import Agent, AgentSpec, Program
from workbench.core import BudgetExceeded, Case, Meter, OptimizeError, Record, Report, Run, Spend, short
from workbench.evals import EvaluationRequest, evaluate, summarize
from workbench.lms import Call, Tally, scope
from workbench.optimize.space import changes

TASK_METRIC = "task_success"


class Trial(Record):
    """A candidate, tried on validation cases."""

    number: int = Field(ge=0)
    origin: str
    """The optimizer that proposed it; "start" for the agent the search began with."""
    changes: dict[str, str]
    """Each knob that differs from the agent the search began with: old → new."""
    spec: AgentSpec
    """Its knobs; the program stands under its digest in `Optimized.programs`."""
    program_digest: str
    agent_digest: str
    report: Report
    score: float | None = Field(ge=0, le=1)
    """Mean of the metric over the scored cases; None if none was scored."""
    scored: int
    cases: int
    """Validation cases it was tried on."""
    complete: bool
    """True if it was tried on all of them."""
    tokens: float
    """Mean tokens of a case, whether or not the call store answered."""
    model_seconds: float
    """Mean model time of a case when it was paid."""


class Optimized(Record):
    """The outcome of a search: the best complete trial and all that were made."""

    best: Trial
    trials: tuple[Trial, ...]
    programs: dict[str, Program]
    """Every program that was tried, by digest: trials share them, and some hold a thousand demos."""
    stopped: str = ""
    """Why the search ended before it was through; empty if it ran to its end."""
    spent: Spend

    @property
    def winner(self) -> AgentSpec:
        """The best candidate, whole."""
        return self.best.spec.model_copy(update={"program": self.programs[self.best.program_digest]})


@dataclass(frozen=True)
class Task:
    """What is to be optimized. It holds no test case, so no optimizer can see one."""

    train: Sequence[Case]
    val: Sequence[Case]
    build: Callable[[AgentSpec], Agent]
    """Makes a spec into an agent whose every call is accounted for and budgeted; agents on one model share its
    connection, or a question that two of them ask is charged twice."""
    meter: Meter
    seed: int
    metric: str = TASK_METRIC
    workers: int = 2
    proposer: dspy.LM | None = None
    """The model that writes instructions, for optimizers that need one."""
    on_trial: Callable[[Trial], None] = lambda _trial: None
    on_case: Callable[[int, int], None] | None = None


class Optimizer(Protocol):
    """Agent → better Agent: looks at training cases, tries candidates in a search."""

    def __call__(self, start: AgentSpec, search: "Search") -> AgentSpec:
        """Try candidates that improve on `start`; the search keeps them. What the next optimizer should start from.

        Raises: BudgetExceeded, which ends the search with what it has; OptimizeError if it can't work here.
        """
        ...


@dataclass
class Search:
    """The shared evaluator: every optimizer tries its candidates here, so that they are comparable."""

    task: Task
    start: AgentSpec
    trials: list[Trial] = field(default_factory=list)
    programs: dict[str, Program] = field(default_factory=dict)

    def attempt(self, spec: AgentSpec, *, origin: str, cases: int | None = None) -> Trial:
        """Try a candidate on the first `cases` validation cases, or all; the same candidate is tried once.

        Raises: BudgetExceeded when a call no longer fits; what was paid is kept, the trial is not.
        """
        count = len(self.task.val) if cases is None else min(cases, len(self.task.val))
        known = next((one for one in self.trials if self.spec(one) == spec and one.cases == count), None)
        if known is not None:
            return known
        agent = self.task.build(spec)
        trial = self._trial(spec, agent.digest, origin, self._run(agent, self.task.val[:count]))
        self.trials.append(trial)
        self.task.on_trial(trial)
        return trial

    def spec(self, trial: Trial) -> AgentSpec:
        """A trial's candidate, whole."""
        return trial.spec.model_copy(update={"program": self.programs[trial.program_digest]})

    def leader(self) -> AgentSpec:
        """The best candidate so far, whole.

        Raises: OptimizeError if no trial is complete.
        """
        return self.spec(self.best())

    def best(self) -> Trial:
        """The complete trial with the highest score; ties go to fewer tokens, then to the earlier one.

        Raises: OptimizeError if no trial is complete.
        """
        complete = [trial for trial in self.trials if trial.complete and trial.score is not None]
        if not complete:
            raise OptimizeError("search: no candidate was tried on every validation case; raise the budget")
        return min(complete, key=lambda trial: (-(trial.score or 0.0), trial.tokens, trial.number))

    def _run(self, agent: Agent, cases: Sequence[Case]) -> Run:
        request = EvaluationRequest(
            agent="candidate",
            agent_digest=agent.digest,
            evalset_digest="",
            split="val",
            metrics=(self.task.metric,),
            workers=self.task.workers,
        )
        with scope(candidate=short(agent.digest)) as tally:
            run = evaluate(agent, cases, request=request, on_case=self.task.on_case)
        return _as_paid(run, tally.calls())

    def _trial(self, spec: AgentSpec, digest: str, origin: str, run: Run) -> Trial:
        values = [score.value for score in run.scores if score.value is not None]
        episodes = run.episodes
        self.programs[spec.program.digest] = spec.program
        return Trial(
            number=len(self.trials),
            origin=origin,
            changes=changes(self.start, spec),
            spec=spec.model_copy(update={"program": Program()}),
            program_digest=spec.program.digest,
            agent_digest=digest,
            report=summarize(run),
            score=sum(values) / len(values) if values else None,
            scored=len(values),
            cases=len(episodes),
            complete=len(episodes) == len(self.task.val),
            tokens=sum(episode.usage.tokens for episode in episodes) / len(episodes),
            model_seconds=sum(episode.usage.model_milliseconds for episode in episodes) / len(episodes) / 1000,
        )


def _as_paid(run: Run, calls: Sequence[Call]) -> Run:
    """The run as if each call had been paid now: what a candidate costs is not a matter of what the store held.

    So candidates are comparable, and a search that was interrupted ends like one that was not.
    """
    tallies = {episode.case_id: Tally() for episode in run.episodes}
    for call in calls:
        tallies[call.where.case_id].add(call.model_copy(update={"cached": False}))
    episodes = (one.model_copy(update={"usage": tallies[one.case_id].usage()}) for one in run.episodes)
    return run.model_copy(update={"episodes": tuple(episodes)})


def optimize(start: AgentSpec, optimizers: Sequence[Optimizer], task: Task) -> Optimized:
    """Try `start`, then let each optimizer improve on what the one before it leaves; the best of all trials wins.

    The start is a candidate like any other, so a search that finds nothing better gives it back. When the
    budget ends, the best complete trial stands and `stopped` says why.

    Raises: OptimizeError if not even the start could be tried, or an optimizer can't work with the task.
    """
    search = Search(task, start)
    stopped = ""
    try:
        search.attempt(start, origin="start")
        for optimizer in optimizers:
            start = optimizer(start, search)
            if task.meter.refusal:  # a foreign loop went on without the calls that were refused
                raise BudgetExceeded(task.meter.refusal)
    except BudgetExceeded as end:
        stopped = str(end)
    return Optimized(
        best=search.best(),
        trials=tuple(search.trials),
        programs=search.programs,
        stopped=stopped,
        spent=task.meter.spent,
    )
