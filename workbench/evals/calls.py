"""Is a call right? The rules by which the Berkeley Function-Calling Leaderboard grades a Python call.

A call names a tool and gives its arguments; the expectation lists for each argument the values that are
right, the empty string among them if the argument may be left out. These are the leaderboard's published
rules with their odd corners, because scores are only comparable under the same rules:

- Text is compared without case, without spaces and without `, . / - _ * ^`; single quotes equal double ones.
- An integer is right where a float is declared, but not inside a list of floats.
- The first expected value that is not the empty string says which type is really wanted. If that is not the
  declared type, values are compared as they are, text included ("variable" in the leaderboard's words).
- A list may be empty where it may be left out. "any" means text, as in the leaderboard.
- Inside an expected dictionary every value is again a list of right values; deeper nesting can't be right.

Where the reference raises it has no answer. On the leaderboard's own expectations only an integer too large for a
float does that; here it is simply not right. An expected value that could not be compared with any list or
dictionary (`null` among lists, say) never matches, and the other expected values still count.

Source: Patil et al. 2025, The Berkeley Function Calling Leaderboard, ICML; the rules of version 4 as of the
package bfcl-eval 2026.3.23.
"""

import re
from collections.abc import Sequence

from pydantic import JsonValue

from workbench.core import ExpectedCall, ToolCall

TYPES: dict[str, type] = {
    "any": str,
    "array": list,
    "boolean": bool,
    "dict": dict,
    "float": float,
    "integer": int,
    "number": float,
    "object": dict,
    "string": str,
    "tuple": list,
}
"""The Python type of each type name: the leaderboard's and, where they differ, JSON Schema's."""

_IGNORED = re.compile(r"[ ,./\-_*^]")


def grade_call(expected: ExpectedCall, name: str, arguments: dict[str, JsonValue]) -> str:
    """Why a call is wrong, in words; empty if it is right.

    >>> from workbench.core import ToolSpec
    >>> text = {"type": "string"}
    >>> schema = {"type": "dict", "properties": {"city": text, "day": text}, "required": ["city"]}
    >>> tool = ToolSpec(name="forecast", parameters=schema)
    >>> expected = ExpectedCall(tool=tool, arguments={"city": ["New York"], "day": ["today", ""]})
    >>> grade_call(expected, "forecast", {"city": "new york"})
    ''
    >>> grade_call(expected, "forecast", {"day": "today"})
    "argument 'city': is required and missing"
    """
    if name != expected.tool.name:
        return f"tool {name!r}: was called instead of {expected.tool.name!r}"
    missing = next((required for required in expected.tool.required if required not in arguments), None)
    if missing is not None:
        return f"argument {missing!r}: is required and missing"
    properties = expected.tool.properties
    for argument, value in arguments.items():
        if argument not in properties or argument not in expected.arguments:
            return f"argument {argument!r}: should not be there"
        problem = grade_value(properties[argument], value, expected.arguments[argument])
        if problem:
            return f"argument {argument!r}: {problem}"
    left_out = (name for name, right in expected.arguments.items() if name not in arguments and "" not in right)
    return next((f"argument {argument!r}: may not be left out" for argument in left_out), "")


def grade_calls(expected: Sequence[ExpectedCall], calls: Sequence[ToolCall]) -> str:
    """Why some calls are not the expected ones, in words; empty if they are. Their order does not matter.

    Each expected call, in order, takes the first call left that is right for it and never gives it back: where one
    call is right for two expected ones, this can refuse what another pairing would accept, as the leaderboard does.
    """
    if len(calls) != len(expected):
        return f"{len(calls)} calls: were made instead of {len(expected)}"
    left = list(calls)
    for wanted in expected:
        right = (place for place, call in enumerate(left) if not grade_call(wanted, call.name, call.arguments))
        place = next(right, None)
        if place is None:
            return f"tool {wanted.tool.name!r}: no call that is left is right for it"
        del left[place]
    return ""


