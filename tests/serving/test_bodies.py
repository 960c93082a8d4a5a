"""Bodies: strict, bounded, and never a reason to fail."""

import json

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.packaging import Limits
from workbench.serving.bodies import depth, parse_strictly, read_request
from workbench.serving.problems import Refused

JSON = {"Content-Type": "application/json"}
MOST = 32

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def code_of(body: bytes) -> str:
    with pytest.raises(Refused) as refused:
        read_request(body, Limits())
    return refused.value.code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"request": NaN}',
        b'{"request": Infinity}',
        b'{"request": -Infinity}',
        b'{"request": 1e999}',
        b'{"request": "a", "request": "b"}',
        b'{"request": {"a": 1, "a": 1}}',
        b'{"request": "\\ud800"}',
        b'{"request": "\xff"}',
        b'{"request": ' + b"1" * 5000 + b"}",
        b'{"request": "a"} {"request": "b"}',
        b'\xef\xbb\xbf{"request": "a"}',
        '{"request": "a"}'.encode("utf-16"),
        b"{'request': 'a'}",
        b'{"request": "a\n"}',
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    """NaN, keys that stand twice, half of a surrogate pair, other encodings, endless numbers."""

    assert code_of(body) == "invalid_json"


@pytest.mark.parametrize(
    "body", [b"[]", b"1", b"null", b'"a"', b"{}", b'{"request": 1}', b'{"request": null}', b'{"request": ["a"]}']
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """JSON of another form; nothing is converted."""

    assert code_of(body) == "invalid_request"


def test_unknown_fields_and_blanks_are_refused() -> None:
    """A closed form: one field, a text that is not blank and not too long."""

    assert code_of(b'{"request": "a", "stream": true}') == "invalid_request"
    assert code_of(b'{"request": " \\n\\t "}') == "invalid_request"
    assert code_of(b'{"request": ""}') == "invalid_request"
    assert code_of(json.dumps({"request": "x" * 4001}).encode()) == "request_too_long"
    assert "x" * 4000 == read_request(json.dumps({"request": "x" * 4000}).encode(), Limits())


def test_depth_is_counted_before_parsing() -> None:
    """A hundred thousand brackets are refused at once; brackets inside of texts do not count."""

    assert code_of(b"[" * 100_000) == "body_too_deep"
    assert depth(b'{"a": "\\"[[[["}') == 1
    assert depth(b'{"a": "\\\\"}[[') == 2
    assert depth(b"[" * 32 + b"]" * 32) == 32


@given(value=values)
def test_strict_values_pass_unchanged(value: object) -> None:
    """Whatever JSON can say without NaN and broken text comes through as it is."""
    try:
        body = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return

    if depth(body) <= MOST and "\ud800" not in str(value):
        assert value == parse_strictly(body, MOST)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_no_body_makes_the_server_fail(client: TestClient, body: bytes) -> None:
    """Bytes and JSON of every form are answered with a problem, never with a failure."""
    response = client.post("/v1/runs", content=body, headers=JSON)

    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] in {"invalid_json", "invalid_request", "body_too_deep"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=200))
def test_no_request_makes_the_server_fail(client: TestClient, text: str) -> None:
    """Whatever is asked is answered, or is blank."""
    response = client.post("/v1/runs", content=json.dumps({"request": text}).encode(), headers=JSON)

    assert response.status_code == (201 if text.strip() else 422)
