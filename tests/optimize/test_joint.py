"""The search of the whole agent: nothing twice, within the budget, the same again for the same seed."""

from dataclasses import replace

import numpy as np
import pytest
import towns
from pydantic import JsonValue

from workbench.core import Budget, ConfigError, EvaluationError, OptimizeError
from workbench.lms import CallStore, scope
from workbench.optimize import Optimized, RandomSearch, Space, optimize
from workbench.optimize.blueprint import Blueprint
from workbench.optimize.front import hypervolume
from workbench.optimize.joint import JointSearch, growth

SPACE: Space = {**towns.SPACE, "demo_set": [1, 2], "instructions": [None, "Copy the town.", "Be brief."]}


def search(world: towns.World, space: Space = SPACE, **options: int) -> Optimized:
    """The joint search in the small world, quality against tokens."""
    found = JointSearch(space, first_cases=4, costs=("tokens",), **{"candidates": 16, **options})
    with scope(run=towns.RUN):
        return optimize(towns.start(), [found], world.task)


def test_it_finds_what_the_pupil_needs(store: CallStore) -> None:
    """Three demos make everything right; it begins with a quarter."""
    found = search(towns.World(store=store))

    assert (0.25, 1.0) == (found.trials[0].score, found.best.score)
    assert "demos" in found.best.changes


def test_no_candidate_is_tried_twice(store: CallStore) -> None:
    """Each is one trial, on as many cases as it came; some were not worth all of them."""
    found = search(towns.World(store=store))
    specs = [(trial.spec.digest, trial.program_digest) for trial in found.trials]

    assert len(set(specs)) == len(specs)
    assert any(not trial.complete for trial in found.trials)


def test_no_case_is_asked_twice_even_without_a_store() -> None:
    """Going on with a candidate begins where it was left."""
    world = towns.World()
    found = search(world, candidates=12)

    assert sum(trial.cases for trial in found.trials) == world.calls


def test_the_same_seed_tries_the_same(store: CallStore) -> None:
    """In the same order, with the same outcome; another seed tries others."""
    first, again, other = (
        [trial.agent_digest for trial in search(towns.World(seed=seed), candidates=12).trials] for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


@pytest.mark.parametrize("limit", [12, 13, 30, 60])
def test_the_budget_is_never_exceeded(limit: int, store: CallStore) -> None:
    """And the best complete trial stands."""
    world = towns.World(store=store, budget=Budget(calls=limit))
    found = search(world)

    assert world.calls == found.spent.calls <= limit
    assert found.best.complete


def test_a_share_of_the_budget_is_kept_to_complete_candidates(store: CallStore) -> None:
    """With 60 calls, 12 of them for the start, others than the start are complete."""
    found = search(towns.World(store=store, budget=Budget(calls=60)))

    assert sum(trial.complete for trial in found.trials) >= 2


def test_it_goes_on_with_what_others_tried(store: CallStore) -> None:
    """Trials of the random search that are points of the space are not made again."""
    world = towns.World(store=store)
    with scope(run=towns.RUN):
        found = optimize(
            towns.start(),
            [
                RandomSearch(towns.SPACE, candidates=4),
                JointSearch(towns.SPACE, candidates=12, first_cases=4, costs=("tokens",)),
            ],
            replace(world.task, seed=3),
        )
    complete = [(trial.spec.digest, trial.program_digest) for trial in found.trials if trial.complete]

    assert {"start", "random_search"} <= {trial.origin for trial in found.trials}
    assert len(set(complete)) == len(complete)


def test_idle_knobs_make_no_new_candidate() -> None:
    """Without demos nothing hangs on how they are chosen; BM25 fuses nothing."""
    world = towns.World()
    space: Space = {"demos": [0, 2], "demo_choice": ["fixed", "nearest"], "index.rrf_k": [10.0, 60.0]}
    drawn = Blueprint(world.task, towns.start(), space)
    rng = np.random.default_rng(1)
    points = {tuple(sorted(drawn.draw(rng).items())) for _ in range(100)}

    assert 3 == len(points)


def test_instructions_and_demo_sets_are_in_the_program() -> None:
    """The text is what the predictor is told; two draws show other demos, and none is longer than a prompt shows."""
    world = towns.World()
    drawn = Blueprint(world.task, towns.start(), SPACE)
    point: dict[str, JsonValue] = {"demos": 3, "demo_choice": "fixed", "layout": "json", "instructions": "Be brief."}
    states = [drawn.spec({**point, "demo_set": number}).program.predictors["fill"] for number in (1, 2)]

    assert [True, True] == ["'Be brief.'" in str(state["signature"]) for state in states]
    assert states[0]["demos"] != states[1]["demos"]


def test_the_start_is_a_point_of_its_own() -> None:
    """With its own instructions and demos, also where the space lacks its values."""
    world = towns.World()
    drawn = Blueprint(world.task, towns.start(), {"demos": [2, 4]})

    assert {"demos": 0} == drawn.origin
    assert towns.start() == drawn.spec(drawn.origin)
    assert [0.0, 0.5, 1.0] == [float(drawn.code({"demos": count})[0]) for count in (0, 2, 4)]


def test_growth_is_that_of_the_hypervolume() -> None:
    """Up to a factor: over many directions the ratio of two gains is that of the exact volumes."""
    rng = np.random.default_rng(5)
    directions = np.abs(rng.normal(size=(200_000, 2)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    front = np.array([[0.9, 0.2], [0.4, 0.6]])
    points = np.array([[0.7, 0.5], [0.5, 0.9]])

    def volume(*rows: np.ndarray) -> float:
        return hypervolume([[-one for one in row] for row in rows], [0.0, 0.0])

    exact = [volume(*front, point) - volume(*front) for point in points]
    gained = growth(points, front, directions)
    assert exact[0] / exact[1] == pytest.approx(gained[0] / gained[1], rel=0.01)


def test_an_empty_space_is_refused() -> None:
    """With what to add."""
    with pytest.raises(OptimizeError, match=r"joint_search: the space names no knob; add some under optimize\.space"):
        search(towns.World(), {})


def test_an_unknown_knob_is_refused() -> None:
    """With the nearest known one."""
    with pytest.raises(ConfigError, match=r"knob 'demo': an agent has no such knob; did you mean .demos."):
        search(towns.World(), {"demo": [1]})


def test_an_unknown_cost_is_refused() -> None:
    """With the nearest known one."""
    with pytest.raises(EvaluationError, match=r"has no metric 'token'; did you mean .tokens."):
        optimize(towns.start(), [JointSearch(SPACE, costs=("token",))], towns.World().task)
