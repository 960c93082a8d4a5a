"""Searches in a workspace: begun, watched, and resumed with a larger budget.

A search's folder is named by what goes into it, its budget too: another budget is another search. But all searches
that differ in nothing but the budget share one *account*: the run under which their calls stand in the ledger, and the
name of the budget they are paid from. What one of them paid is charged to another when that asks for it, as if it had
paid itself. So a search that is resumed with a larger budget goes the way of one that had it from the beginning, and
pays for nothing twice. Where that way leaves out what the smaller budget paid for, that still counts against the
limits at once: the account never pays more than the larger budget in all. And what the smaller budget found stands.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dspy
from pydantic import JsonValue

from workbench.agents import Agent, AgentSpec
from workbench.core import Budget, ConfigError, EvalSet, Meter, read_record, write_record
from workbench.lab import stages
from workbench.lab.bench import Bench
from workbench.lab.trials import BEGUN, OPTIMIZED, TRIALS, Begun, Searched, TrialLog, last_search, searches, words
from workbench.lab.watching import Nobody, Watched, Watcher
from workbench.lms import LMSpec, SharedMeter, scope
from workbench.optimize import (
    Explanation,
    Forecast,
    Kept,
    Optimized,
    Setting,
    Standing,
    Task,
    Trial,
    explain_win,
    foresee,
    line_up,
    optimize,
)

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
        end = "it ran to its end, and no limit held it back; to find more, change optimize.using or optimize.space"
        if last.outcome.stopped:
            end = f"{last.outcome.stopped}; raise a limit, for instance with --calls"
        raise ConfigError(f"search {last.folder.name!r}: is over: {end}")
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
        write_record(folder / BEGUN, begun)
        meter, cases = SharedMeter(allowed, store=bench.store, name=begun.account), bench.evalset(evalset)
        watched = Watched(indexes, evalset, begun, meter)
        with (
            TrialLog(folder / TRIALS, begun, meter, bench.workspace.progress) as log,
            bench.watch(bench, watched) as watcher,
        ):
            found = Laboratory(
                *(bench, indexes, cases, meter, lambda spec: bench.model(spec, meter), log.add),
                on_race=log.race,
                watcher=watcher,
            )
            log.forecast = found.foresee(Kept(bench.store, begun.account))
            outcome = found.search(begun.account)
            whole = with_earlier(outcome, earlier(bench, begun))
            watcher.end(whole)
        write_record(folder / OPTIMIZED, whole)
        if meter.paid.calls > outcome.spent.calls:
            bench.workspace.progress.note(f"paid in all, with what other budgets led to: {words(meter.paid)}")

    return bench.workspace.once("optimize", inputs, make)


def found(optimized: Path) -> Optimized:
    """What a search left."""
    return read_record(optimized / OPTIMIZED, Optimized)


def search_run(optimized: Path) -> str:
    """The run under which a search's calls stand in the ledger."""
    return read_record(optimized / BEGUN, Begun).account


def earlier(bench: Bench, begun: Begun) -> list[Optimized]:
    """What searches of the same account with smaller budgets found."""
    limits = begun.budget.model_dump()
    return [
        one.outcome
        for one in searches(bench.workspace.folder)
        if one.outcome is not None
        and one.begun.account == begun.account
        and one.begun.budget != begun.budget
        and all(limits[name] is None or (old or 0) <= limits[name] for name, old in one.begun.budget)
    ]


def with_earlier(outcome: Optimized, earlier: Sequence[Optimized]) -> Optimized:
    """The outcome, or where a smaller budget led to a better trial, the outcome with that one added: it is paid for.

    More than a tie is needed. The trials are of the same cases and begin with the same agent.
    """
    best = outcome.best
    for one in earlier:
        if (one.best.score or 0.0, -one.best.tokens) > (best.score or 0.0, -best.tokens):
            best, programs = one.best, one.programs
    if best is outcome.best:
        return outcome
    added = best.model_copy(update={"number": len(outcome.trials)})
    kept = {added.program_digest: programs[added.program_digest]}
    fields = {"best": added, "trials": (*outcome.trials, added), "programs": outcome.programs | kept}
    return outcome.model_copy(update=fields)


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
        raise ConfigError(
            f"experiment {name!r}: has no search in {str(where)!r}; begin one with: workbench optimize run"
        )
    return found


def explain_search(bench: Bench, budget: Budget | None = None) -> Explanation:
    """Why the last search's winner is better than its start: flips, and the fewest edits that keep the gain.

    What the search asked is answered from the call store; variants that are new are paid from `budget`, or from one as
    large as the search's. Raises: ConfigError if there is no search that ended; OptimizeError if there is no gain;
    BudgetExceeded when a call no longer fits.
    """
    indexes, evalset = stages.index(bench), stages.evalset(bench)
    last = _last(bench, indexes, evalset)
    if last.outcome is None:
        raise ConfigError(f"search {last.folder.name!r}: has not ended; go on with: workbench optimize run")
    meter, run = Meter(budget or last.begun.budget), f"explain {last.begun.account}"

    def ignore(_trial: Trial) -> None:
        """An explanation makes no trials."""

    at = Laboratory(bench, indexes, bench.evalset(evalset), meter, lambda spec: bench.model(spec, meter), ignore)
    bench.workspace.progress.stage("explain", skipped=False)
    with scope(run=run):
        return explain_win(at.task, bench.experiment.start, last.outcome.winner)


@dataclass(frozen=True)
class Laboratory:
    """All that a search needs, at one bench."""

    bench: Bench
    indexes: Path
    cases: EvalSet
    meter: Meter
    models: Models
    on_trial: Callable[[Trial], None]
    on_case: Callable[[], None] = lambda: None
    on_race: Callable[[Standing], None] = lambda _standing: None
    watcher: Watcher = field(default_factory=Nobody)

    def search(self, account: str) -> Optimized:
        """From the start to the end of the budget or of the last optimizer."""
        how = self.bench.experiment.optimize
        with scope(run=account):
            optimizers = line_up(how.using, how.space, portfolio=how.portfolio)
            return optimize(self.bench.experiment.start, optimizers, self.task)

    def foresee(self, kept: Kept) -> Forecast:
        """What it will be charged for."""
        experiment = self.bench.experiment
        setting = Setting(experiment.start, self.task, experiment.optimize.space, experiment.proposer)
        index = self.bench.index(experiment.start.index, self.indexes)
        how = experiment.optimize
        return foresee(setting, how.using, index=index, budget=self.meter.budget, kept=kept, portfolio=how.portfolio)

    @property
    def task(self) -> Task:
        """What is to be optimized."""
        experiment = self.bench.experiment
        return Task(
            train=self.cases.train,
            val=self.cases.val,
            build=self._agent,
            meter=self.meter,
            seed=experiment.seed,
            workers=experiment.workers,
            proposer=None if experiment.proposer is None else self.models(experiment.proposer),
            on_begin=self.watcher.begin,
            on_trial=self._tried,
            on_race=self._raced,
            on_case=self._advance,
        )

    def _agent(self, spec: AgentSpec) -> Agent:
        agent = self.bench.agent_with(spec, self.indexes, self.models(spec.lm))
        self.watcher.built(agent)
        return agent

    def _tried(self, trial: Trial) -> None:
        self.on_trial(trial)
        self.watcher.add(trial)

    def _raced(self, standing: Standing) -> None:
        self.on_race(standing)
        self.watcher.race(standing)

    def _advance(self, _done: int, _total: int) -> None:
        self.on_case()
        self.bench.workspace.progress.advance(self.meter.spent.calls, self.meter.budget.calls or 0)
