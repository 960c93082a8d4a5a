"""Between dspy's modules and JSON: what was learned, without versions, models or classes."""

import copy
from collections.abc import Mapping

import dspy
from pydantic import JsonValue

from workbench.agents.spec import Program
from workbench.core import AgentError, boundary

_KEPT = ("demos", "signature")


def read_program(module: dspy.Module) -> Program:
    """The learned state of each of a module's predictors.

    dspy's traces, training rows and bound models are left out: they are no part of what answers.
    """
    states = {name: predictor.dump_state() for name, predictor in module.named_predictors()}
    return Program.model_validate(
        {"predictors": {name: {key: state[key] for key in _KEPT} for name, state in states.items()}}
    )


def load_program(module: dspy.Module, program: Program) -> None:
    """Put a learned state into a module; predictors the program does not name stay as they are.

    Raises: AgentError if the program names a predictor the module lacks, or holds more or less than what is learned:
    dspy would take a model or any attribute from it.
    """
    predictors: Mapping[str, dspy.Predict] = dict(module.named_predictors())
    for name, state in program.predictors.items():
        if name not in predictors:
            raise AgentError(
                f"program: predictor {name!r} is not in {type(module).__name__}; known: {', '.join(predictors)}"
            )
        if set(state) != set(_KEPT):
            raise AgentError(f"program: predictor {name!r} holds {', '.join(sorted(state))}, not {', '.join(_KEPT)}")
        # A copy: what an optimizer changes in a predictor must not change the record it came from.
        full: dict[str, JsonValue] = {"traces": [], "train": [], "lm": None, **copy.deepcopy(state)}
        with boundary(AgentError, f"program: predictor {name!r} can't be loaded"):
            predictors[name].load_state(full)
