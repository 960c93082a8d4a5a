"""Between dspy's modules and JSON: what was learned, without versions, models or classes."""

from collections.abc import Mapping

import dspy
from pydantic import JsonValue

from workbench.agents.spec import Program
from workbench.core import AgentError

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

    Raises: AgentError if the program names a predictor the module lacks.
    """
    predictors: Mapping[str, dspy.Predict] = dict(module.named_predictors())
    for name, state in program.predictors.items():
        if name not in predictors:
            raise AgentError(
                f"program: predictor {name!r} is not in {type(module).__name__}; known: {', '.join(predictors)}"
            )
        full: dict[str, JsonValue] = {"traces": [], "train": [], "lm": None, **state}
        predictors[name].load_state(full)
