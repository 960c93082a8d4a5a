"""Calls of tools, retrievers, judges and metrics outside the process: made once, kept and accounted for like a model's.

    @journaled(store, External(kind="tool", name="weather", version="2026-01"))
    def weather(town: str) -> dict[str, str]: ...

What guards a call is what guards a model's: its result and its ledger row are committed together before the caller
sees it, equal calls at once are made once, and a run that goes on after a kill is given every result it had.

Guaranteed: no call whose result reached its caller is made again. A call that a kill cut short before its result was
kept is made again, at most one for each thread. Where whoever is called knows repeats by `idempotency_key()`, that one
has no effect either.
"""

import inspect
import json
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from pydantic import Field, JsonValue

from workbench.core import LMError, Meter, Record, Spend, canonical_json, digest_json
from workbench.lms.once import Due, Once
from workbench.lms.repeats import Repeats, repeated
from workbench.lms.scope import ExternalKind, here, own
from workbench.lms.store import Answer, CallStore

P = ParamSpec("P")
R = TypeVar("R")


class External(Record):
    """Something outside the process that is called."""

    kind: ExternalKind
    name: str
    version: str = ""
    """Of what it does: the corpus that is searched, the rubric that is judged by. Another version is asked anew."""
    pure: bool = False
    """True if equal arguments always give an equal result: then one call serves every run.

    Else a call belongs to the run, candidate and case that make it, and the second equal one is another call.
    """
    usd: float | None = Field(default=0.0, ge=0, allow_inf_nan=False)
    """US dollars of one call; None if the price is unknown. Calls of models inside it are accounted by themselves."""


def journaled(
    store: CallStore | None, external: External, *, meter: Meter | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Wrap a function that calls something outside: arguments and result are JSON values.

    Each result is given as it is read back from the store, so tuples come as lists, the first time too.
    The wrapped function raises: LMError if an argument or the result is no JSON value; BudgetExceeded before anything
    is spent; whatever the function raises, with nothing kept.
    """
    calls = _Calls(external, Once(store, meter))

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            asked = _json(external, "its arguments", dict(bound.arguments))
            return cast("R", calls.answer(asked, lambda: function(*args, **kwargs)))

        return call

    return wrap


class _Calls:
    """The calls of one external."""

    def __init__(self, external: External, once: Once) -> None:
        self._external = external
        self._once = once
        self._repeats = Repeats()

    def answer(self, arguments: JsonValue, function: Callable[[], object]) -> JsonValue:
        """The kept result, or that of the function."""
        who = self._external.model_dump(mode="json", include={"kind", "name", "version"})
        key = own(digest_json({"external": who, "arguments": arguments}))
        if self._external.pure:
            return self._once_only(key, function)
        key = digest_json({"call": key, "where": here().model_dump()})
        with self._repeats.number("", key) as nth:
            return self._once_only(repeated(key, nth), function)

    def _once_only(self, key: str, function: Callable[[], object]) -> JsonValue:
        most = Spend(usd=self._external.usd)
        due = Due(key=key, kind=self._external.kind, name=self._external.name, most=lambda: most)
        return self._once.answer(due, lambda: self._make(function)).response["result"]

    def _make(self, function: Callable[[], object]) -> Answer:
        began = time.perf_counter()
        result = function()
        return Answer(
            response={"result": _json(self._external, "its result", result)},
            paid_by=here().run,
            prompt_tokens=0,
            completion_tokens=0,
            usd=self._external.usd,
            milliseconds=(time.perf_counter() - began) * 1000,
        )


def _json(external: External, what: str, value: object) -> JsonValue:
    try:
        return cast("JsonValue", json.loads(canonical_json(cast("JsonValue", value))))
    except (TypeError, ValueError) as cause:
        raise LMError(
            f"{external.kind} {external.name!r}: {what} can't be kept as JSON: {cause}; wrap a function that "
            "takes and gives plain values"
        ) from cause
