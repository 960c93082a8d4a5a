"""What a model may say is next, as records, and the schema that holds it to them."""

from collections.abc import Iterable, Mapping

from pydantic import Field, JsonValue

from workbench.agents.schema import argument_schema, typed
from workbench.core import Record
from workbench.tools import Tool

MOST_WRITTEN = 1000
"""Characters of an answer or a question."""


class CallTool(Record):
    """Call a tool."""

    tool: str
    arguments: dict[str, JsonValue]


class Answer(Record):
    """Answer the user."""

    answer: str = Field(min_length=1)


class Ask(Record):
    """Ask the user for what is missing."""

    ask: str = Field(min_length=1)


class HandOver(Record):
    """Leave it to a person, and say why."""

    hand_over: str = Field(min_length=1)


class Action(Record):
    """What is next."""

    next: CallTool | Answer | Ask | HandOver


def action_schema(tools: Iterable[Tool]) -> dict[str, JsonValue]:
    """The schema of an action over these tools: each with its own arguments, and everything bounded."""
    calls = [_call(tool) for tool in tools]
    return closed({"next": {"anyOf": [*calls, *(written(name) for name in ("answer", "ask", "hand_over"))]}})


def written(name: str) -> dict[str, JsonValue]:
    """The schema of an object with one bounded text."""
    return closed({name: {"type": "string", "minLength": 1, "maxLength": MOST_WRITTEN}})


def closed(properties: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The schema of an object that has all of these properties and no other."""
    names: list[JsonValue] = [*properties]
    return {"type": "object", "properties": dict(properties), "required": names, "additionalProperties": False}


def _call(tool: Tool) -> dict[str, JsonValue]:
    name: JsonValue = {"type": "string", "enum": [tool.spec.name]}
    return closed({"tool": name, "arguments": _arguments(tool)})


def _arguments(tool: Tool) -> dict[str, JsonValue]:
    """The schema of a tool's arguments; the gate has the last word, so that this one may leave things open.

    What has neither a type nor a choice of them, such as a constant, stands as the tool says it. What a schema defines
    apart can't be pointed at from inside another.
    """
    if "$defs" in tool.spec.parameters:
        return {"type": "object"}
    schema = argument_schema(tool.spec, "declared")
    bounded = schema["properties"]
    if not isinstance(bounded, dict):
        return schema
    own = {name: said for name, said in tool.spec.properties.items() if not typed(said)}
    return {**schema, "properties": {**bounded, **own}}
