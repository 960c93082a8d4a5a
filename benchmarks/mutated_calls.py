"""Right calls, and calls that differ from them by a seeded change: what a grader must tell apart.

A change may leave a call right (another right value, a space, a letter's case): the reference decides, not the change.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from benchmarks.bfcl_reference import Row
from workbench.core import ExpectedCall, ToolCall

HUGE = 10**400
"""An integer that no float can hold."""


@dataclass(frozen=True)
class Mutant:
    """An answer to a row, and what kind of change made it."""

    row: Row
    kind: str
    calls: tuple[ToolCall, ...]


def first_right(row: Row) -> tuple[ToolCall, ...]:
    """The calls that the row itself names first: of each argument the first right value.

    The empty text is passed over, because it only says that an argument may be left out; an argument that lists
    nothing else is left out.
    """
    return tuple(_call(expected, lambda values: values[0]) for expected in row.expected)


def mutate(row: Row, kind: str, rng: random.Random) -> Mutant:
    """Right calls with right values drawn at random, of which one is changed in the way that `kind` names.

    Where there is nothing to change (no arguments, one call only) they stay as they are.
    """
    calls = [_call(expected, rng.choice) for expected in row.expected]
    if kind in _OF_ANSWERS:
        return Mutant(row, kind, tuple(_OF_ANSWERS[kind](calls, rng)))
    place = rng.randrange(len(calls))
    call, expected = calls[place], row.expected[place]
    if kind in _OF_CALLS:
        calls[place] = _OF_CALLS[kind](call, expected, rng)
    elif call.arguments:
        name = rng.choice(sorted(call.arguments))
        changed = _OF_VALUES[kind](call.arguments[name], rng)
        calls[place] = call.model_copy(update={"arguments": {**call.arguments, name: changed}})
    return Mutant(row, kind, tuple(calls))


def _call(expected: ExpectedCall, choose: Callable[[list[JsonValue]], JsonValue]) -> ToolCall:
    arguments: dict[str, JsonValue] = {}
    for name, values in expected.arguments.items():
        stated = [value for value in values if value != ""]
        if stated:
            arguments[name] = _settled(choose(stated), choose)
    return ToolCall(tool_id=expected.tool.name, name=expected.tool.name, arguments=arguments)


def _settled(value: JsonValue, choose: Callable[[list[JsonValue]], JsonValue]) -> JsonValue:
    """One value where an expectation's dictionary lists several right ones, directly or in a list of dictionaries."""
    if isinstance(value, list):
        return [_settled(item, choose) if isinstance(item, dict) else item for item in value]
    if not isinstance(value, dict):
        return value
    settled: dict[str, JsonValue] = {}
    for key, options in value.items():
        listed: list[JsonValue] = options if isinstance(options, list) else [options]
        stated = [option for option in listed if option != ""]
        if stated:
            settled[key] = choose(stated)
    return settled


