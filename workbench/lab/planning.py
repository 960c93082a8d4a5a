"""The plan of a search: which optimizers can work here, and what they will take, before anything is spent."""

from collections.abc import Iterator, Mapping, Sequence

from workbench.core import Budget, Meter, Record, Spend
from workbench.evals import render_table
from workbench.lab import stages
from workbench.lab.bench import Bench
from workbench.lab.experiment import Experiment
from workbench.lab.trials import Searched, limits, searches, span, words
from workbench.lms import CallStore
from workbench.optimize import (
    ERRORS,
    OPTIMIZERS,
    PORTFOLIO,
    START,
    Cost,
    Forecast,
    Kept,
    Setting,
    Suitability,
    Task,
    foresee,
    mute_agent,
    suitability,
)


class PlanLine(Record):
    """One optimizer, or the start."""

    name: str
    works: bool
    why: str
    cost: Cost | None
    """What it will be charged for; None if it is not part of the search."""


class Plan(Record):
    """What a search will do."""

    experiment: str
    seed: int
    model: str
    lines: tuple[PlanLine, ...]
    """The parts of the search in order, then the optimizers that are not part of it."""
    total: Cost
    budget: Budget
    stops: dict[str, float]
    """For each limit how likely it ends the search, in [0, 1]."""
    paid: Spend
    """What earlier runs of this search paid already: it is charged to the budget again, but not paid again."""
    notes: tuple[str, ...]


def plan_search(bench: Bench) -> Plan:
    """Forecast the experiment's search; nothing is spent and no model is connected. Its data set may be fetched.

    Raises: DataError if the data set can't be had; OptimizeError if a prompt can't be written.
    """
    experiment = bench.experiment
    begun = searches(bench.workspace.folder, f"{experiment.name}-seed{experiment.seed}")
    forecast, notes = _forecast(bench, begun)
    costs = {cost.name: cost for cost in forecast.parts()}
    return Plan(
        experiment=experiment.name,
        seed=experiment.seed,
        model=experiment.lm.model,
        lines=(*_parts(bench, costs), *_others(bench)),
        total=forecast.total(),
        budget=experiment.optimize.budget,
        stops=forecast.stops(),
        paid=begun[-1].spent if begun else Spend(),
        notes=notes,
    )


def _forecast(bench: Bench, begun: tuple[Searched, ...]) -> tuple[Forecast, tuple[str, ...]]:
    experiment, cases = bench.experiment, bench.evalset(stages.evalset(bench))
    bench.workspace.progress.stage("forecast", skipped=False)
    index = bench.index(experiment.start.index.model_copy(update={"retriever": "bm25"}))
    task = Task(
        train=cases.train,
        val=cases.val,
        build=lambda spec: mute_agent(spec, index),
        meter=Meter(experiment.optimize.budget),
        seed=experiment.seed,
    )
    setting = Setting(experiment.start, task, experiment.optimize.space, experiment.proposer)
    store = CallStore(bench.workspace.calls) if bench.workspace.calls.exists() else None
    kept = Kept(store, begun[-1].begun.account if begun else "")
    how = experiment.optimize
    forecast = foresee(setting, how.using, index=index, budget=how.budget, kept=kept, portfolio=how.portfolio)
    if store is not None:
        store.close()
    return forecast, tuple(_notes(experiment, forecast))


def _notes(experiment: Experiment, forecast: Forecast) -> Iterator[str]:
    if experiment.start.index.retriever != "bm25":
        yield f"tools are found by BM25 here, not by {experiment.start.index.retriever}: a plan computes no vectors"
    if not forecast.beliefs.priced:
        yield "USD are unknown: give the model a price"
    racing = [name for name in experiment.optimize.using if OPTIMIZERS[name].races]
    if racing:
        yield f"candidates race in {', '.join(racing)}; of what is dropped, {ERRORS}"
    for name in sorted(forecast.ways.unknown):
        yield f"{name}: nothing is known of how it goes about it; it is taken to use what the budget leaves"


def _parts(bench: Bench, costs: Mapping[str, Cost]) -> Iterator[PlanLine]:
    """The start, and the optimizers in order; those of a portfolio have their cost in common."""
    suited = _suited(bench, bench.experiment.optimize.using)
    words = {START: "tries the agent that it begins with"}
    if PORTFOLIO in costs:
        words[PORTFOLIO] = f"shares the budget among {', '.join(found.name for found in suited)}"
    told = iter(suited)
    for name, cost in costs.items():
        works, why = (True, words[name]) if name in words else next(told)[1:]
        yield PlanLine(name=name, works=works, why=why, cost=cost)


def _others(bench: Bench) -> Iterator[PlanLine]:
    """What could be named besides."""
    for found in _suited(bench, [name for name in OPTIMIZERS if name not in bench.experiment.optimize.using]):
        yield PlanLine(name=found.name, works=found.works, why=found.why, cost=None)


def _suited(bench: Bench, names: Sequence[str]) -> tuple[Suitability, ...]:
    return suitability(names, lm=bench.experiment.lm, proposer=bench.experiment.proposer)


def render_plan(plan: Plan) -> str:
    """The plan as text."""
    parts = [line for line in plan.lines if line.cost is not None]
    rows = [_row(line.name, line.cost) for line in parts if line.cost is not None]
    heads = ("part", "calls", "tokens", "minutes", "USD")
    lines = [
        f"{plan.experiment}, seed {plan.seed}, model {plan.model}: what the search will be charged for, 90 % intervals",
        render_table(heads, [*rows, _row("all", plan.total)]),
        f"budget: {limits(plan.budget)}; {_stops(plan)}",
        *([f"paid already: {words(plan.paid)}"] if plan.paid.calls else []),
        "minutes are model time, added up over calls, as the budget counts it; baseline and test are not included",
        *(f"note: {note}" for note in plan.notes),
        "",
        *(f"{line.name}: {'works' if line.works else 'can not work'} here; {line.why}" for line in parts),
        "",
        "not in this search:",
        *(
            f"  {line.name}: {'could work' if line.works else 'no'}; {line.why}"
            for line in plan.lines
            if line not in parts
        ),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _stops(plan: Plan) -> str:
    """Which limit would stop it first."""
    if not plan.stops:
        return "no limit is likely to stop it"
    likely = ", ".join(f"{name} in {share:.0%}" for name, share in plan.stops.items())
    through = 1 - sum(plan.stops.values())
    return f"what stops it first: {likely}" + (f"; it gets through in {through:.0%}" if through > 0.005 else "")


def _row(name: str, cost: Cost) -> tuple[str, ...]:
    usd = "unknown" if cost.usd is None else span(cost.usd, ".4f")
    return (name, span(cost.calls), span(cost.tokens), span(cost.seconds, ".1f", per=60), usd)
