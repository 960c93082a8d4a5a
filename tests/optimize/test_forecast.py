"""A search costs what its forecast says: each loop's knowledge is held against what the loop really does."""

from pathlib import Path

import pytest
import towns
from pydantic import JsonValue

from workbench.core import Budget, Spend
from workbench.lms import CallStore, LMSpec, scope
from workbench.optimize import OPTIMIZERS, Optimized, optimize
from workbench.optimize.forecast import Cost, Course, Forecast, Kept, foresee, update
from workbench.optimize.loop import Setting
from workbench.optimize.weighing import price_of, weigh
from workbench.retrieval import build_index

KNOBS: dict[str, list[JsonValue]] = {name: [*values] for name, values in towns.SPACE.items()} | {"index.k1": [0.9, 1.2]}
INDEX = build_index(towns.catalogue_of_towns(), towns.start().index)


def foreseen(world: towns.World, *names: str, budget: Budget = towns.AMPLE, store: CallStore | None = None) -> Forecast:
    """The forecast of a search in the small world."""
    setting = Setting(towns.start(), world.task, KNOBS, LMSpec())
    return foresee(setting, names, index=INDEX, budget=budget, kept=Kept(store, towns.RUN))


def searched(world: towns.World, *names: str) -> Optimized:
    with scope(run=towns.RUN):
        return optimize(towns.start(), towns.make(names), world.task)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizers_loop_is_known(name: str, store: CallStore) -> None:
    """What it really asked, proposals too, lies between the least and the most of the ways that are drawn."""
    world = towns.World(propose=towns.proposer, store=store)
    ways = foreseen(world, name).ways
    searched(world, name)
    calls = ways.calls.sum(axis=0) + ways.proposals.sum(axis=0)

    assert frozenset() == ways.unknown
    assert calls.min() <= world.calls <= calls.max()
    assert ways.proposals.sum(axis=0).min() <= world.adviser.calls <= ways.proposals.sum(axis=0).max()


def test_nothing_is_asked_and_nothing_is_spent(store: CallStore) -> None:
    """Prompts are written by a mute model."""
    world = towns.World(propose=towns.proposer, store=store)
    foreseen(world, *OPTIMIZERS, store=store)

    assert (0, 0) == (world.calls, store.frame().height)


def test_what_is_weighed_is_what_is_asked(store: CallStore) -> None:
    """The keys that the call store then holds."""
    searched(towns.World(store=store))
    weighed = {one.key for asking in weigh(towns.start(), towns.VAL, index=INDEX) for one in asking}

    assert set(store.frame()["key"]) == weighed


def test_where_every_step_is_known_there_is_but_one_number(store: CallStore) -> None:
    """The start and nearest demos try each case once."""
    calls = foreseen(towns.World(store=store), "nearest_demos").total().calls

    assert (24, 24, 24) == (calls.low, calls.expected, calls.high)


def test_what_others_paid_for_is_free_and_what_the_search_paid_itself_is_charged_again(store: CallStore) -> None:
    """As the budget counts."""
    world = towns.World(store=store)
    with scope(run="another"):
        optimize(towns.start(), [], world.task)
    free = foreseen(towns.World(store=store), "nearest_demos", store=store).total().calls.high
    setting = Setting(towns.start(), world.task, KNOBS)
    own = foresee(setting, ["nearest_demos"], index=INDEX, budget=towns.AMPLE, kept=Kept(store, "another"))

    assert (12, 24) == (free, own.total().calls.high)


@pytest.mark.parametrize("budget", [Budget(calls=30), Budget(tokens=1500), Budget(seconds=40)])
def test_the_budget_caps_it_and_is_named(budget: Budget, store: CallStore) -> None:
    """No interval ends beyond a limit, and the limit is what stops it."""
    forecast = foreseen(towns.World(store=store), "random_search", budget=budget)
    (kind,) = budget.model_dump(exclude_none=True)

    assert getattr(forecast.total(), kind).high <= getattr(budget, kind)
    assert kind in forecast.stops()


