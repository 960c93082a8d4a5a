"""Searches in a workspace: begun, watched, resumed with a larger budget, and replayed from the call store alone.

A search's folder is named by what goes into it, its budget too: another budget is another search. But all searches that
differ in nothing but the budget share one *account*: the run under which their calls stand in the ledger. What any of
them paid is charged to each of them, as if it had paid itself. So a search that is resumed with a larger budget goes on
where it stopped, pays for nothing twice, spends no more than the larger budget in all, and ends as one that had the
larger budget from the beginning.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dspy
from pydantic import JsonValue

from workbench.agents import Agent, AgentSpec, build_agent
from workbench.core import (
    Budget,
    CassetteMiss,
    ConfigError,
    DataError,
    EvalSet,
    Meter,
    Record,
    read_record,
    short,
    write_record,
)
from workbench.lab import stages
from workbench.lab.bench import Bench
from workbench.lab.trials import Begun, Searched, TrialLog, last_search
from workbench.lms import CallStore, LMSpec, here, scope, scripted_lm
from workbench.optimize import Optimized, Task, Trial, optimize, optimizer
from workbench.optimize.forecast import Forecast, Kept, foresee
from workbench.optimize.loops import Setting

Models = Callable[[LMSpec], dspy.LM]
"""Gives the connection to a model, the same one each time."""


def run_search(bench: Bench) -> Path:
    """Greet the models, build the index, draw the eval set, and search; the search's folder. No test case is tried.

    Raises: LMError if a model does not answer; DataError if the data set can't be had; OptimizeError if an optimizer
    can't work with it.
    """
    stages.greet_models(bench)
    return search(bench, stages.index(bench), stages.evalset(bench))


def resume_search(bench: Bench, raised: Budget) -> Path:
    """Go on with the experiment's last search, with the limits of `raised` in place of its own; its folder.

    Limits are totals, not increments: to ask twice for the same is to ask once. A search that was interrupted goes on
    with no limit raised, too.
    Raises: ConfigError if there is no search, it is over and nothing is raised, or a limit would become lower.
    """
    indexes, evalset = stages.index(bench), stages.evalset(bench)
    last = _last(bench, indexes, evalset)
    budget = _raise(last.begun.budget, raised)
    if budget == last.begun.budget and last.outcome is not None:
        why = last.outcome.stopped or "it ran to its end"
        raise ConfigError(f"search {last.folder.name!r}: is over: {why}; raise a limit, for instance with --calls")
    stages.greet_models(bench)
    return search(bench, indexes, evalset, budget)


def _raise(budget: Budget, raised: Budget) -> Budget:
    limits = {name: limit for name, limit in raised.model_dump().items() if limit is not None}
    for name, limit in limits.items():
        old = getattr(budget, name)
        if old is None or limit < old:
            was = "has no limit" if old is None else f"is {old:g} already"
            raise ConfigError(f"budget {name!r}: {was}, so {limit:g} would lower it; a search is resumed with more")
    return budget.model_copy(update=limits)


def search(bench: Bench, indexes: Path, evalset: Path, budget: Budget | None = None) -> Path:
    """Optimize on train and val within the budget, else the experiment's; the test is not even handed over."""
    allowed = bench.experiment.optimize.budget if budget is None else budget
    inputs = _inputs(bench, indexes, evalset, allowed)
    begun = Begun(
        experiment=bench.experiment.name,
        seed=bench.experiment.seed,
        model=bench.experiment.lm.model,
        using=bench.experiment.optimize.using,
        budget=allowed,
        val=bench.experiment.data.val,
        account=account(bench, indexes, evalset),
    )

    def make(folder: Path) -> None:
        write_record(folder / "search.json", begun)
        meter, cases = Meter(allowed), bench.evalset(evalset)
        with TrialLog(folder / "trials.jsonl", begun, meter, bench.workspace.progress) as log:
            found = _Laboratory(bench, indexes, cases, meter, lambda spec: bench.model(spec, meter), log.add)
            log.forecast = found.foresee(Kept(bench.store, begun.account))
            write_record(folder / "optimized.json", found.search(begun.account))

    return bench.workspace.once("optimize", inputs, make)