def grade_value(schema: dict[str, JsonValue], value: JsonValue, right: Sequence[JsonValue]) -> str:
    """Why one argument's value is wrong, in words; empty if it is right. `schema` is the argument's own.

    >>> grade_value({"type": "float"}, 3, [3.0])
    ''
    >>> grade_value({"type": "array", "items": {"type": "float"}}, [3], [[3.0]])
    '[3]: is not an array of float'
    """
    declared = TYPES.get(str(schema.get("type")), str)
    inner = _inner_type(schema) if declared is list else None
    if schema.get("type") in ("float", "number") and type(value) is int:
        value = _as_float(value)
    wanted = _wanted_type(right)
    as_declared = type(value) is declared
    if as_declared and inner is not None and not _items_fit(value, right, inner):
        return f"{value!r}: is not an array of {_items(schema).get('type')}"
    if not as_declared and (wanted is None or type(value) is not wanted):
        return f"{value!r}: is not of type {schema.get('type')}"
    as_wanted = as_declared and wanted in (None, declared)
    matches = _matches(value, right, inner) if as_wanted else value in right
    return "" if matches else f"{value!r}: is none of {list(right)!r}"


def _matches(value: JsonValue, right: Sequence[JsonValue], inner: type | None) -> bool:
    if isinstance(value, dict):
        return any(_dictionary_matches(value, option) for option in right if option != "")
    if isinstance(value, list):
        if inner is dict:
            return any(_dictionaries_match(value, option) for option in right)
        return _plain_list(value) in [_plain_list(option) for option in right if isinstance(option, list | str)]
    if isinstance(value, str):
        return plain(value) in [plain(option) for option in right if isinstance(option, str)]
    return value in right


def _dictionary_matches(value: JsonValue, option: JsonValue) -> bool:
    if not isinstance(value, dict) or not isinstance(option, dict):
        return False
    for key, item in value.items():
        allowed = option.get(key)
        if not isinstance(allowed, list | str):
            return False
        if (plain(item) if isinstance(item, str) else item) not in _plain_list(allowed):
            return False
    # A text in place of a list of values contains the empty text, so its key may be left out, as in the reference.
    return all(key in value or (isinstance(allowed, list | str) and "" in allowed) for key, allowed in option.items())


def _dictionaries_match(value: list[JsonValue], option: JsonValue) -> bool:
    if not isinstance(option, list | str) or len(value) != len(option):
        return False
    return all(_dictionary_matches(item, wanted) for item, wanted in zip(value, option, strict=True))


def plain(text: str) -> str:
    """Text as it is compared.

    >>> plain("April 1, 2024") == plain("april 1 2024")
    True
    """
    return _IGNORED.sub("", text).lower().replace("'", '"')


def _plain_list(values: list[JsonValue] | str) -> list[JsonValue]:
    return [plain(value) if isinstance(value, str) else value for value in values]


def _wanted_type(right: Sequence[JsonValue]) -> type | None:
    """The type of the first right value; None if there is only the empty text, or nothing."""
    return next((type(option) for option in right if option != ""), None)


def _items(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    items = schema.get("items")
    return items if isinstance(items, dict) else {}


def _inner_type(schema: dict[str, JsonValue]) -> type | None:
    """The declared type of a list's items; None if it declares none."""
    items = _items(schema)
    return TYPES.get(str(items.get("type")), str) if "type" in items else None


def _items_fit(value: JsonValue, right: Sequence[JsonValue], inner: type) -> bool:
    """Whether every item has the declared type, or the type that items have in one of the right lists."""
    assert isinstance(value, list), "only called for lists"
    for option in right:
        if not isinstance(option, list):
            return True
        wanted = _wanted_type(option)
        if all(type(item) is inner or (wanted is not None and type(item) is wanted) for item in value):
            return True
    return False


def _as_float(value: int) -> float | int:
    try:
        return float(value)
    except OverflowError:
        return value
