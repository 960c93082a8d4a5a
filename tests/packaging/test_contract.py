"""The contract that ships with a package."""

import json
from pathlib import Path

import jsonschema_rs

from workbench.core import Prediction
from workbench.packaging import PROBLEMS, Limits, problem, to_result
from workbench.packaging.contract import input_schema, openapi


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_reference_of_the_document_resolves(package: Path) -> None:
    """No schema points to nothing, and each is a JSON Schema."""
    document = json.loads((package / "contract" / "openapi.json").read_bytes())
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert set() == references(document) - known
    assert all(jsonschema_rs.meta.is_valid(schema) for schema in document["components"]["schemas"].values())


def test_every_problem_of_a_run_is_documented() -> None:
    """Each code that a run can end in stands in the document under its status."""
    responses = openapi("x", "1.0.0", Limits())["paths"]["/v1/runs"]["post"]["responses"]

    for code in PROBLEMS.keys() - {"not_found", "method_not_allowed"}:
        assert code in responses[str(PROBLEMS[code][0])]["description"]


def test_the_input_schema_has_the_limit() -> None:
    """What is too long for the server is too long for the schema; so is another field, and nothing."""
    schema = input_schema(Limits(most_request_characters=3))

    assert [True, False, False, False, False] == [
        jsonschema_rs.is_valid(schema, body)
        for body in ({"request": "abc"}, {"request": "abcd"}, {"request": "a", "b": 1}, {"request": ""}, {})
    ]


def test_a_prediction_has_one_outcome() -> None:
    """Grounding names what the answer was made from: what the model saw, not all that was retrieved."""
    answered = to_result(Prediction(ranked=("a", "b", "c"), answer="x"), shown=2)

    assert ("answer", ("a", "b")) == (answered.outcome, answered.grounding)
    assert "abstention" == to_result(Prediction(abstained=True), shown=1).outcome
    assert "malformed" == to_result(Prediction(malformed="not JSON"), shown=1).outcome


def test_a_problem_says_nothing_but_its_code() -> None:
    """Title and status come from the table alone."""

    assert ("urn:workbench:problem:busy", 503) == (problem("busy", "0" * 32).type, problem("busy", "0" * 32).status)
