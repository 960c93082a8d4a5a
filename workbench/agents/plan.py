"""Plans: steps whose arguments are constants, parts of earlier results, or typed readings of them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydantic import Field, JsonValue

from workbench.agents.quarantine import Shape
from workbench.core import AgentError, Record, ToolSpec, nearest
from workbench.tools import Tool

MOST_STEPS = 12


class Constant(Record):
    """What the planner wrote."""

    value: JsonValue


class Reference(Record):
    """A part of what an earlier step returned."""

    step: int = Field(ge=1)
    """From 1."""
    pointer: str = ""
    """A JSON pointer into the step's value; "" is all of it. Source: RFC 6901."""


class Reading(Record):
    """A typed value that a model without tools reads out of a part of what an earlier step returned."""

    step: int = Field(ge=1)
    pointer: str = ""
    question: str = Field(min_length=1, max_length=300)
    shape: Shape


Argument = Constant | Reference | Reading


class PlannedStep(Record):
    """A call to come."""

    tool: str
    arguments: dict[str, Argument] = Field(default_factory=dict)


class Plan(Record):
    """Calls in their order. Nothing that a tool returns adds, changes or skips a step; it can only stop the plan."""

    steps: tuple[PlannedStep, ...] = Field(min_length=1, max_length=MOST_STEPS)


def objections(plan: Plan, tools: Mapping[str, Tool]) -> tuple[str, ...]:
    """Why a plan can't be carried out, step by step; none if nothing is known against it.

    Checked are names, order, what must be given, constants against their schema, and pointers against what the
    earlier tool says it returns.
    """
    return tuple(
        f"step {number}: {why}"
        for number, step in enumerate(plan.steps, start=1)
        for why in _against(step, plan.steps[: number - 1], tools)
    )


def _against(step: PlannedStep, before: tuple[PlannedStep, ...], tools: Mapping[str, Tool]) -> Iterable[str]:
    tool = tools.get(step.tool)
    if tool is None:
        yield f"there is no tool of that name; {nearest(step.tool, tools)}"
        return
    unknown = sorted(step.arguments.keys() - tool.spec.properties.keys())
    missing = [name for name in tool.spec.required if name not in step.arguments]
    if unknown:
        yield f"tool {step.tool!r} has no argument {', '.join(map(repr, unknown))}"
    elif missing:
        yield f"tool {step.tool!r} needs the argument {', '.join(map(repr, missing))}"
    elif not _fit(tool, step):
        yield "a constant does not fit its schema"
    for name, argument in step.arguments.items():
        if not isinstance(argument, Constant) and not _may_stand(argument, before, tools):
            yield f"argument {name!r}: no earlier step {argument.step} returns something at that pointer"


def _may_stand(argument: Reference | Reading, before: tuple[PlannedStep, ...], tools: Mapping[str, Tool]) -> bool:
    """Whether an earlier step may return something there; a step of an unknown tool is objected to by itself."""
    names = _names(argument.pointer)
    if names is None or argument.step > len(before):
        return False
    source = tools.get(before[argument.step - 1].tool)
    return source is None or _leads(source.returns, names, source.returns)


def _fit(tool: Tool, step: PlannedStep) -> bool:
    """Whether the constants of a step are what its tool takes, whatever the other arguments turn out to be."""
    given = {name: one.value for name, one in step.arguments.items() if isinstance(one, Constant)}
    needed: list[JsonValue] = [name for name in tool.spec.required if name in given]
    spec = tool.spec
    part = ToolSpec(name=spec.name, description="", parameters={**spec.parameters, "required": needed})
    return replace(tool, spec=part).fits(given)


def look(value: JsonValue, pointer: str) -> JsonValue:
    """What stands at a JSON pointer. Source: RFC 6901.

    >>> look({"a/b": [1, 2]}, "/a~1b/1")
    2

    Raises: AgentError if nothing does.
    """
    names = _names(pointer)
    if names is None:
        raise AgentError(f"pointer {pointer!r}: does not begin with a slash")
    for name in names:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name in map(str, range(len(value))):
            value = value[int(name)]
        else:
            raise AgentError(f"pointer {pointer!r}: nothing stands there")
    return value


def _names(pointer: str) -> tuple[str, ...] | None:
    """The names on the way; None if it is no pointer."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        return None
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in pointer[1:].split("/"))


def _leads(schema: JsonValue, names: tuple[str, ...], root: Mapping[str, JsonValue]) -> bool:
    """False only if no value of the schema has something there; what the schema leaves open may."""
    if not names or not isinstance(schema, dict):
        return schema is not False
    reference = schema.get("$ref")
    if isinstance(reference, str):
        defined = root.get("$defs")
        target = defined.get(reference.rpartition("/")[2]) if isinstance(defined, dict) else None
        onward = isinstance(target, dict) and "$ref" in target  # it could lead round in a circle
        return onward or _leads(target, names, root)
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties")
        inside = properties if isinstance(properties, dict) else {}
        return _leads(inside.get(names[0], schema.get("additionalProperties", not inside)), names[1:], root)
    if kind == "array":
        return names[0].isdecimal() and _leads(schema.get("items", True), names[1:], root)
    return not isinstance(kind, str)