def account(bench: Bench, indexes: Path, evalset: Path) -> str:
    """The run under which a search's calls stand in the ledger, whatever its budget."""
    return bench.workspace.path("search", _inputs(bench, indexes, evalset, None)).name


def _inputs(bench: Bench, indexes: Path, evalset: Path, budget: Budget | None) -> dict[str, JsonValue]:
    """What decides how a search goes; without a budget, what decides what it asks."""
    experiment = bench.experiment
    how = experiment.optimize.model_dump(mode="json")
    if budget is None:
        how = {name: value for name, value in how.items() if name not in ("budget", "finalists")}
    else:
        how |= {"budget": budget.model_dump(mode="json")}
    inputs = stages.agent_inputs(bench, experiment.start, indexes, bench.evalset(evalset).digest)
    return inputs | {"search": how, "seed": experiment.seed}


def _last(bench: Bench, indexes: Path, evalset: Path) -> Searched:
    """The last search of this account."""
    found = last_search(bench.workspace.folder, account=account(bench, indexes, evalset))
    if found is None:
        name, where = bench.experiment.name, bench.workspace.folder
        raise ConfigError(f"experiment {name!r}: has no search in {str(where)!r}; begin one with: workbench optimize run")
    return found


@dataclass(frozen=True)
class _Laboratory:
    """All that a search needs, at one bench."""

    bench: Bench
    indexes: Path
    cases: EvalSet
    meter: Meter
    models: Models
    on_trial: Callable[[Trial], None]
    on_case: Callable[[], None] = lambda: None

    def search(self, account: str) -> Optimized:
        """From the start to the end of the budget or of the last optimizer."""
        how = self.bench.experiment.optimize
        with scope(run=account):
            return optimize(self.bench.experiment.start, [optimizer(name, how.space) for name in how.using], self._task)

    def foresee(self, kept: Kept) -> Forecast:
        """What it will be charged for."""
        experiment = self.bench.experiment
        setting = Setting(experiment.start, self._task, experiment.optimize.space, experiment.proposer)
        index = self.bench.index(experiment.start.index, self.indexes)
        return foresee(setting, experiment.optimize.using, index=index, budget=self.meter.budget, kept=kept)

    @property
    def _task(self) -> Task:
        experiment = self.bench.experiment
        return Task(
            train=self.cases.train,
            val=self.cases.val,
            build=self._agent,
            meter=self.meter,
            seed=experiment.seed,
            workers=experiment.workers,
            proposer=None if experiment.proposer is None else self.models(experiment.proposer),
            on_trial=self.on_trial,
            on_case=self._advance,
        )

    def _agent(self, spec: AgentSpec) -> Agent:
        return build_agent(spec, index=self.bench.index(spec.index, self.indexes), lm=self.models(spec.lm))

    def _advance(self, _done: int, _total: int) -> None:
        self.on_case()
        self.bench.workspace.progress.advance(self.meter.spent.calls, self.meter.budget.calls or 0)


class Replayed(Record):
    """A search that was made again from the call store alone."""

    search: str
    """The folder of the search that was recorded."""
    recorded: str
    """Digest of the agent that won then."""
    replayed: str
    """Digest of the agent that won now."""
    trials: int
    differences: tuple[str, ...]
    """What is not as recorded; empty if the same trials led to the same winner."""

    @property
    def same(self) -> bool:
        """True if nothing differs."""
        return not self.differences


def replay_search(bench: Bench) -> Replayed:
    """Make the experiment's last search again without any model, on a copy of the call store.

    Raises: ConfigError if no search of it is done; CassetteMiss for a question that was never answered, with its case.
    """
    indexes, evalset = stages.index(bench), stages.evalset(bench)
    last = last_search(bench.workspace.folder, account=account(bench, indexes, evalset), done=True)
    if last is None or last.outcome is None:
        raise ConfigError(f"experiment {bench.experiment.name!r}: has no search that is done; run or resume it first")
    bench.workspace.progress.stage("replay", skipped=False)
    meter, unknown = Meter(last.begun.budget), _Unknown()
    with _copied(bench.workspace.calls) as store:
        models = _Kept(store, meter, unknown)
        found = _Laboratory(bench, indexes, bench.evalset(evalset), meter, models, unknown.check, unknown.check)
        outcome = found.search(last.begun.account)
        unknown.check()
    return Replayed(
        search=last.folder.name,
        recorded=last.outcome.best.agent_digest,
        replayed=outcome.best.agent_digest,
        trials=len(outcome.trials),
        differences=tuple(_differences(last.outcome, outcome)),
    )


