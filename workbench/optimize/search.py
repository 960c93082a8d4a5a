"""One search: candidates tried on validation cases, every trial kept, the budget held."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import dspy

from workbench.agents import Agent, AgentSpec, Program
from workbench.core import BudgetExceeded, Case, Meter, OptimizeError, Run, short
from workbench.evals import EvaluationRequest, evaluate, summarize
from workbench.lms import Call, Tally, scope
from workbench.optimize.racing import Elimination, Race, Rules, Runner, arrange, looks, rank
from workbench.optimize.space import changes
from workbench.optimize.trial import Optimized, Trial, ranked

TASK_METRIC = "task_success"


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
class Lane:
    """A candidate in a race, and what it was tried on so far."""

    spec: AgentSpec
    agent: Agent
    run: Run | None = None

    @property
    def done(self) -> int:
        """Cases it was tried on."""
        return 0 if self.run is None else len(self.run.episodes)


@dataclass
class Search:
    """The shared evaluator: every optimizer tries its candidates here, so that they are comparable."""

    task: Task
    start: AgentSpec
    trials: list[Trial] = field(default_factory=list)
    programs: dict[str, Program] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    """What was tried, by the number of the trial."""

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The validation cases in the order in which every candidate meets them."""
        return arrange(self.task.val, self.task.seed)

    def attempt(self, spec: AgentSpec, *, origin: str) -> Trial:
        """Try a candidate on every validation case; the same candidate is tried once.

        Raises: BudgetExceeded when a call no longer fits; what was paid is kept, the trial is not.
        """
        known = self._last(spec)
        if known is not None and known.complete:
            return known
        lane = self._lane(spec)
        self.extend(lane, len(self.cases))
        return self.record(lane, origin)

    def race(self, specs: Sequence[AgentSpec], *, origin: str, rules: Rules) -> None:
        """Try candidates against each other, case by case; each ends as a trial, whole or with the reason it is not.

        Who was tried whole or dropped before does not run again; who was cut by a budget goes on from there.
        Before what is left of the budget is too little for another look and one whole candidate, the race is called
        off: the best so far is finished first.

        Raises: BudgetExceeded when a call no longer fits; complete trials stand, others are kept as far as they came.
        """
        running = [self._lane(spec) for number, spec in enumerate(specs) if spec not in specs[:number]]
        running = [lane for lane in running if not self._settled(lane.spec)]
        clusters = [case.cluster for case in self.cases]
        race = Race(rules, clusters, [lane.agent.digest for lane in running])
        try:
            for number, cases in enumerate(looks(clusters, rules.first_cases), 1):
                while running and not self._affords(running, cases):
                    self._finish(running, origin)
                    self._weed(running, race, number, origin)
                for lane in [*running]:
                    self.extend(lane, cases)
                    if cases == len(self.cases):
                        self._finish(running, origin)
                self._weed(running, race, number, origin)
        except BudgetExceeded:
            for lane in running:
                if lane.done:
                    self.record(lane, origin)
            raise

    def _finish(self, running: list[Lane], origin: str) -> None:
        """Try the first of those that run on every case; it has then arrived."""
        self.extend(running[0], len(self.cases))
        self.record(running.pop(0), origin)

    def _weed(self, running: list[Lane], race: Race, look: int, origin: str) -> None:
        """Drop who can't win any more, and put the best in front."""
        lanes = {lane.agent.digest: lane for lane in running}
        runners = [_runner(digest, lane.run) for digest, lane in lanes.items() if lane.run is not None]
        if not runners:
            return
        for gone in race.look(look, runners, self._champion()):
            self.record(lanes.pop(gone.candidate), origin, gone)
        running[:] = [lanes[runner.name] for runner in rank(runners) if runner.name in lanes]

    def _affords(self, running: Sequence[Lane], cases: int) -> bool:
        """Whether what is left of the budget is enough for the next look and then for one whole candidate."""
        runs = [lane.run for lane in running if lane.run is not None] or [*self.runs.values()]
        usages = [episode.usage for run in runs for episode in run.episodes]
        if not usages:
            return True
        needed = (sum(cases - lane.done for lane in running) + len(self.cases) - cases) / len(usages)
        left, usd = self.task.meter.left(), [usage.usd for usage in usages if usage.usd is not None]
        costs = (
            (left.calls, sum(usage.calls for usage in usages)),
            (left.tokens, sum(usage.tokens for usage in usages)),
            (left.seconds, sum(usage.model_milliseconds for usage in usages) / 1000),
            (left.usd, sum(usd)),
        )
        return all(limit is None or cost * needed <= limit for limit, cost in costs)

    def _champion(self) -> Runner | None:
        best = next(iter(ranked(self.trials)), None)
        return None if best is None else _runner(best.agent_digest, self.runs[best.number])

    def spec(self, trial: Trial) -> AgentSpec:
        """A trial's candidate, whole."""
        return trial.whole(self.programs)

    def leader(self) -> AgentSpec:
        """The best candidate so far, whole.

        Raises: OptimizeError if no trial is complete.
        """
        return self.spec(self.best())

    def best(self) -> Trial:
        """The complete trial with the highest score; ties go to fewer tokens, then to the earlier one.

        Raises: OptimizeError if no trial is complete.
        """
        complete = ranked(self.trials)
        if not complete:
            raise OptimizeError("search: no candidate was tried on every validation case; raise the budget")
        return complete[0]

    def _last(self, spec: AgentSpec) -> Trial | None:
        return next((one for one in reversed(self.trials) if self.spec(one) == spec), None)

    def _settled(self, spec: AgentSpec) -> bool:
        last = self._last(spec)
        return last is not None and (last.complete or last.dropped is not None)

    def _lane(self, spec: AgentSpec) -> Lane:
        """A candidate with what it was tried on before: no question is asked again."""
        last = self._last(spec)
        return Lane(spec, self.task.build(spec), None if last is None else self.runs[last.number])

    def extend(self, lane: Lane, cases: int) -> None:
        """Try a candidate on the cases up to the given one that it has not met."""
        if lane.done >= cases:
            return
        request = EvaluationRequest(
            agent="candidate",
            agent_digest=lane.agent.digest,
            evalset_digest="",
            split="val",
            metrics=(self.task.metric,),
            workers=self.task.workers,
        )
        with scope(candidate=short(lane.agent.digest)) as tally:
            run = evaluate(lane.agent, self.cases[lane.done : cases], request=request, on_case=self.task.on_case)
        paid = _as_paid(run, tally.calls())
        lane.run = paid if lane.run is None else _joined(lane.run, paid)

    def record(self, lane: Lane, origin: str, dropped: Elimination | None = None) -> Trial:
        """Keep what a candidate was tried on as a trial."""
        spec, run = lane.spec, lane.run
        assert run is not None, "it was tried"
        values = [score.value for score in run.scores if score.value is not None]
        episodes = run.episodes
        self.programs[spec.program.digest] = spec.program
        trial = Trial(
            number=len(self.trials),
            origin=origin,
            changes=changes(self.start, spec),
            spec=spec.model_copy(update={"program": Program()}),
            program_digest=spec.program.digest,
            agent_digest=lane.agent.digest,
            report=summarize(run),
            score=sum(values) / len(values) if values else None,
            scored=len(values),
            cases=len(episodes),
            complete=len(episodes) == len(self.task.val),
            tokens=sum(episode.usage.tokens for episode in episodes) / len(episodes),
            model_seconds=sum(episode.usage.model_milliseconds for episode in episodes) / len(episodes) / 1000,
            dropped=dropped,
        )
        self.runs[trial.number] = run
        self.trials.append(trial)
        self.task.on_trial(trial)
        return trial


def _runner(digest: str, run: Run) -> Runner:
    tokens = sum(episode.usage.tokens for episode in run.episodes) / len(run.episodes)
    return Runner(digest, [score.value for score in run.scores], tokens)


def _joined(first: Run, second: Run) -> Run:
    """Two runs of one agent over cases that follow each other."""
    return first.model_copy(
        update={
            "clusters": first.clusters | second.clusters,
            "tags": first.tags | second.tags,
            "episodes": first.episodes + second.episodes,
            "scores": first.scores + second.scores,
        }
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
