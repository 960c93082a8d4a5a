"""The JSON Schema that a tool's arguments must fit, bounded so that a small model can't run on for ever."""

from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from workbench.core import ToolSpec

Arguments = Literal["required", "declared"]
"""Which arguments a model may fill: only those a call must have, or all the tool declares."""

JSON_TYPES: Mapping[str, str] = {
    "dict": "object",
    "float": "number",
    "tuple": "array",
    "any": "string",
    "object": "object",
    "number": "number",
    "array": "array",
    "string": "string",
    "integer": "integer",
    "boolean": "boolean",
}
"""JSON Schema's name for each type name a tool may declare. Source: the type names of the Berkeley
Function-Calling Leaderboard v4; "any" is a string there as well."""

MOST_CHARACTERS = 200
MOST_ITEMS = 12
MOST_KEYS = 8
LARGEST_INTEGER = 10**15
"""Digits run on too. Numbers with a fraction have no bound that a grammar could keep: there the token limit ends it."""
_BOUNDS: Mapping[str, Mapping[str, JsonValue]] = {
    "string": {"maxLength": MOST_CHARACTERS},
    "integer": {"minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER},
}


_CHOICES = ("anyOf", "oneOf")


def argument_schema(tool: ToolSpec, which: Arguments) -> dict[str, JsonValue]:
    """The schema of a call's arguments: required ones first, nothing else allowed, everything bounded."""
    required = [name for name in tool.required if name in tool.properties]
    optional = [name for name in tool.properties if name not in required] if which == "declared" else []
    return {
        "type": "object",
        "properties": {name: _bounded(tool.properties[name]) for name in (*required, *optional)},
        "required": list(required),
        "additionalProperties": False,
    }


def _bounded(declared: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    if choices := _choices(declared):
        return {"anyOf": [_bounded(one) if typed(one) else dict(one) for one in choices]}
    if declared.get("type") == "null":
        return {"type": "null"}
    kind = JSON_TYPES.get(str(declared.get("type", "string")), "string")
    values = [declared["const"]] if "const" in declared else declared.get("enum")
    if isinstance(values, list) and (allowed := [value for value in values if _is(value, kind)]):
        return {"type": kind, "enum": allowed}
    if kind == "object":
        return _object(declared)
    if kind == "array":
        items = declared.get("items")
        return {"type": "array", "items": _bounded(items if isinstance(items, dict) else {}), "maxItems": MOST_ITEMS}
    return {"type": kind, **_BOUNDS.get(kind, {})}


def typed(declared: Mapping[str, JsonValue]) -> bool:
    """Whether a schema says of what type a value is, or of which it may be."""
    return not {"type", *_CHOICES}.isdisjoint(declared)


def _choices(declared: Mapping[str, JsonValue]) -> list[Mapping[str, JsonValue]]:
    """What it may be one of, such as an integer or nothing; none if it is one thing."""
    for name in _CHOICES:
        if isinstance(listed := declared.get(name), list):
            return [one for one in listed if isinstance(one, dict)]
    kinds = declared.get("type")
    return [{**declared, "type": kind} for kind in kinds] if isinstance(kinds, list) else []


def _is(value: JsonValue, kind: str) -> bool:
    """Whether an enum's value has its declared type; the leaderboard has booleans with an enum of strings."""
    if isinstance(value, bool):
        return kind == "boolean"
    kinds: Mapping[str, type | tuple[type, ...]] = {"string": str, "integer": int, "number": (int, float)}
    return isinstance(value, kinds.get(kind, ()))


def _object(declared: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    inner = declared.get("properties")
    if not isinstance(inner, dict) or not inner:
        free: JsonValue = {"type": "string", "maxLength": MOST_CHARACTERS}
        return {"type": "object", "additionalProperties": free, "maxProperties": MOST_KEYS}
    needed = declared.get("required")
    return {
        "type": "object",
        "properties": {name: _bounded(schema if isinstance(schema, dict) else {}) for name, schema in inner.items()},
        "required": [name for name in needed if name in inner] if isinstance(needed, list) else [],
        "additionalProperties": False,
    }
