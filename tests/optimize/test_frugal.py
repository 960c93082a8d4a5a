"""The search for quality alone: few calls, the start competes, nothing twice, within the budget."""

import pytest
import towns

from workbench.core import Budget, OptimizeError
from workbench.lms import CallStore, scope
from workbench.optimize import FrugalSearch, Optimized, RandomSearch, Space, optimize

SPACE: Space = {**towns.SPACE, "demo_set": [1, 2], "instructions": [None, "Copy the town.", "Be brief."]}


def search(world: towns.World, **options: bool) -> Optimized:
    """The search in the small world."""
    with scope(run=towns.RUN):
        return optimize(towns.start(), [FrugalSearch(SPACE, batch=3, **options)], world.task)


def test_it_finds_what_the_pupil_needs(store: CallStore) -> None:
    """Three demos make everything right."""
    found = search(towns.World(store=store))

    assert found.best.score == 1.0
    assert "demos" in found.best.changes


def test_the_start_competes_like_any_other(store: CallStore) -> None:
    """Another one is complete before it, and in the end so is it; with `late_start` off it is the first trial."""
    late, early = search(towns.World(store=store)), search(towns.World(store=store), late_start=False)
    origins = [[trial.origin for trial in found.trials if trial.complete] for found in (late, early)]

    assert origins[0].index("start") > 0
    assert origins[1][0] == "start"


def test_a_chain_with_another_optimizer_begins_with_the_start(store: CallStore) -> None:
    """Only where everyone lets it compete may it wait."""
    with scope(run=towns.RUN):
        found = optimize(
            towns.start(),
            [RandomSearch(towns.SPACE, candidates=2), FrugalSearch(towns.SPACE)],
            towns.World(store=store).task,
        )

    assert "start" == found.trials[0].origin
    assert found.trials[0].complete


def test_no_case_is_asked_twice_even_without_a_store() -> None:
    """Going on with a candidate begins where it was left."""
    world = towns.World()
    found = search(world)

    assert sum(trial.cases for trial in found.trials) == world.calls


def test_the_same_seed_tries_the_same(store: CallStore) -> None:
    """In the same order, with the same outcome; another seed tries others."""
    first, again, other = (
        [trial.agent_digest for trial in search(towns.World(seed=seed)).trials] for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


@pytest.mark.parametrize("limit", [18, 19, 30, 60])
def test_the_budget_is_never_exceeded(limit: int, store: CallStore) -> None:
    """And a complete trial stands, since enough is kept for the leader."""
    world = towns.World(store=store, budget=Budget(calls=limit))
    found = search(world)

    assert world.calls == found.spent.calls <= limit
    assert found.best.complete


def test_it_goes_on_with_what_others_tried(store: CallStore) -> None:
    """A trial of the random search that is a point of the space is not made again."""
    with scope(run=towns.RUN):
        found = optimize(
            towns.start(),
            [RandomSearch(towns.SPACE, candidates=4), FrugalSearch(towns.SPACE)],
            towns.World(store=store).task,
        )
    complete = [(trial.spec.digest, trial.program_digest) for trial in found.trials if trial.complete]

    assert len(set(complete)) == len(complete)


def test_an_empty_space_is_refused() -> None:
    """Before anybody is asked."""
    world = towns.World()
    with pytest.raises(OptimizeError, match="the space names no knob"):
        optimize(towns.start(), [FrugalSearch({})], world.task)

    assert world.calls == 0
