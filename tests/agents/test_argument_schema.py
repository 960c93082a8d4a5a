"""The schema of a call's arguments: what the tool declares, and nothing that could run on for ever."""

from collections.abc import Iterator

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from workbench.agents import argument_schema
from workbench.core import ToolSpec

BFCL_TYPES = ("string", "integer", "float", "boolean", "array", "dict", "tuple", "any", "number", "object", "odd")


def _tool(properties: dict[str, JsonValue], required: tuple[str, ...] = ()) -> ToolSpec:
    return ToolSpec(name="t", parameters={"type": "dict", "properties": properties, "required": [*required]})


def _schemas() -> st.SearchStrategy[JsonValue]:
    plain: st.SearchStrategy[JsonValue] = st.fixed_dictionaries(
        {"type": st.sampled_from(BFCL_TYPES)}, optional={"description": st.text(max_size=3)}
    )
    return st.recursive(
        plain,
        lambda inner: st.one_of(
            st.fixed_dictionaries({"type": st.sampled_from(["array", "tuple"]), "items": inner}),
            st.fixed_dictionaries(
                {"type": st.just("dict"), "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3)},
                optional={"required": st.lists(st.sampled_from("abcd"), max_size=2, unique=True)},
            ),
        ),
        max_leaves=6,
    )


def _parts(schema: JsonValue) -> Iterator[dict[str, JsonValue]]:
    assert isinstance(schema, dict)
    yield schema
    below = [schema.get("items"), schema.get("additionalProperties")]
    properties = schema.get("properties", {})
    assert isinstance(properties, dict)
    for inner in (*below, *properties.values()):
        if isinstance(inner, dict):
            yield from _parts(inner)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["x", "y", "z"]), _schemas(), min_size=1))
def test_everything_is_bounded(properties: dict[str, JsonValue]) -> None:
    """Inside objects and arrays too: strings, arrays, integers, free objects; objects are closed; it is a schema."""
    schema = argument_schema(_tool(properties, ("x",)), "declared")
    assert jsonschema_rs.meta.is_valid(schema)
    for part in _parts(schema):
        match part["type"]:
            case "string":
                assert {"maxLength", "enum"} & set(part)
            case "integer":
                assert {"minimum", "maximum"} <= set(part)
            case "array":
                assert {"maxItems", "items"} <= set(part)
            case "object":
                free = part["additionalProperties"]
                assert free is False or "maxProperties" in part
            case kind:
                assert kind in ("number", "boolean")


def test_which_arguments_may_be_filled() -> None:
    """Required ones first, in the order they are required; the others after them, or not at all."""
    tool = _tool({"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "string"}}, ("c", "b", "gone"))
    declared, required = argument_schema(tool, "declared"), argument_schema(tool, "required")

    assert ["c", "b", "a"] == list(_properties(declared))
    assert ["c", "b"] == list(_properties(required)) == declared["required"] == required["required"]
    assert False is declared["additionalProperties"]


def _properties(schema: JsonValue) -> dict[str, JsonValue]:
    assert isinstance(schema, dict)
    properties = schema["properties"]
    assert isinstance(properties, dict)
    return properties


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("dict", "object"), ("float", "number"), ("tuple", "array"), ("any", "string"), ("integer", "integer"),
        ("boolean", "boolean"), ("array", "array"), ("string", "string"), ("String", "string"),
    ],
)  # fmt: skip
def test_type_names_become_json_s(declared: str, kind: str) -> None:
    """Source of the names: the leaderboard's data, whose "any" is given as a string."""
    schema = argument_schema(_tool({"x": {"type": declared}}), "declared")

    assert {"x": kind} == {name: part["type"] for name, part in _properties(schema).items() if isinstance(part, dict)}


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"type": "integer", "enum": [4, 2]}, {"type": "integer", "enum": [4, 2]}),
        ({"type": "float", "enum": [0.5, 1]}, {"type": "number", "enum": [0.5, 1]}),
        ({"type": "string", "enum": ["a", None, 3]}, {"type": "string", "enum": ["a"]}),
        ({"type": "boolean", "enum": ["true", "false"]}, {"type": "boolean"}),
        ({"type": "string", "enum": []}, {"type": "string", "maxLength": 200}),
        (
            {"type": "array", "items": {"type": "string", "enum": ["a"]}},
            {"type": "array", "items": {"type": "string", "enum": ["a"]}, "maxItems": 12},
        ),
    ],
)
def test_an_enum_is_kept_where_its_values_have_the_declared_type(declared: JsonValue, expected: JsonValue) -> None:
    """Never a schema that nothing could fit."""
    assert {"x": expected} == _properties(argument_schema(_tool({"x": declared}), "declared"))


SMALL = {"type": "integer", "minimum": -(10**15), "maximum": 10**15}
SHORT = {"type": "string", "maxLength": 200}
A = {"type": "string", "enum": ["a"]}
NOTHING = {"type": "null"}


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"anyOf": [SMALL, NOTHING]}),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [SHORT, SMALL]}),
        ({"type": ["string", "null"], "enum": ["a", None]}, {"anyOf": [A, NOTHING]}),
        (
            {"type": "array", "items": {"type": ["integer", "null"]}},
            {"type": "array", "items": {"anyOf": [SMALL, NOTHING]}, "maxItems": 12},
        ),
        ({"anyOf": [{"const": "a", "type": "string"}, {"type": "null"}]}, {"anyOf": [A, NOTHING]}),
        ({"type": "string", "anyOf": []}, SHORT),
        ({"anyOf": [{"const": "a"}, {"type": "null"}]}, {"anyOf": [{"const": "a"}, NOTHING]}),
    ],
)  # fmt: skip
def test_a_choice_of_types_stays_a_choice(declared: JsonValue, expected: JsonValue) -> None:
    """An integer or nothing, however it is written, and inside arrays; each part is bounded as if it stood alone."""
    assert {"x": expected} == _properties(argument_schema(_tool({"x": declared}), "declared"))
