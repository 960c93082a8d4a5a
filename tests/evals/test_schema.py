"""Arguments against a tool's declaration."""

import jsonschema_rs
import pytest
from pydantic import JsonValue

from workbench.core import ToolSpec
from workbench.evals import json_schema, misfit

DECLARED: dict[str, JsonValue] = {
    "type": "dict",
    "required": ["at"],
    "properties": {
        "at": {"type": "tuple", "items": {"type": "float"}},
        "more": {"type": "dict", "properties": {"type": {"type": "any"}, "n": {"type": "integer"}}},
    },
}


def test_the_leaderboard_s_types_become_json_s_at_every_depth() -> None:
    """Types are converted, a property that happens to be called "type" is not."""
    assert {
        "type": "object",
        "required": ["at"],
        "properties": {
            "at": {"type": "array", "items": {"type": "number"}},
            "more": {"type": "object", "properties": {"type": {}, "n": {"type": "integer"}}},
        },
        "additionalProperties": False,
    } == json_schema(DECLARED)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"at": [1, 2.5]}, ""),
        ({"at": [1], "more": {"type": None}}, ""),
        ({"at": [1], "more": {"n": "x"}}, 'argument \'more.n\': "x" is not of type "integer"'),
        ({}, '"at" is a required property'),
        ({"at": [], "z": 1}, "Additional properties are not allowed ('z' was unexpected)"),
    ],
)
def test_a_misfit_says_where(arguments: dict[str, JsonValue], problem: str) -> None:
    """Missing, surplus and mistyped arguments are named; what fits has no words."""
    assert problem == misfit(ToolSpec(name="f", parameters=DECLARED), arguments)


def test_a_tool_whose_schema_is_none_can_not_be_judged() -> None:
    """It raises, and the runner leaves the case unscored."""
    with pytest.raises(jsonschema_rs.ValidationError):
        misfit(ToolSpec(name="f", parameters={"properties": {"x": {"type": "colour"}}}), {"x": 1})
