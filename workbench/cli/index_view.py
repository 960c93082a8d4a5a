"""How an index is to be, who asks it, and what conditions narrow it to, from what a person typed."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.core import ConfigError, Scalar, read_record
from workbench.retrieval import Condition, IndexSpec, View

_CONDITION = re.compile(r"(?P<field>[^<>=]+)(?P<sign>>=|<=|=)(?P<value>.*)", re.DOTALL)


def read_view(user: str | None, groups: Sequence[str], where: Sequence[str]) -> View:
    """A view from what a person typed.

    Raises: ConfigError if a condition is none.

    >>> read_view("ann", ["sales"], ["year>=2020", "product=vpn"]).where[0].at_least
    2020
    """
    principals = tuple(sorted({*([user] if user else []), *groups}))
    return View(principals=principals, where=tuple(_condition(one) for one in where))


def read_spec(file: Path | None, chosen: Mapping[str, object]) -> IndexSpec:
    """The spec of a file, or of what was chosen; what is None was not.

    Raises: ConfigError if there are both; DataError if the file holds no spec.
    """
    named = {name: value for name, value in chosen.items() if value is not None}
    if file is None:
        return IndexSpec.model_validate(named)
    if named:
        raise ConfigError(f"spec {str(file)!r}: holds every knob; leave out --{min(named)}, or the file")
    return read_record(file, IndexSpec)


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ConfigError(f"condition {text!r}: has no =, >= or <=; write it as FIELD=VALUE")
    field, value = found["field"].strip(), _value(found["value"].strip())
    match found["sign"]:
        case ">=":
            return Condition(field=field, at_least=value)
        case "<=":
            return Condition(field=field, at_most=value)
        case _:
            return Condition(field=field, one_of=(value,))


def _value(text: str) -> Scalar:
    """A number or a truth value where the text is one in JSON, else the text; in quotes it is always text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float | bool) else text
