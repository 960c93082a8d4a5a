"""One search: candidates tried on validation cases, every trial kept, the budget held."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import dspy

from workbench.agents import Agent, AgentSpec, Program
from workbench.core import BudgetExceeded, Case, Episode, Meter, OptimizeError, Prediction, Run, Usage, short
from workbench.evals import EvaluationRequest, Metric, bind_metrics, evaluate, summarize
from workbench.lms import scope
from workbench.optimize.attempts import Lane, as_paid, joined, mean_tokens, rounds, runner, runs_of
from workbench.optimize.playoff import Finalist, again
from workbench.optimize.racing import Elimination, Race, Rules, arrange, looks, rank
from workbench.optimize.room import Need, covers, fits, halved
from workbench.optimize.space import changes
from workbench.optimize.standing import Standing, stand
from workbench.optimize.trial import Trial, ranked

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
    grader: Metric | None = None
    """The metric of that name, bound to what it looks things up in; None is the catalogue's."""
    repeats: int = 3
    """How often a case is asked at most, where answers vary and the choice of the best hangs on it; 1 asks nothing
    again."""
    wavers: bool = False
    """True if the metric may score the same answer otherwise the next time, as a judge that samples."""
    workers: int = 2
    proposer: dspy.LM | None = None
    """The model that writes instructions, for optimizers that need one."""
    on_begin: Callable[[Agent], None] = lambda _agent: None
    """Told of a candidate before it meets its first case."""
    on_trial: Callable[[Trial], None] = lambda _trial: None
    on_race: Callable[[Standing], None] = lambda _standing: None
    """Told how a race stands after each look."""
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
    runs: dict[int, Run] = field(default_factory=dict)
    """What was tried, by the number of the trial."""
    left_out: set[str] = field(default_factory=set)
    """Digests of agents for whom no race had room."""
    full_races: int = 0
    """Races that had no room for somebody."""

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

    def race(self, specs: Sequence[AgentSpec], *, origin: str, rules: Rules, owners: Sequence[str] = ()) -> None:
        """Try candidates against each other, case by case; each ends as a trial, whole or with the reason it is not.

        `owners` say who proposed each, where that was not `origin` itself. Who was tried whole or dropped before does
        not run again; who was cut by a budget goes on from there. They enter in their order, as many as the budget
        carries if each look drops half of them and each case costs what the first did; for whom there is no room is
        kept in `left_out`. Before what is left of the budget is too little for another look and one whole candidate,
        the race is called off: the best so far is finished first.

        Raises: BudgetExceeded when a call no longer fits; complete trials stand, others are kept as far as they came.
        """
        names = owners or [origin] * len(specs)
        entered = zip(specs, names, strict=True)
        running = [self._lane(spec, name) for n, (spec, name) in enumerate(entered) if spec not in specs[:n]]
        waiting = [lane for lane in running if not self._settled(lane.spec)]
        clusters = [case.cluster for case in self.cases]
        seen, running = looks(clusters, rules.first_cases), []
        try:
            self._enter(waiting, running, seen)
            race = Race(rules, clusters, [lane.agent.digest for lane in running])
            for number, cases in enumerate(seen, 1):
                while running and not self._affords(running, cases):
                    self._finish(running)
                    self._weed(running, race, number, origin)
                for lane in [*running]:
                    self.extend(lane, cases)
                    if cases == len(self.cases):
                        self._finish(running)
                self._weed(running, race, number, origin)
            self.settle()
        except BudgetExceeded:
            for lane in running:
                if lane.done:
                    self.record(lane, lane.origin)
            raise

    def _enter(self, waiting: list[Lane], running: list[Lane], seen: Sequence[int]) -> None:
        """Have those that the budget carries meet their first cases; the first of these shows what one costs.

        Who turns out too dear is left out; if all are, the cheapest goes as far as the budget does. Who comes next is
        taken to be as cheap as the cheapest so far, which is the best of the search until somebody is in.
        """
        met: list[Lane] = []
        while waiting and self._carries(running, seen, like=self._cheapest(met, running)):
            lane = waiting.pop(0)
            met.append(lane)
            self.extend(lane, 1)
            if self._carries([*running, lane], seen):
                running.append(lane)
                self.extend(lane, seen[0])
            else:
                self.record(lane, lane.origin)
        if met and not running:
            cheapest = min(runs_of(met), key=mean_tokens)
            running.append(next(lane for lane in met if lane.run is cheapest))
        entered = {lane.agent.digest for lane in running}
        left_out = {lane.agent.digest for lane in (*met, *waiting)} - entered
        self.left_out = (self.left_out | left_out) - entered
        self.full_races += bool(left_out)

    def _cheapest(self, met: Sequence[Lane], running: Sequence[Lane]) -> Run | None:
        whole = None if running else self._whole()
        return min(runs_of(met) if whole is None else [*runs_of(met), whole], key=mean_tokens, default=None)

    def _carries(self, running: Sequence[Lane], seen: Sequence[int], like: Run | None = None) -> bool:
        """Whether the budget has room for these, and one more that costs what a run did, if each look drops half."""
        runs = runs_of(running) if like is None else [*runs_of(running), like]
        others = halved(len(runs), seen) - sum(lane.done for lane in running)
        return not runs or self._fits(runs, others, seen[0])

    def _finish(self, running: list[Lane]) -> None:
        """Try the first of those that run on every case; it has then arrived."""
        lane = running[0]
        self.extend(lane, len(self.cases))
        self.record(running.pop(0), lane.origin)

    def _weed(self, running: list[Lane], race: Race, look: int, origin: str) -> None:
        """Drop who can't win any more, and put the best in front."""
        lanes = {lane.agent.digest: lane for lane in running}
        runners = [runner(digest, lane.run) for digest, lane in lanes.items() if lane.run is not None]
        whole = self._whole()
        champion = None if whole is None else runner(whole.header.agent_digest, whole)
        for gone in race.look(look, runners, champion) if runners else ():
            self.record(lane := lanes.pop(gone.candidate), lane.origin, gone)
        left = [one for one in rank(runners) if one.name in lanes]
        if runners:
            running[:] = [lanes[one.name] for one in left]
        changed = [changes(self.start, lanes[one.name].spec) for one in left]
        self.task.on_race(
            stand(self.trials, race.entrants, [*zip(left, changed, strict=True)], origin, len(self.cases))
        )

    def settle(self) -> None:
        """Ask the best again, where answers vary and luck may have decided, until the choice stands; see `playoff`.

        Each that is asked again is a new trial, in place of the one before. Nobody is, where the budget has no room.
        """
        clusters = [case.cluster for case in self.cases]
        while asked := again(self._finalists(), clusters, self.task.repeats):
            trials = [trial for trial in ranked(self.trials) if trial.agent_digest in asked]
            if not self.has_room(len(asked) * len(self.cases), [self.runs[trial.number] for trial in trials]):
                return
            for trial in trials:
                lane = self._lane(self.spec(trial))
                self._ask(lane, self.cases)
                self.record(lane, trial.origin)

    def _finalists(self) -> list[Finalist]:
        return [
            Finalist(
                runner(trial.agent_digest, self.runs[trial.number]),
                rounds(self.runs[trial.number]),
                self.task.wavers or trial.spec.lm.temperature > 0,
            )
            for trial in ranked(self.trials)
        ]

    def _affords(self, running: Sequence[Lane], cases: int) -> bool:
        """Whether what is left of the budget is surely enough for the next look and then for one whole candidate."""
        return self._fits(runs_of(running), sum(cases - lane.done for lane in running), cases, surely=True)

    def _fits(self, runs: Sequence[Run], others: float, cases: int, *, surely: bool = False) -> bool:
        """Whether there is room for other episodes, and for a winner that has met so many cases to meet them all."""
        winner = len(self.cases) - cases
        return fits(self.task.meter.left(), runs, others, winner, self._whole(), surely=surely)

    def has_room(self, episodes: int, runs: Sequence[Run]) -> bool:
        """Whether the budget has room for so many more, if they cost what those of the runs did."""
        total = sum(len(run.episodes) for run in runs)
        return covers(self.task.meter.left(), [Need(episodes * len(run.episodes) / total, run) for run in runs])

    def _whole(self) -> Run | None:
        """What the best was tried on, of those that met every case."""
        return next((self.runs[trial.number] for trial in ranked(self.trials)), None)

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

    def _lane(self, spec: AgentSpec, origin: str = "") -> Lane:
        """A candidate with what it was tried on before: no question is asked again."""
        last = self._last(spec)
        return Lane(spec, self.task.build(spec), None if last is None else self.runs[last.number], origin)

    def extend(self, lane: Lane, cases: int) -> None:
        """Try a candidate on the cases up to the given one that it has not met."""
        if lane.done < cases:
            self._ask(lane, self.cases[lane.done : cases])

    def _ask(self, lane: Lane, cases: Sequence[Case]) -> None:
        request, graders = self._request(lane), self._graders
        if lane.run is None:
            self.task.on_begin(lane.agent)
        with scope(candidate=short(lane.agent.digest)) as tally:
            run = evaluate(lane.agent, cases, request=request, graders=graders, on_case=self.task.on_case)
        paid = as_paid(run, tally.calls())
        lane.run = paid if lane.run is None else joined(lane.run, paid)

    def keep(
        self,
        spec: AgentSpec,
        answers: Sequence[tuple[Prediction | None, Usage]],
        *,
        origin: str,
        dropped: Elimination | None = None,
    ) -> None:
        """Keep as a trial what a foreign loop has asked: a candidate's answers to the first cases, in their order.

        Nothing is asked. Who was tried whole or dropped before stays as it was.
        """
        if self._settled(spec):
            return
        lane, cases = Lane(spec, self.task.build(spec)), self.cases[: len(answers)]
        episodes = tuple(
            Episode(case_id=case.case_id, prediction=said, usage=usage, milliseconds=usage.model_milliseconds)
            for case, (said, usage) in zip(cases, answers, strict=True)
        )
        (judge,) = graders = self._graders
        lane.run = Run(
            header=self._request(lane).header(graders),
            clusters={case.case_id: case.cluster for case in cases},
            tags={case.case_id: case.tags for case in cases},
            episodes=episodes,
            scores=tuple(judge(case, episode) for case, episode in zip(cases, episodes, strict=True)),
        )
        self.record(lane, origin, dropped)

    @property
    def _graders(self) -> tuple[Metric, ...]:
        return bind_metrics((self.task.metric,), None) if self.task.grader is None else (self.task.grader,)

    def _request(self, lane: Lane) -> EvaluationRequest:
        return EvaluationRequest(
            agent="candidate",
            agent_digest=lane.agent.digest,
            evalset_digest="",
            split="val",
            metrics=(self.task.metric,),
            workers=self.task.workers,
        )

    def record(self, lane: Lane, origin: str, dropped: Elimination | None = None) -> Trial:
        """Keep what a candidate was tried on as a trial."""
        spec, run = lane.spec, lane.run
        assert run is not None, "it was tried"
        values = [score for score in runner(lane.agent.digest, run).scores if score is not None]
        episodes, cases = run.episodes, len(run.clusters)
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
            cases=cases,
            repeats=rounds(run),
            complete=cases == len(self.task.val),
            tokens=mean_tokens(run),
            model_seconds=sum(episode.usage.model_milliseconds for episode in episodes) / len(episodes) / 1000,
            dropped=dropped,
        )
        self.runs[trial.number] = run
        self.trials.append(trial)
        self.task.on_trial(trial)
        return trial
