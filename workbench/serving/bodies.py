"""Bodies of requests: strict JSON within limits, or a problem. Nothing that arrives can crash what reads it."""

import json
import math
from collections.abc import Sequence
from typing import NoReturn

from pydantic import JsonValue, ValidationError

from workbench.packaging import Limits, RunRequest
from workbench.serving.problems import Refused

_OPENING, _CLOSING = frozenset(b"[{"), frozenset(b"]}")
_QUOTE, _ESCAPE = ord('"'), ord("\\")


def read_request(body: bytes, limits: Limits) -> str:
    """The request in a body.

    Raises: Refused with the code of what is wrong with it.
    """
    value = parse_strictly(body, limits.most_body_depth)
    try:
        request = RunRequest.model_validate(value, strict=True).request
    except ValidationError as cause:
        raise Refused("invalid_request") from cause
    if not request.strip():
        raise Refused("invalid_request")
    if len(request) > limits.most_request_characters:
        raise Refused("request_too_long")
    return request


def parse_strictly(body: bytes, most_depth: int) -> JsonValue:
    """The JSON value of a body: one value in UTF-8, every key once, finite numbers, text that is valid Unicode.

    Raises: Refused with "body_too_deep" or "invalid_json".

    >>> parse_strictly(b'{"a": [1, "x"]}', 2)
    {'a': [1, 'x']}
    """
    if depth(body) > most_depth:
        raise Refused("body_too_deep")
    try:
        value: JsonValue = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
        # Half of a surrogate pair passes the parser, and can then be neither stored nor sent.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except ValueError as cause:  # covers UnicodeError, JSONDecodeError, and integers of more digits than Python reads
        raise Refused("invalid_json") from cause
    return value


def depth(body: bytes) -> int:
    """How deeply brackets are nested in a body, outside of its strings. Counted before anything is parsed.

    >>> depth(b'[{"a": "[[["}]')
    2
    """
    deepest = level = 0
    inside = escaped = False
    for byte in body:
        if inside:
            inside, escaped = escaped or byte != _QUOTE, byte == _ESCAPE and not escaped
        elif byte == _QUOTE:
            inside = True
        elif byte in _OPENING:
            level += 1
            deepest = max(deepest, level)
        elif byte in _CLOSING:
            level -= 1
    return deepest


def _unique(pairs: Sequence[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice")
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
