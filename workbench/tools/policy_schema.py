"""The Cedar schema of some tools: what policies may speak of, made from the tools' own schemas.

A principal is `User::"jo@acme"` in `Role::"support"` and in `Tenant::"acme"`; an action is a tool, `Action::"refund"`,
in the group of its effect, `Action::"irreversible"`; the resource is the tenant. The context says what `CONTEXT` names,
and `arguments`: those that the policies name, with the types that Cedar has for them.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from pydantic import JsonValue

from workbench.tools.errors import ToolError
from workbench.tools.tool import Tool

CONTEXT: Mapping[str, JsonValue] = {
    "approved": {"type": "Boolean"},
    "control": {"type": "String"},
    "confidentiality": {"type": "Long"},
    "sources": {"type": "Set", "element": {"type": "String"}},
    "risk": {"type": "String"},
    "occasion": {"type": "String"},
    "session": {"type": "String"},
}
"""approved: whether a person granted just this call. control: "trusted" or "untrusted", what decides what is done.
confidentiality: of all arguments, 0 public to 3 secret. sources: what they were made from."""
EFFECTS = ("read", "write", "external", "irreversible")

_LARGEST = 2**63 - 1  # Cedar's Long
_DECIMALS = 4  # Cedar's decimal


def mentioned(names: Collection[str], text: str) -> frozenset[str]:
    """Those names that a text could speak of; a policy that hides a name behind an escape fails its validation."""
    words = frozenset(re.findall(r"\w+", text))
    return frozenset(name for name in names if name in text and (name in words or not re.fullmatch(r"\w+", name)))


def schema_of(tools: Sequence[Tool], text: str) -> str:
    """The schema for policies of that text, as Cedar's JSON."""
    actions: dict[str, JsonValue] = {effect: {} for effect in EFFECTS}
    for tool in tools:
        if tool.spec.name in EFFECTS:
            raise ToolError(f"tool {tool.spec.name!r}: is named like an effect; give it another name")
        shape: dict[str, JsonValue] = {"type": "Record", "attributes": _context(tool, text)}
        applies: JsonValue = {"principalTypes": ["User"], "resourceTypes": ["Tenant"], "context": shape}
        actions[tool.spec.name] = {"memberOf": [{"id": tool.facts.effect}], "appliesTo": applies}
    entities: JsonValue = {"Role": {}, "Tenant": {}, "User": {"memberOfTypes": ["Role", "Tenant"]}}
    return json.dumps({"": {"entityTypes": entities, "actions": actions}})


def _context(tool: Tool, text: str) -> dict[str, JsonValue]:
    said: dict[str, JsonValue] = {name: CONTEXT[name] for name in CONTEXT if name in mentioned(CONTEXT, text)}
    arguments = argument_types(tool, text)
    required: dict[str, JsonValue] = {
        name: {**kind, "required": name in tool.spec.required} for name, kind in arguments.items()
    }
    said["arguments"] = {"type": "Record", "attributes": required}
    return said


def argument_types(tool: Tool, text: str) -> dict[str, dict[str, JsonValue]]:
    """Cedar's types of the arguments that the text could speak of; one that has no type in Cedar is absent.

    Whoever speaks of an absent one gets an error when the policies are read, not a surprise when they decide.
    """
    names = mentioned(tool.spec.properties, text)
    kinds = {name: _kind(schema) for name, schema in tool.spec.properties.items() if name in names}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _kind(schema: Mapping[str, JsonValue]) -> dict[str, JsonValue] | None:
    match schema.get("type"):
        case "string":
            return {"type": "String"}
        case "integer":
            return {"type": "Long"}
        case "boolean":
            return {"type": "Boolean"}
        case "number":
            return {"type": "Extension", "name": "decimal"}
        case "array":
            items = schema.get("items")
            element = _kind(items) if isinstance(items, dict) else None
            return None if element is None else {"type": "Set", "element": element}
    return None


def as_cedar(value: JsonValue, kind: Mapping[str, JsonValue]) -> JsonValue:
    """A value as Cedar's JSON; exact, for a rounded number could slip under a limit.

    Raises: ToolError if Cedar can't hold it.
    """
    if kind["type"] == "Set" and isinstance(value, list) and isinstance(kind["element"], dict):
        return [as_cedar(item, kind["element"]) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = Decimal(str(value))
    scaled = number.scaleb(_DECIMALS if kind["type"] == "Extension" else 0)
    if scaled != scaled.to_integral_value() or abs(scaled) > _LARGEST:
        raise ToolError("a number has more than 4 decimal places or is too large for the policies; round it first")
    if kind["type"] == "Long":
        return int(number)
    return {"__extn": {"fn": "decimal", "arg": f"{number:.{_DECIMALS}f}"}}
