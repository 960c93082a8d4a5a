"""Grading a call by the leaderboard's rules."""

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from workbench.core import ExpectedCall, ToolCall, ToolSpec
from workbench.evals import grade_call
from workbench.evals.calls import grade_calls

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


def _wants(name: str, right: list[JsonValue]) -> ExpectedCall:
    tool = ToolSpec(name=name, parameters={"properties": {"x": {"type": "string"}}, "required": ["x"]})
    return ExpectedCall(tool=tool, arguments={"x": right})


def _calls(*calls: tuple[str, str]) -> list[ToolCall]:
    return [ToolCall(tool_id=name, name=name, arguments={"x": value}) for name, value in calls]


TWO = [_wants("f", ["Rome"]), _wants("f", ["Oslo"]), _wants("g", ["Rome"])]


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ([("f", "rome"), ("f", "oslo"), ("g", "rome")], ""),
        ([("g", "rome"), ("f", "oslo"), ("f", "rome")], ""),  # in any order
        ([("f", "rome"), ("f", "oslo")], "2 calls: were made instead of 3"),
        ([("f", "rome")] * 4, "4 calls: were made instead of 3"),
        ([("f", "rome"), ("f", "rome"), ("g", "rome")], "tool 'f': no call that is left is right for it"),
        ([("f", "rome"), ("f", "oslo"), ("g", "oslo")], "tool 'g': no call that is left is right for it"),
    ],
)
def test_several_calls_are_right_if_each_expected_one_has_its_own(calls: list[tuple[str, str]], reason: str) -> None:
    """As many as expected, in any order, and none counts twice."""
    assert reason == grade_calls(TWO, _calls(*calls))


def test_an_expected_call_keeps_the_first_call_that_is_right_for_it() -> None:
    """Another pairing would do; the leaderboard does not look for it (parallel_function_checker_no_order)."""
    expected = [_wants("f", ["Rome", "Oslo"]), _wants("f", ["Rome"])]

    assert "" == grade_calls(expected, _calls(("f", "oslo"), ("f", "rome")))
    assert "tool 'f': no call that is left is right for it" == grade_calls(
        expected, _calls(("f", "rome"), ("f", "oslo"))
    )
