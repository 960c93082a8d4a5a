"""By which clock episodes are timed: the machine's, or one that a proof can repeat to the byte."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Clock = Callable[[], float]
"""Seconds since some moment, never less than before on one thread."""

_CLOCK: ContextVar[Clock | None] = ContextVar("clock", default=None)


@contextmanager
def timed_by(clock: Clock) -> Iterator[None]:
    """Time every episode that is tried inside by this clock; threads of an evaluation inherit it.

    For tests and proofs: two evaluations with one scripted clock write the same bytes.
    """
    token = _CLOCK.set(clock)
    try:
        yield
    finally:
        _CLOCK.reset(token)


def now() -> float:
    """Seconds by the clock in force."""
    clock = _CLOCK.get()
    return time.perf_counter() if clock is None else clock()