def render_replayed(replayed: Replayed) -> str:
    """How a replay ended."""
    if replayed.same:
        return (
            f"{replayed.search}: the same {replayed.trials} trials, the same winner {short(replayed.recorded)}, "
            "no model asked\n"
        )
    return "\n".join((f"{replayed.search}: is not as recorded", *(f"  {one}" for one in replayed.differences))) + "\n"


@dataclass
class _Unknown:
    """Stands in for every model: whatever is asked was never answered."""

    problem: str = ""

    def answer(self, _prompt: str) -> str:
        """Refuses; evaluations count that as a failed episode and go on, so the first refusal is kept."""
        where = here()
        self.problem = self.problem or (
            f"case {where.case_id or 'none'!r}, candidate {where.candidate!r}, module {where.module or 'none'!r}: asks "
            "what was never answered; the code or the data has changed since, or calls.db is not the one it ran on"
        )
        raise CassetteMiss(self.problem)

    def check(self, _trial: Trial | None = None) -> None:
        """Raises: CassetteMiss if anything was refused."""
        if self.problem:
            raise CassetteMiss(self.problem)


@dataclass
class _Kept:
    """Models that know what the store holds."""

    store: CallStore
    meter: Meter
    unknown: _Unknown
    connected: dict[LMSpec, dspy.LM] = field(default_factory=dict)

    def __call__(self, spec: LMSpec) -> dspy.LM:
        """One for each spec, so that each knows which questions the budget was charged for."""
        if spec not in self.connected:
            self.connected[spec] = scripted_lm(self.unknown.answer, spec=spec, store=self.store, meter=self.meter)
        return self.connected[spec]


@contextmanager
def _copied(path: Path) -> Iterator[CallStore]:
    """A copy of a call store: what a replay asks is no part of the ledger."""
    if not path.exists():
        raise DataError(f"call store {str(path)!r}: is missing; the answers of a search are kept there")
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        copy = Path(folder) / path.name
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        store = CallStore(copy)
        try:
            yield store
        finally:
            store.close()


def _differences(recorded: Optimized, replayed: Optimized) -> Iterator[str]:
    """What differs, the winner first."""
    if recorded.best.agent_digest != replayed.best.agent_digest:
        yield f"winner: {_named(recorded.best)} was recorded, now it is {_named(replayed.best)}"
    if len(recorded.trials) != len(replayed.trials):
        yield f"trials: {len(recorded.trials)} were recorded, now there are {len(replayed.trials)}"
    for before, now in zip(recorded.trials, replayed.trials, strict=False):
        if (changed := _changed(_facts(before), _facts(now))) is not None:
            yield f"trial {before.number}: {changed}"
            break  # what follows, follows from it
    if (changed := _changed(recorded.spent.model_dump(), replayed.spent.model_dump())) is not None:
        yield f"spent: {changed}"
    if recorded.stopped != replayed.stopped:
        yield f"end: {recorded.stopped or 'ran through'!r} was recorded, now it is {replayed.stopped or 'ran through'!r}"


def _facts(trial: Trial) -> Mapping[str, object]:
    kept = ("origin", "agent_digest", "cases", "score", "tokens", "model_seconds", "complete")
    return {name: getattr(trial, name) for name in kept}


def _changed(before: Mapping[str, object], now: Mapping[str, object]) -> str | None:
    """The first value that differs in more than the last digits of a sum."""
    for name, old in before.items():
        new = now[name]
        close = isinstance(old, float) and isinstance(new, float) and abs(old - new) <= 1e-9 * max(1.0, abs(old))
        if old != new and not close:
            return f"{name} {old} was recorded, now it is {new}"
    return None


def _named(trial: Trial) -> str:
    return f"{short(trial.agent_digest)} (trial {trial.number}, {trial.origin})"
