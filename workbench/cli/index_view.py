"""Who asks an index, and what conditions narrow it to, from what a person typed."""

import json
import re
from collections.abc import Sequence

from workbench.core import ConfigError, Scalar
from workbench.retrieval import Condition, View

_CONDITION = re.compile(r"(?P<field>[^<>=]+)(?P<sign>>=|<=|=)(?P<value>.*)", re.DOTALL)


def read_view(user: str | None, groups: Sequence[str], where: Sequence[str]) -> View:
    """A view from what a person typed.

    Raises: ConfigError if a condition is none.

    >>> read_view("ann", ["sales"], ["year>=2020", "product=vpn"]).where[0].at_least
    2020
    """
    principals = tuple(sorted({*([user] if user else []), *groups}))
    return View(principals=principals, where=tuple(_condition(one) for one in where))


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