def _other_value(value: JsonValue, rng: random.Random) -> JsonValue:
    """A value of the same type that is another one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return rng.choice([value + 1, -value, value * 10, value + 0.5 if isinstance(value, float) else value - 1])
    if isinstance(value, str):
        return rng.choice([value[:-1], f"{value}s", value[::-1], "", f"not {value}"])
    if isinstance(value, list):
        lists: list[list[JsonValue]] = [value[:-1], value[::-1], value + value[:1], []]
        return rng.choice(lists)
    if isinstance(value, dict) and value:
        left_out = rng.choice(sorted(value))
        shorter = {key: item for key, item in value.items() if key != left_out}
        return rng.choice([shorter, {**value, "surplus": 1}, {**shorter, left_out.upper(): value[left_out]}])
    return "something"


def _other_type(value: JsonValue, rng: random.Random) -> JsonValue:
    """The same, or nearly, as another type; sometimes the odd values that models return."""
    options: list[JsonValue] = [str(value), None, [value], {}, [], 0, True]
    if isinstance(value, int | float):  # a truth value is an integer, too
        options += [float(value), int(value), bool(value)] * 2
    if isinstance(value, str):
        options += [[*value], [*value.split(",")], _parsed(value)]
    if isinstance(value, list):
        options += [[str(item) for item in value], [_numeric(item) for item in value], *value[:1]] * 2
    if isinstance(value, dict):
        options += [json.dumps(value), [*value.values()], [*sorted(value)]]
    return HUGE if rng.random() < 0.01 else rng.choice(options)


def _spelling(value: JsonValue, rng: random.Random) -> JsonValue:
    """Texts in other letter case, spacing, punctuation or quotes, wherever they stand."""
    if isinstance(value, list):
        return [_spelling(item, rng) for item in value]
    if isinstance(value, dict):
        return {key: _spelling(item, rng) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    spaced = value.replace(" ", rng.choice(["_", "", "  ", "\t", "-"]))
    quoted = value.translate(str.maketrans("'\"", "\"'"))
    marked = value + rng.choice([".", ",", "!", "?", "*", "^", "/", "'", ";", "\n"])
    return rng.choice([value.upper(), value.lower(), value.swapcase(), f" {value} ", spaced, quoted, marked])


def _nesting(value: JsonValue, rng: random.Random) -> JsonValue:
    """A level more, a level less, or another item inside."""
    change = rng.choice([_other_value, _other_type, _spelling, _nesting])
    options: list[JsonValue] = [[value], {"value": value}, [[value]]]
    if isinstance(value, list) and value:
        place = rng.randrange(len(value))
        changed = change(value[place], rng)
        options = [[*value[:place], changed, *value[place + 1 :]], value[0], [value], [[item] for item in value]]
    if isinstance(value, dict) and value:
        key = rng.choice(sorted(value))
        options = [{**value, key: change(value[key], rng)}, value[key], {"value": value}, {**value, key: [value[key]]}]
    return rng.choice(options)


def _parsed(text: str) -> JsonValue:
    try:
        parsed: JsonValue = json.loads(text)
    except ValueError:
        return [text]
    return parsed


def _numeric(item: JsonValue) -> JsonValue:
    if isinstance(item, int):
        return float(item)
    return int(item) if isinstance(item, float) else item


def _unchanged(value: JsonValue, _rng: random.Random) -> JsonValue:
    return value


def _missing(call: ToolCall, _expected: ExpectedCall, rng: random.Random) -> ToolCall:
    if not call.arguments:
        return call
    left_out = rng.choice(sorted(call.arguments))
    return call.model_copy(update={"arguments": {n: v for n, v in call.arguments.items() if n != left_out}})


def _surplus(call: ToolCall, expected: ExpectedCall, rng: random.Random) -> ToolCall:
    """An argument nobody declared, or one that is declared and was left out."""
    declared = sorted(expected.tool.properties.keys() - call.arguments.keys())
    name = rng.choice([*declared, "surplus"])
    default = expected.tool.properties.get(name, {}).get("default")
    value: JsonValue = rng.choice([default, "x", 1, True, None, "", [], {}, 1.5])
    return call.model_copy(update={"arguments": {**call.arguments, name: value}})


def _names(call: ToolCall, _expected: ExpectedCall, rng: random.Random) -> ToolCall:
    """The tool's name, or an argument's, nearly right."""
    change = rng.choice([str.upper, str.swapcase, _underscored, _longer])
    if not call.arguments or rng.random() < 0.4:
        return call.model_copy(update={"name": change(call.name)})
    renamed = rng.choice(sorted(call.arguments))
    arguments = {change(name) if name == renamed else name: value for name, value in call.arguments.items()}
    return call.model_copy(update={"arguments": arguments})


def _underscored(name: str) -> str:
    return name.replace(".", "_") if "." in name else name.replace("_", "")


def _longer(name: str) -> str:
    return f"{name}_"


def _order(calls: list[ToolCall], rng: random.Random) -> list[ToolCall]:
    return rng.sample(calls, len(calls))


def _count(calls: list[ToolCall], rng: random.Random) -> list[ToolCall]:
    """A call less, one more, or one in place of another."""
    place = rng.randrange(len(calls))
    without = [*calls[:place], *calls[place + 1 :]]
    return rng.choice([without, [*calls, calls[place]], [*without, rng.choice(calls)]])


_OF_VALUES: Mapping[str, Callable[[JsonValue, random.Random], JsonValue]] = {
    "another right value": _unchanged,
    "another value": _other_value,
    "another type": _other_type,
    "case, spacing, punctuation": _spelling,
    "nesting": _nesting,
}
_OF_CALLS: Mapping[str, Callable[[ToolCall, ExpectedCall, random.Random], ToolCall]] = {
    "argument missing": _missing,
    "argument too many": _surplus,
    "name": _names,
}
_OF_ANSWERS: Mapping[str, Callable[[list[ToolCall], random.Random], list[ToolCall]]] = {
    "order of calls": _order,
    "number of calls": _count,
}
KINDS: Sequence[str] = (*_OF_VALUES, *_OF_CALLS, *_OF_ANSWERS)
"""The ways to change an answer."""
