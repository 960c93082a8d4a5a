"""Who a call is made for: every call is accounted to the innermost scope and to all around it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from workbench.core import Record, Usage, digest_json


class Where(Record):
    """What a call belongs to; empty where nothing was said."""

    run: str = ""
    candidate: str = ""
    case_id: str = ""
    module: str = ""


ExternalKind = Literal["tool", "retriever", "judge", "metric"]
"""The part in the work of something that is called and is no language model."""
Kind = Literal["lm"] | ExternalKind


class Call(Record):
    """One row of the ledger: one question to a language model, or one call of something else outside."""

    key: str
    """Digest of the question and of who was asked."""
    where: Where
    model: str
    """The language model, or the name of what was called."""
    cached: bool
    """True if the call store answered; then nothing was paid."""
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    """US dollars: what was paid, or for a cached call what was saved; None if the price is unknown."""
    milliseconds: float
    """How long the call took when it was paid."""
    started: str
    """UTC, ISO 8601."""
    kind: Kind = "lm"
    budget: str = ""
    """The shared budget it was paid from; empty if it was none that has a name."""


class Miss(Record):
    """An attempt at an answer of a language model that got none. Nothing is counted as paid for it."""

    key: str
    """Digest of the question and of who was asked."""
    where: Where
    model: str
    error: str
    """What kind of error it was, as "server", "timeout" or "rate_limit"; never the provider's words."""
    milliseconds: float
    started: str
    """UTC, ISO 8601."""


@dataclass
class Tally:
    """Adds up the calls made inside one scope; safe under threads."""

    _calls: list[Call] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, call: Call) -> None:
        """Count one call."""
        with self._lock:
            self._calls.append(call)

    def calls(self) -> tuple[Call, ...]:
        """The calls so far, in the order they ended."""
        with self._lock:
            return tuple(self._calls)

    def usage(self) -> Usage:
        """What the calls cost; cached ones count as saved, an unknown price stays unknown.

        Calls, tokens and time are those of language models; dollars are those of every call.
        """
        every = [call for call in self.calls() if not call.cached]
        calls = [call for call in self.calls() if call.kind == "lm"]
        paid = [call for call in calls if not call.cached]
        saved = [call for call in calls if call.cached]
        known = all(call.usd is not None for call in every)
        return Usage(
            calls=len(paid),
            cached_calls=len(saved),
            prompt_tokens=sum(call.prompt_tokens for call in paid),
            completion_tokens=sum(call.completion_tokens for call in paid),
            saved_tokens=sum(call.prompt_tokens + call.completion_tokens for call in saved),
            usd=sum(call.usd or 0.0 for call in every) if known else None,
            milliseconds=sum(call.milliseconds for call in paid),
            model_milliseconds=sum(call.milliseconds for call in calls),
        )


_WHERE: ContextVar[Where] = ContextVar("where", default=Where())  # noqa: B039 - a frozen record
_TENANT: ContextVar[str] = ContextVar("tenant", default="")
_TALLIES: ContextVar[tuple[Tally, ...]] = ContextVar("tallies", default=())


@contextmanager
def scope(
    *,
    run: str | None = None,
    candidate: str | None = None,
    case: str | None = None,
    module: str | None = None,
    tenant: str | None = None,
) -> Iterator[Tally]:
    """Account every call made inside to these names; a name not given is inherited.

    Calls of a tenant are kept for it alone: no answer crosses, not even to an equal question.

    It is a context variable: a thread sees it only if the context is copied into it.
    """
    changes = {"run": run, "candidate": candidate, "case_id": case, "module": module}
    where = _WHERE.get().model_copy(update={name: value for name, value in changes.items() if value is not None})
    tally = Tally()
    where_token = _WHERE.set(where)
    tallies_token = _TALLIES.set((*_TALLIES.get(), tally))
    tenant_token = _TENANT.set(_TENANT.get() if tenant is None else tenant)
    try:
        yield tally
    finally:
        _TENANT.reset(tenant_token)
        _TALLIES.reset(tallies_token)
        _WHERE.reset(where_token)


def here() -> Where:
    """The scope a call made now would belong to."""
    return _WHERE.get()


def whose() -> str:
    """The tenant that a call made now would be kept for; empty where there are none."""
    return _TENANT.get()


def own(key: str) -> str:
    """The key of a call, as it is kept for the tenant of now."""
    return digest_json({"tenant": whose(), "key": key}) if whose() else key


def account(call: Call) -> None:
    """Count a call in every scope around it."""
    for tally in _TALLIES.get():
        tally.add(call)
