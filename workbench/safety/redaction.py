"""Redaction: a text or a JSON value goes in, the same without secrets and personal data comes out."""

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache

from pydantic import JsonValue

from workbench.core import DataError, boundary
from workbench.safety.environment import encodings
from workbench.safety.hidden import unveil
from workbench.safety.pseudonyms import Pseudonyms
from workbench.safety.recognisers import SECRET_NAME, TOKEN, Recogniser, possible

DROPPED = "[dropped: could not be redacted]"
"""What stands where something could not be redacted."""

_FEWEST = 7  # digits of a card, a phone number or a national id
_NUMBERED = re.compile(rf"(?:\D*+\d){{{_FEWEST}}}")
_SHORT = 64  # characters of a text whose result is kept
# Source: JSON Schema, draft 2020-12, validation vocabulary
_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
_ANNOTATIONS = ("title", "description", "format", "minLength", "maxLength", "minItems", "maxItems", "writeOnly")
_DEEPEST = 64  # levels of a JSON value; deeper ones are dropped rather than risk the interpreter's stack


@dataclass(frozen=True)
class Redactor:
    """Redacts everything one sink writes. Safe under threads.

    >>> Redactor(secrets=("hunter2-hunter2",)).text("hunter2-hunter2 to jo@example.org")
    '[secret] to [e-mail]'
    """

    secrets: tuple[str, ...] = ()
    """Values that must not leave, in any common encoding, whatever they look like."""

    pseudonyms: Pseudonyms | None = None
    """Whether, and for which tenant, personal data leaves a pseudonym: [e-mail:k5mwq2...] for [e-mail]."""

    @cached_property
    def _forms(self) -> tuple[str, ...]:
        forms = {form for secret in self.secrets if secret for form in encodings(secret)}
        return tuple(sorted(forms, key=lambda form: (-len(form), form)))

    def text(self, text: str) -> str:
        """The text with each secret replaced by [secret], each address by [e-mail], and so on.

        A second pass changes nothing. What can't be redacted becomes `DROPPED`.
        """
        try:
            with boundary(DataError, "text"):
                return self._replace(text)
        except DataError:
            return DROPPED

    def json(self, value: JsonValue) -> JsonValue:
        """The value with every text in it redacted, keys included.

        A field named like a secret loses its whole value, unless that is true, false, null, empty or the JSON Schema
        of such a field; a number that is a payment card becomes [card]; what is not JSON, NaN, and what is nested
        deeper than 64 levels becomes `DROPPED`.
        """
        try:
            with boundary(DataError, "value"):
                return self._walk(value, _DEEPEST)
        except DataError:
            return DROPPED

    @cached_property
    def _replace_short(self) -> Callable[[str], str]:
        return lru_cache(maxsize=4096)(self._replace_any)  # names of fields, ids and tags come again and again

    def _replace(self, text: str) -> str:
        return self._replace_short(text) if len(text) <= _SHORT else self._replace_any(text)

    def _replace_any(self, text: str) -> str:
        return unveil(self._replace_plain(text), self._replace_plain, dropped=DROPPED)

    def _replace_plain(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, "[secret]")
        found = possible(text)
        for recogniser in found:
            if not recogniser.in_lines:
                text = recogniser.replace(text, self.pseudonyms)
        return self._replace_numbers(text, [recogniser for recogniser in found if recogniser.in_lines])

    def _replace_numbers(self, text: str, recognisers: list[Recogniser]) -> str:
        """What only stands in lines with many digits is looked for in those alone: most lines have none."""
        lines = text.split("\n")
        numbered = [place for place, line in enumerate(lines) if _is_numbered(line)]
        before = "\n".join([lines[place] for place in numbered])
        after = before
        for recogniser in recognisers:
            after = recogniser.replace(after, self.pseudonyms)
        if after == before:
            return text
        for place, line in zip(numbered, after.split("\n"), strict=True):
            lines[place] = line
        return "\n".join(lines)

    def _walk(self, value: JsonValue, levels: int) -> JsonValue:
        if levels == 0:
            return DROPPED
        if isinstance(value, list):
            return [self._walk(item, levels - 1) for item in value]
        if isinstance(value, dict):
            return {self._replace(name): self._field(name, item, levels - 1) for name, item in value.items()}
        return self._leaf(value)

    def _leaf(self, value: str | float | bool | None) -> JsonValue:
        if isinstance(value, str):
            return self._replace(value)
        if value is None or isinstance(value, bool):
            return value
        if not isinstance(value, int | float) or not math.isfinite(value):
            return DROPPED
        if isinstance(value, int) and abs(value) >= 10**11 and self._replace(str(value)) != str(value):
            return "[card]"
        return value

    def _field(self, name: str, value: JsonValue, levels: int) -> JsonValue:
        if isinstance(value, bool) or value is None or value in ("", [], {}):
            return value
        if SECRET_NAME.fullmatch(name) and not _is_schema(value, levels):
            return "[secret]"
        if isinstance(value, str) and name.lower() == "token" and TOKEN.fullmatch(value):
            return "[secret]"
        return self._walk(value, levels)


def _is_numbered(line: str) -> bool:
    """Whether a line has seven digits and more; one of ASCII letters is counted, which is faster."""
    if not line.isascii():
        return _NUMBERED.match(line) is not None
    return len(line) - len(line.encode().translate(None, b"0123456789")) >= _FEWEST


def _is_schema(value: JsonValue, levels: int) -> bool:
    """Whether a value says what a field may hold, as the declaration of a tool does, and holds nothing itself."""
    if not isinstance(value, dict) or not value or levels == 0:
        return False
    for name, item in value.items():
        if name == "anyOf":
            fits = isinstance(item, list) and all(_is_schema(one, levels - 1) for one in item)
        elif name == "items":
            fits = _is_schema(item, levels - 1)
        else:
            fits = item is None if name == "default" else name in _ANNOTATIONS
        if not (item in _TYPES if name == "type" else fits):
            return False
    return any(name in value for name in ("type", "anyOf"))


@lru_cache(maxsize=16)
def _redactor(secrets: tuple[str, ...]) -> Redactor:
    return Redactor(secrets)


def redact(text: str, *, secrets: Collection[str] = ()) -> str:
    """The text without secrets and common personal data; `secrets` are values to remove besides.

    >>> redact("password=hunter2 and order 1234567890123456")
    'password=[secret] and order 1234567890123456'
    """
    return _redactor(tuple(sorted(secrets))).text(text)


def redact_json(value: JsonValue, *, secrets: Collection[str] = ()) -> JsonValue:
    """The JSON value without secrets and common personal data, in keys and values.

    >>> redact_json({"api_key": "x", "to": ["jo@example.org"], "k": 5})
    {'api_key': '[secret]', 'to': ['[e-mail]'], 'k': 5}
    """
    return _redactor(tuple(sorted(secrets))).json(value)
