"""The one form of a call's arguments: defaults filled in, numbers of their types, sets in one order.

Two calls that a tool can't tell apart must be one action, under one approval and before the same policies.
"""

from collections.abc import Mapping

from pydantic import BaseModel, JsonValue
from pydantic_core import to_jsonable_python

from workbench.core import canonical_json


def dumped(checked: BaseModel) -> dict[str, JsonValue]:
    """A function's checked arguments as JSON that gives the same arguments again."""
    form: dict[str, JsonValue] = to_jsonable_python(_ordered(checked.model_dump()))
    return form


def filled(
    properties: Mapping[str, Mapping[str, JsonValue]], arguments: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Arguments with their schema's defaults, and numbers of the type that it says; what it nests stays as it is.

    >>> filled({"amount": {"type": "number"}, "note": {"type": "string", "default": ""}}, {"amount": 10})
    {'amount': 10.0, 'note': ''}
    """
    defaults = {name: schema["default"] for name, schema in properties.items() if schema.get("default") is not None}
    given = {**arguments, **{name: value for name, value in defaults.items() if name not in arguments}}
    return {name: _number(value, properties.get(name, {}).get("type")) for name, value in given.items()}


def _number(value: JsonValue, kind: JsonValue) -> JsonValue:
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _ordered(value: object) -> object:
    """Sets as lists in an order that each process agrees on."""
    if isinstance(value, dict):
        return {name: _ordered(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    if isinstance(value, set | frozenset):
        items: list[JsonValue] = [to_jsonable_python(_ordered(item)) for item in value]
        return sorted(items, key=canonical_json)
    return value
