"""Grading a call by the leaderboard's rules."""

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from workbench.core import ExpectedCall, ToolSpec
from workbench.evals import grade_call

GOLDEN = [json.loads(line) for line in (Path(__file__).parent / "bfcl_calls.jsonl").read_text().splitlines()]


def test_every_golden_call_is_graded_as_the_reference_graded_it() -> None:
    """300 changed calls of the leaderboard, half of them right; source and licence in README.md of this folder."""
    graded = [
        not grade_call(
            ExpectedCall(tool=ToolSpec(**row["tool"]), arguments=row["expected"]), row["tool"]["name"], row["arguments"]
        )
        for row in GOLDEN
    ]

    assert (300, 150) == (len(GOLDEN), sum(graded))
    assert [row["right"] for row in GOLDEN] == graded


def _grade(schema: JsonValue, right: list[JsonValue], arguments: dict[str, JsonValue]) -> bool:
    tool = ToolSpec(name="f", parameters={"type": "dict", "properties": {"x": schema}, "required": []})
    return not grade_call(ExpectedCall(tool=tool, arguments={"x": right}), "f", arguments)


FLOATS: JsonValue = {"type": "array", "items": {"type": "float"}}
DICTS: JsonValue = {"type": "array", "items": {"type": "dict"}}


@pytest.mark.parametrize(
    ("schema", "right", "value"),
    [
        ({"type": "string"}, ["New York, NY"], "new york ny"),
        ({"type": "string"}, ["it's"], 'IT"S'),
        ({"type": "float"}, [5.0], 5),
        ({"type": "integer"}, [None, 3], 3),  # null comes first, so values are compared as they are
        ({"type": "boolean"}, ["yes"], "yes"),  # the expected type wins over the declared one
        (FLOATS, [[1, 2]], [1, 2]),
        (FLOATS, [[1.0, 2.0], ""], []),  # an empty list where it may be left out
        ({"type": "dict"}, [{"a": [1], "b": ["x", ""]}], {"a": 1}),
        (DICTS, [[{"a": ["X"]}, {"a": [2]}]], [{"a": "x"}, {"a": 2}]),
        ({"type": "any"}, [4], 4),
        ({"type": "array", "items": {"type": "string"}}, [["a", "B-c"]], ["A", "bc"]),
    ],
)
def test_a_value_is_right(schema: JsonValue, right: list[JsonValue], value: JsonValue) -> None:
    """What the rules let pass."""
    assert _grade(schema, right, {"x": value})


@pytest.mark.parametrize(
    ("schema", "right", "value"),
    [
        ({"type": "string"}, ["New York"], "York"),
        ({"type": "string"}, [None, "York"], "york"),  # compared as it is
        ({"type": "integer"}, [5], 5.0),
        ({"type": "integer"}, [1], True),
        ({"type": "float"}, [5.0], 10**400),  # the reference raises
        (FLOATS, [[1.0, 2.0]], [1, 2]),
        (FLOATS, [[1.0, 2.0]], [2.0, 1.0]),
        ({"type": "dict"}, [{"a": [1], "b": ["x"]}], {"a": 1}),
        ({"type": "dict"}, [{"a": [1]}], {"a": 1, "b": 2}),
        ({"type": "dict"}, [{"a": {"b": [1]}}], {"a": {"b": 1}}),  # deeper nesting can't be right
        (DICTS, ["", [{"a": [1]}]], [1]),  # the reference raises
        ({"type": "string"}, ["x"], None),
        ({"type": "array", "items": {"type": "string"}}, [], []),
    ],
)
def test_a_value_is_wrong(schema: JsonValue, right: list[JsonValue], value: JsonValue) -> None:
    """What the rules refuse, and what the reference can't grade."""
    assert not _grade(schema, right, {"x": value})


def test_the_reason_names_what_is_wrong() -> None:
    """Another tool, a missing, a surplus and a forgotten argument each have their words."""
    schema: JsonValue = {"type": "string"}
    tool = ToolSpec(name="f", parameters={"properties": {"x": schema, "y": schema}, "required": ["x"]})
    expected = ExpectedCall(tool=tool, arguments={"x": ["1"], "y": ["2"]})

    assert "tool 'g': was called instead of 'f'" == grade_call(expected, "g", {"x": "1", "y": "2"})
    assert "argument 'x': is required and missing" == grade_call(expected, "f", {"y": "2"})
    assert "argument 'z': should not be there" == grade_call(expected, "f", {"x": "1", "z": "2"})
    assert "argument 'y': may not be left out" == grade_call(expected, "f", {"x": "1"})
    assert "argument 'y': '3': is none of ['2']" == grade_call(expected, "f", {"x": "1", "y": "3"})
