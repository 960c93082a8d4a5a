"""Which cases a winner fixed, and which of its edits it could do without."""

import pytest
import towns

from workbench.agents import AgentSpec
from workbench.core import OptimizeError
from workbench.lms import CallStore, scope
from workbench.optimize import NearestDemos, optimize, vary
from workbench.optimize.explain import Explanation, explain_win, find_edits, render_explanation
from workbench.optimize.fewshot import taught
from workbench.optimize.search import Task


def winner_of(world: towns.World, *, demos: int = 5) -> AgentSpec:
    """Five fixed demos, where three make everything right, and a layout that is long and brings nothing."""
    spec = taught(towns.start(), world.task)
    return vary(spec, {"demos": demos, "demo_choice": "fixed", "layout": "json"})


def explained(world: towns.World) -> Explanation:
    """That winner against the start."""
    with scope(run=towns.RUN):
        return explain_win(world.task, towns.start(), winner_of(world))


def test_the_flips_are_the_cases_that_were_wrong(store: CallStore) -> None:
    """Nine of twelve, each with what was asked."""
    found = explained(towns.World(store=store))

    assert (9, 0.75) == (len(found.flips), found.gain.difference)
    assert {(0.0, 1.0)} == {(flip.before, flip.after) for flip in found.flips}
    assert 9 == sum(group.fixed for group in found.clusters)


def test_edits_that_bring_nothing_are_dropped_and_those_that_do_are_kept(store: CallStore) -> None:
    """The layout goes and two of five demos; three stay, with the whole gain and fewer tokens."""
    found = explained(towns.World(store=store))
    dropped = {effect.edit for effect in found.effects if effect.dropped}

    assert "layout" in dropped
    assert 2 == sum(name.startswith("demo ") for name in dropped)
    assert "demos" not in dropped
    assert (3, "signature", 1.0) == (found.smallest.demos, found.smallest.layout, found.kept)
    assert 0.3 <= found.tokens_saved < 1


def test_the_demos_together_carry_the_gain(store: CallStore) -> None:
    """Undone alone they lose all of it; one of the five loses nothing."""
    losses = {effect.edit: effect.loss.difference for effect in explained(towns.World(store=store)).effects}

    assert (-0.75, 0.0) == (losses["demos"], losses["demo 1"])


def test_every_smaller_number_of_nearest_demos_is_tried(store: CallStore) -> None:
    """From five to the three that are enough; each number is a line, and says what it would have cost."""
    world = towns.World(store=store)
    with scope(run=towns.RUN):
        optimize(towns.start(), [NearestDemos()], world.task)
        winner = vary(taught(towns.start(), world.task), {"demos": 5, "demo_choice": "nearest"})
        found = explain_win(world.task, towns.start(), winner)
    beyond = {effect.edit[-1]: effect for effect in found.effects if effect.edit.startswith("nearest demos beyond")}

    assert (3, 1.0) == (found.smallest.demos, found.kept)
    assert {"4": True, "3": True, "2": False, "1": False} == {name: effect.dropped for name, effect in beyond.items()}
    assert [0.0, 0.0] == [beyond["4"].loss.difference, beyond["3"].loss.difference]
    assert (beyond["2"].loss.difference or 0.0) < 0
    assert beyond["1"].tokens_saved > beyond["2"].tokens_saved > 0


def test_a_number_that_fails_between_two_that_do_not_stops_nothing(store: CallStore) -> None:
    """A model that two demos confuse is no worse with one than with three."""

    def odd(prompt: str) -> str:
        shown = prompt.count("Arguments:\n{")
        return towns.pupil("Arguments:\n{" * 3 + prompt) if shown % 2 else "{}"

    world = towns.World(store=store, answer=odd)
    with scope(run=towns.RUN):
        winner = vary(taught(towns.start(), world.task), {"demos": 3, "demo_choice": "nearest"})
        found = explain_win(world.task, towns.start(), winner)
    dropped = {effect.edit: effect.dropped for effect in found.effects}

    assert 1 == found.smallest.demos
    assert found.kept >= 1.0
    assert dropped["nearest demos beyond 2"]
    assert dropped["nearest demos beyond 1"]


def test_changed_instructions_are_an_edit() -> None:
    """Undoing it gives back the start's words."""
    world = towns.World()
    start = taught(towns.start(), world.task)
    states = dict(start.program.predictors)
    signature = dict(states["fill"]["signature"]) | {"instructions": "Shout."}  # type: ignore[arg-type]
    states["fill"] = {**states["fill"], "signature": signature}
    winner = start.model_copy(update={"program": start.program.model_copy(update={"predictors": states})})
    edits = find_edits(world.task, start, winner)

    assert [("fill instructions", "Shout.")] == [(edit.name, edit.change) for edit in edits]
    assert start == edits[0].undo(winner)


def test_without_a_gain_there_is_nothing_to_explain(store: CallStore) -> None:
    """A draw is said to be one."""
    world = towns.World(store=store)
    task: Task = world.task
    with pytest.raises(OptimizeError, match=r"the winner's gain on val is \+0.000; there is nothing to explain"):
        explain_win(task, towns.start(), towns.start())


def test_the_explanation_in_words(store: CallStore) -> None:
    """Gain, flips, groups, edits and what is left, in a page of 100 columns."""
    shown = render_explanation(explained(towns.World(store=store)))

    assert shown.startswith("task_success: winner minus start is +0.750 [")
    for part in ("fixed", "cluster", "dropped  layout", "the smallest variant keeps 100 % of the gain"):
        assert part in shown
    assert all(len(line) <= 120 for line in shown.splitlines())
