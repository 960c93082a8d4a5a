"""Which solved requests an agent is shown, and where they come from."""

import json
from dataclasses import replace

import pytest
import towns
from pydantic import JsonValue

from workbench.agents import AgentSpec
from workbench.core import Budget, OptimizeError
from workbench.lms import CallStore, scope
from workbench.optimize import BootstrappedDemos, Mipro, NearestDemos, Optimizer, optimize


def demos(spec: AgentSpec) -> list[dict[str, JsonValue]]:
    """What the program shows where arguments are filled."""
    held = spec.program.predictors["fill"]["demos"]
    assert isinstance(held, list)
    return [demo for demo in held if isinstance(demo, dict)]


def tried(optimizer: Optimizer, world: towns.World) -> AgentSpec:
    """The one candidate of an optimizer, whole."""
    with scope(run=towns.RUN):
        found = optimize(towns.start(), [optimizer], world.task)
    last = found.trials[-1]
    return last.spec.model_copy(update={"program": found.programs[last.program_digest]})


def dunce(prompt: str) -> str:
    """Right in its own way of writing, but never about trains."""
    last = prompt.rpartition("\n\n")[2]
    return "{}" if "Request: When" in last else towns.pupil(prompt).replace(": ", " :  ")


@pytest.mark.parametrize(("labeled", "expected"), [(0, []), (7, ["trains"])])
def test_bootstrapped_demos_are_requests_the_agent_itself_solved(
    labeled: int, expected: list[str], store: CallStore
) -> None:
    """In the words it wrote; labelled cases fill up only if that is asked for."""
    shown = demos(tried(BootstrappedDemos(demos=8, labeled=labeled), towns.World(answer=dunce, store=store)))
    own = [demo for demo in shown if demo.get("augmented")]

    requests = {case.request: case for case in towns.TRAIN}
    assert len(own) >= 3
    for demo in own:
        assert "  " in str(demo["arguments"])
        town = json.loads(str(demo["arguments"]))["town"]
        assert str(demo["request"]).endswith(f" {town}?")
        assert str(demo["request"]) in requests
        assert "trains" not in str(demo["tool"])
    assert max(labeled, len(own)) == len(shown)
    assert set(expected) <= {json.loads(str(demo["tool"]))["name"] for demo in shown if demo not in own}


def test_bootstrapping_is_paid_from_the_budget(store: CallStore) -> None:
    """Twelve calls try the start, four solve demos: with thirteen there is no candidate."""
    world = towns.World(store=store, budget=Budget(calls=13))
    with scope(run=towns.RUN):
        found = optimize(towns.start(), [BootstrappedDemos()], world.task)

    assert (1, 13) == (len(found.trials), world.calls)
    assert "budget 'calls': 14 would exceed the limit of 13" in found.stopped


def test_nearest_demos_hold_every_solved_training_case(store: CallStore) -> None:
    """And none of validation; a case that wants no call shows nothing."""
    shown = demos(tried(NearestDemos(), towns.World(store=store)))

    assert {case.request for case in towns.TRAIN[:-1]} == {str(demo["request"]) for demo in shown}


def test_demos_need_a_training_case_that_shows_something() -> None:
    """Abstentions alone teach nothing."""
    world = towns.World()
    world.task = replace(world.task, train=(towns.stray(1),))

    with pytest.raises(OptimizeError, match="no training case shows a call or an answer; enlarge the train split"):
        optimize(towns.start(), [NearestDemos()], world.task)


def test_mipro_brings_instructions_and_demos(store: CallStore) -> None:
    """The proposer's words are in a prompt that was tried; its calls are in the ledger under the same candidate."""
    world = towns.World(store=store, answer=_obedient, propose=towns.proposer)
    spec = tried(Mipro(), world)

    instructions = spec.program.predictors["fill"]["signature"]
    assert isinstance(instructions, dict)
    assert towns.ADVICE == instructions["instructions"]
    assert world.adviser.calls > 0
    paid = store.frame(towns.RUN).filter(store.frame(towns.RUN)["model"] == "scripted")
    assert world.calls == (~paid["cached"]).sum()


def _obedient(prompt: str) -> str:
    """Right only if it is told to copy the town."""
    return towns.pupil("Arguments:\n{" * 4 + prompt) if towns.ADVICE in prompt else '{"town": "nowhere"}'
