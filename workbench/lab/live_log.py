"""A search in MLflow while it runs: the best so far with its interval, spent and left, and a run for each candidate.

A thread of its own writes, with `PAUSE_SECONDS` between two writes, all that happened meanwhile at once: the search
waits for none of it. Where the store refuses, the search goes on unwatched, and what it found is logged when the
execution ends.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from workbench.agents import Agent, prompt_template
from workbench.core import Spend, TrackingError
from workbench.lab.bench import Bench
from workbench.lab.candidate_log import candidate_logs, describe_candidate, experiment_log, with_trial
from workbench.lab.watching import Watched, Watcher
from workbench.optimize import Alive, Optimized, Standing, Trial, ranked
from workbench.tracking import LiveRun, LiveRuns, Look, RunLog, log_experiment, log_run, open_store

PAUSE_SECONDS = 0.2


@contextmanager
def in_mlflow(bench: Bench, watched: Watched) -> Iterator[Watcher]:
    """Let a search be seen in the workspace's tracking store while it runs."""
    log = LiveLog(bench, watched)
    try:
        yield log
    except BaseException:
        log.close("KILLED")
        raise
    log.close("FINISHED")


@dataclass
class LiveLog:
    """Keeps what a search tells until its thread has written it; that thread alone touches what is below `_runs`."""

    bench: Bench
    watched: Watched
    _told: list[tuple[Agent | Trial | Standing, Spend]] = field(default_factory=list)
    _built: list[Agent] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closing: threading.Event = field(default_factory=threading.Event)
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "live-log"))
    _work: list[Future[None]] = field(default_factory=list)
    _runs: LiveRuns | None = None
    _refused: bool = False
    _start: str = ""
    """The prompt that the search began with."""
    _agents: dict[str, Agent] = field(default_factory=dict)
    _logs: dict[str, RunLog] = field(default_factory=dict)
    _trials: list[Trial] = field(default_factory=list)
    _race: Standing | None = None

    def built(self, agent: Agent) -> None:
        """Keep it: how it is described matters only if it is tried."""
        self._built.append(agent)

    def begin(self, agent: Agent) -> None:
        """A candidate is at work, in a race or alone."""
        self._tell(agent)

    def add(self, trial: Trial) -> None:
        """A candidate has ended."""
        self._tell(trial)

    def race(self, standing: Standing) -> None:
        """Who is alive."""
        self._tell(standing)

    def end(self, optimized: Optimized) -> None:
        """Log each candidate as it stands in the end, with what it cost."""
        self._submit(lambda runs: self._log_all(runs, optimized))

    def close(self, status: str) -> None:
        """Wait until all is written, and end the execution's run."""
        self._closing.set()
        self._submit(lambda runs: runs.close(status))
        self._writer.shutdown()
        for done in self._work:
            done.result()

    def _tell(self, event: Agent | Trial | Standing) -> None:
        spent = self.watched.meter.spent
        with self._lock:
            self._told.append((event, spent))
            first = len(self._told) == 1
        if first:
            self._submit(self._write)

    def _submit(self, work: Callable[[LiveRuns], None]) -> None:
        self._work.append(self._writer.submit(self._do, work))

    def _do(self, work: Callable[[LiveRuns], None]) -> None:
        """A part of the thread's work, unless the store has refused an earlier one."""
        if self._refused:
            return
        try:
            if self._runs is None:
                store = open_store(self.bench.workspace.folder)
                parent = log_experiment(store, experiment_log(self.bench, self.watched.evalset))
                self._runs = LiveRuns.begin(store, parent)
            work(self._runs)
        except TrackingError as refusal:
            self._refused = True
            self.bench.workspace.progress.note(f"MLflow does not show the rest of this search: {refusal}")

    def _write(self, runs: LiveRuns) -> None:
        self._closing.wait(PAUSE_SECONDS)
        with self._lock:
            told, self._told = self._told, []
        runs.write([self._look(event, spent) for event, spent in told])

    def _log_all(self, runs: LiveRuns, optimized: Optimized) -> None:
        calls = self.bench.store.frame(self.watched.begun.account)
        for log in candidate_logs(self.bench, self.watched.indexes, optimized, calls):
            log_run(runs.store, runs.parent, log)

    def _look(self, event: Agent | Trial | Standing, spent: Spend) -> Look:
        """What has changed with a candidate that begins, with a trial, or with a look of a race."""
        match event:
            case Agent():
                changed = [LiveRun(log=self._described(event.digest), step=0, metrics={"alive": 1})]
            case Trial():
                self._trials.append(event)
                changed = [self._ended(event)]
            case Standing():
                self._race = event
                changed = [self._alive(one, event.cases) for one in event.alive]
        return Look(step=spent.calls, metrics=self._standing(spent), runs=tuple(changed))

    def _ended(self, trial: Trial) -> LiveRun:
        log = with_trial(self._described(trial.agent_digest), trial)
        score = {} if trial.score is None else {"score": trial.score}
        return LiveRun(log=log, step=trial.cases, metrics={"alive": 0, **score}, ended=True)

    def _alive(self, one: Alive, cases: int) -> LiveRun:
        return LiveRun(log=self._described(one.candidate), step=cases, metrics={"alive": 1, "score": one.score})

    def _described(self, digest: str) -> RunLog:
        """A candidate as it was when it was first shown."""
        if digest not in self._logs:
            built, self._built = self._built, []
            self._agents |= {agent.digest: agent for agent in built}
            agent = self._agents.pop(digest)
            self._start = self._start or prompt_template(agent)
            self._logs[digest] = describe_candidate(agent, self._start)
        return self._logs[digest]

    def _standing(self, spent: Spend) -> dict[str, float]:
        """Best so far, how many are alive and how many are out; what is spent of the whole budget, and left of it."""
        best = next(iter(ranked(self._trials)), None)
        alive = 0 if self._race is None else len(self._race.alive)
        limits, gone = self.watched.begun.budget.model_dump(), spent.model_dump()
        known = {name: amount for name, amount in gone.items() if amount is not None}
        return {
            **({} if best is None else _best(best)),
            "search/alive": alive,
            "search/trials": len(self._trials),
            "search/dropped": sum(trial.dropped is not None for trial in self._trials),
            **{f"search/spent_{name}": amount for name, amount in known.items()},
            **{f"search/left_{name}": limits[name] - known[name] for name in known if limits[name] is not None},
        }


def _best(trial: Trial) -> dict[str, float]:
    """The score of the best so far, with the interval that its report gives."""
    line = next(line for line in trial.report.lines if line.kind == "score")
    values = {"search/best": trial.score, "search/best_low": line.low, "search/best_high": line.high}
    return {name: value for name, value in values.items() if value is not None}
