"""Budgets: what a search may spend, reserved before it is spent."""

import math
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pydantic import Field

from workbench.core.errors import BudgetExceeded
from workbench.core.record import Record


class Budget(Record):
    """Hard limits; None is no limit. At least one of them should be set."""

    calls: int | None = Field(default=None, ge=0)
    """Language-model calls."""
    tokens: int | None = Field(default=None, ge=0)
    """Prompt and completion tokens together."""
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Seconds of model time: the sum over calls of how long each took when it was paid."""
    usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """US dollars."""


class Spend(Record):
    """What was spent; `usd` is None where a price is unknown, which is not zero."""

    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    usd: float | None = 0.0

    def plus(self, other: "Spend") -> "Spend":
        """The sum; unknown money stays unknown.

        >>> Spend(calls=1, usd=None).plus(Spend(calls=2)).usd is None
        True
        """
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Spend(
            calls=self.calls + other.calls,
            tokens=self.tokens + other.tokens,
            seconds=self.seconds + other.seconds,
            usd=usd,
        )


class Meter:
    """Watches one budget. Safe under threads: reserve the most a call can cost, then settle what it did.

    Spent plus reserved never exceeds the budget, so concurrent calls can't overshoot together. A reservation
    that does not fit waits for calls that other threads have under way, since most cost less than they reserved;
    when none is left and it still does not fit it raises, and leaves everything as it was. So where a search
    stops does not hang on how many threads it had.
    """

    name = ""
    """What the ledger calls this budget: only one that processes share has a name."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.refusal = ""
        """Why the last reservation was refused; empty if none was. Foreign loops swallow exceptions: this stays."""
        self._spent = Spend()
        self._ceiling: Budget | None = None
        """The most that may be spent while a part of the budget is in use."""
        self._held: list[tuple[int, Spend]] = []
        """Thread and amount of each call that this process has under way."""
        self._settled = threading.Condition()

    @property
    def spent(self) -> Spend:
        """What the calls that ended cost together."""
        return self._spent

    @contextmanager
    def reserve(self, most: Spend) -> Iterator[list[Spend]]:
        """Hold `most` while a call runs; append what it really cost to the list that is given.

        A call that fails before it costs anything appends nothing and frees its reservation.
        Raises: BudgetExceeded before the call, naming the limit and what is left of it.
        """
        mine = (threading.get_ident(), most)
        with self._settled:
            while refusal := self._beyond(most) or self._take(most):
                # A thread that holds something itself must not wait for others: they could be waiting for it.
                if any(thread == mine[0] for thread, _ in self._held) or not self._await():
                    self.refusal = refusal
                    raise BudgetExceeded(refusal)
            self._held.append(mine)
        actual: list[Spend] = []
        try:
            yield actual
        finally:
            with self._settled:
                self._held.remove(mine)
                self._settle(most, actual)
                self._settled.notify_all()

    @contextmanager
    def part(self, of: Budget) -> Iterator[None]:
        """Inside, spend at most so much on top of what is spent; a call that would exceed it is refused like any other.

        Afterwards a refusal by the part is forgotten, since the budget itself may have more. Parts don't nest.
        """
        before = self.refusal
        with self._settled:
            spent = self.spent.model_dump()
            limits = {
                name: None if limit is None else limit + (spent[name] or 0) for name, limit in of.model_dump().items()
            }
            self._ceiling = Budget.model_construct(**limits)
        try:
            yield
        finally:
            with self._settled:
                self._ceiling = None
            if self.refusal.startswith(_PART):
                self.refusal = before

    def charge(self, cost: Spend, _key: str = "") -> None:
        """Count what an earlier process of the same search paid for a call that is now replayed.

        What it paid for calls that this one does not come to is not counted: that takes a meter that processes share.
        Raises: BudgetExceeded if it does not fit: exactly where an uninterrupted search would have stopped.
        """
        with self.reserve(cost) as actual:
            actual.append(cost)

    def left(self) -> Budget:
        """What is neither spent nor held, of the part in use if there is one; None where there is no limit.

        No dollars are left where it is unknown what was spent.
        """
        with self._settled:
            left = _less(self.budget, self._used())
            part = None if self._ceiling is None else _less(self._ceiling, self._own())
        if part is None:
            return left
        least = {name: min(filter(_known, (limit, getattr(left, name))), default=None) for name, limit in part}
        return Budget.model_construct(**least)

    def _beyond(self, most: Spend) -> str:
        """Why an amount does not fit into the part of the budget in use; empty if it does."""
        if self._ceiling is None:
            return ""
        refusal = _exceeded(self._ceiling, self._own().plus(most))
        return f"{_PART}{refusal}" if refusal else ""

    def _take(self, most: Spend) -> str:
        """Hold an amount if it fits; else say why it does not."""
        return self._refusal(self._used().plus(most))

    def _await(self) -> bool:
        """Wait until a call under way may have ended; False at once if there is none."""
        if not self._held:
            return False
        self._settled.wait()
        return True

    def _settle(self, _most: Spend, actual: Iterable[Spend]) -> None:
        """Free what was held, and count what was spent instead."""
        for cost in actual:
            self._spent = self._spent.plus(cost)

    def _used(self) -> Spend:
        return self._own()

    def _own(self) -> Spend:
        """What this process came to, and what it has under way."""
        used = self._spent
        for _, held in self._held:
            used = used.plus(held)
        return used

    def _refusal(self, after: Spend) -> str:
        """Why so much may not be spent and held in all; empty if it may."""
        return _exceeded(self.budget, after)


_PART = "of a part: "


def _less(budget: Budget, used: Spend) -> Budget:
    return Budget.model_construct(
        calls=None if budget.calls is None else budget.calls - used.calls,
        tokens=None if budget.tokens is None else budget.tokens - used.tokens,
        seconds=None if budget.seconds is None else budget.seconds - used.seconds,
        usd=None if budget.usd is None else budget.usd - used.usd if used.usd is not None else 0.0,
    )


def _known(limit: float | None) -> bool:
    return limit is not None


def _exceeded(budget: Budget, after: Spend) -> str:
    """Which limit of a budget so much would exceed, in words; empty if none."""
    limits: tuple[tuple[str, float | None, float | None], ...] = (
        ("calls", budget.calls, after.calls),
        ("tokens", budget.tokens, after.tokens),
        ("seconds", budget.seconds, after.seconds),
        ("usd", budget.usd, after.usd),
    )
    for name, limit, value in limits:
        if limit is not None and value is None:
            return f"budget {name!r}: the price of this model is unknown; set a price or drop the limit"
        rounded = isinstance(value, float) and limit is not None and math.isclose(value, limit)
        if limit is not None and value is not None and value > limit and not rounded:
            return f"budget {name!r}: {value:g} would exceed the limit of {limit:g}; raise it to go on"
    return ""