def test_a_model_without_a_price_costs_an_unknown_amount() -> None:
    """Which is not zero; and a budget in dollars lets it spend nothing."""
    world = towns.World()
    start = towns.start().model_copy(update={"lm": LMSpec(model="nobody/knows")})
    forecast = foresee(Setting(start, world.task, KNOBS), [], index=INDEX, budget=Budget(usd=1.0))

    assert (None, None) == (price_of(start.lm), forecast.total().usd)
    assert (0, {"usd": 1.0}) == (forecast.total().calls.high, forecast.stops())


def spread(cost: Cost) -> float:
    return cost.tokens.high / cost.tokens.low


def test_it_narrows_while_the_search_runs_and_ends_at_what_was_spent(store: CallStore) -> None:
    """After each trial it is made again from what was charged."""
    world = towns.World(store=store)
    before = foreseen(world, "labeled_few_shot", "nearest_demos")
    course, spreads = Course(before.ways), [spread(before.total())]
    spents = [Spend(calls=12, tokens=500, seconds=1.0), Spend(calls=24, tokens=2100, seconds=4.0)]
    for origin, gone in zip(("start", "labeled_few_shot"), spents, strict=True):
        course.move(origin, gone)
        spreads.append(spread(update(before, course.spent, course.done).total()))
    course.move("nearest_demos", Spend(calls=36, tokens=3500, seconds=7.0))
    after = update(before, course.spent, course.done).total()

    assert sorted(spreads, reverse=True) == spreads
    assert ("start", "labeled_few_shot", "nearest_demos") == course.done
    assert (36, 3500, 3500) == (after.calls.low, after.tokens.low, after.tokens.high)


def test_what_calls_took_so_far_moves_what_is_expected_of_the_rest(store: CallStore) -> None:
    """Twice the tokens so far, more expected; the second half follows what was seen and not the prior."""
    before = foreseen(towns.World(store=store), "labeled_few_shot")
    few, many = (
        update(before, {"start": Spend(calls=12, tokens=tokens, seconds=1.0)}, {"start"}) for tokens in (400, 800)
    )
    left = [one.total().tokens.expected - tokens for one, tokens in ((few, 400), (many, 800))]

    assert 1.4 < left[1] / left[0] < 2.0


def test_parts_that_are_through_stay_as_they_were(store: CallStore) -> None:
    """A search that ended is charged what it was charged."""
    before = foreseen(towns.World(store=store), "random_search")
    spent = {"start": Spend(calls=12, tokens=400), "random_search": Spend(calls=30, tokens=900)}
    total = update(before, spent, (), ended=True).total()

    assert (42, 42, 1300, 1300) == (total.calls.low, total.calls.high, total.tokens.low, total.tokens.high)


def test_an_optimizer_that_is_named_twice_is_two_parts(store: CallStore) -> None:
    """The second time it asks nothing new of the same agent."""
    forecast = foreseen(towns.World(store=store), "nearest_demos", "nearest_demos")

    assert ("start", "nearest_demos", "nearest_demos 2") == forecast.ways.names


def test_a_portfolio_is_one_part(store: CallStore) -> None:
    """Its members' trials are its own; what asks nobody goes before it."""
    setting = Setting(towns.start(), towns.World(store=store).task, KNOBS)
    names = ("random_search", "tune_retrieval", "nearest_demos")
    forecast = foresee(setting, names, index=INDEX, budget=towns.AMPLE, portfolio=True)
    course = Course(forecast.ways)
    for origin, calls in (("start", 12), ("tune_retrieval", 12), ("nearest_demos", 24)):
        course.move(origin, Spend(calls=calls))

    assert ("start", "tune_retrieval", "portfolio") == forecast.ways.names
    assert {"start": 12, "tune_retrieval": 0, "portfolio": 12} == {
        name: one.calls for name, one in course.spent.items()
    }


def test_a_sampled_question_is_new_each_time(tmp_path: Path) -> None:
    """At a temperature above 0 no answer that is kept is taken for free."""
    with_warmth = towns.start().model_copy(update={"lm": LMSpec(model="scripted", temperature=0.7)})
    store = CallStore(tmp_path / "warm.db")
    setting = Setting(with_warmth, towns.World(store=store).task, KNOBS)
    forecast = foresee(setting, ["random_search"], index=INDEX, budget=towns.AMPLE, kept=Kept(store, "x"))
    cold = foreseen(towns.World(store=store), "random_search")

    assert forecast.total().calls.high >= cold.total().calls.high
