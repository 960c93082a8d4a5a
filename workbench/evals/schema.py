"""Do arguments fit a tool's declaration? Declarations as JSON Schema, compiled once."""

from functools import lru_cache

import jsonschema_rs
import orjson
from pydantic import JsonValue

from workbench.core import ToolSpec

_TYPES = {"dict": "object", "float": "number", "tuple": "array"}
_NAMED = ("properties", "patternProperties", "$defs", "definitions")
"""Keywords whose value maps free names to schemas."""
_NESTED = ("items", "additionalProperties", "anyOf", "oneOf", "allOf", "not", "prefixItems")
"""Keywords whose value is a schema or a list of schemas."""


def json_schema(parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """A tool's parameters as JSON Schema: the leaderboard's type names become JSON's, "any" allows anything.

    Arguments that the tool does not declare are refused unless it says otherwise: nothing could take them.

    >>> json_schema({"type": "dict", "properties": {"x": {"type": "float"}}})
    {'type': 'object', 'properties': {'x': {'type': 'number'}}, 'additionalProperties': False}
    """
    schema = {"type": "object", **_object(parameters)}
    return {**schema, "additionalProperties": schema.get("additionalProperties", False)}


def misfit(tool: ToolSpec, arguments: dict[str, JsonValue]) -> str:
    """Why the arguments don't fit the tool's schema, in words; empty if they fit.

    Raises: jsonschema_rs.ValidationError if the tool's own schema is not one.
    """
    error = next(_validator(orjson.dumps(json_schema(tool.parameters))).iter_errors(arguments), None)
    if error is None:
        return ""
    where = ".".join(str(part) for part in error.instance_path)
    return f"argument {where!r}: {error.message}" if where else error.message


@lru_cache(maxsize=4096)
def _validator(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(orjson.loads(schema))


def _object(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    converted: dict[str, JsonValue] = {}
    for keyword, value in schema.items():
        if keyword == "type":
            if value != "any":
                converted[keyword] = _TYPES.get(value, value) if isinstance(value, str) else value
        elif keyword in _NAMED and isinstance(value, dict):
            converted[keyword] = {name: _any(inner) for name, inner in value.items()}
        elif keyword in _NESTED:
            converted[keyword] = [_any(inner) for inner in value] if isinstance(value, list) else _any(value)
        else:
            converted[keyword] = value
    return converted


def _any(schema: JsonValue) -> JsonValue:
    return _object(schema) if isinstance(schema, dict) else schema
