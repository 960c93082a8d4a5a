"""Every call that leaves the process is made at most once, whatever it calls; kept, accounted for and budgeted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from workbench.core import LMError, Meter, Spend
from workbench.lms.scope import Call, Kind, Miss, account, here
from workbench.lms.shared_meter import SharedMeter
from workbench.lms.store import Answer, CallStore
from workbench.lms.turns import Turns

_KEY: ContextVar[str] = ContextVar("key", default="")
_PRICED: ContextVar[str] = ContextVar("priced", default="")


def idempotency_key() -> str:
    """Names the call under way; the same when it is made again after a crash. Empty outside a call.

    A kill between what a call does and the moment it is kept can't be told from one before the call, so the call is
    made again. Whoever is called can tell, if it is handed this key: then it gives its first answer and does nothing.
    """
    return _KEY.get()


@dataclass(frozen=True)
class Due:
    """A call that may have to be made."""

    key: str
    """Digest of what is asked and of who is asked."""
    kind: Kind
    name: str
    """The language model, or what else is called."""
    most: Callable[[], Spend]
    """The most it can cost."""


class Once:
    """Gives the kept answer of a call, or makes the call and keeps what it answers.

    Equal calls that are due at once on several threads, or in several processes on one store, are made once; the
    others wait for the answer. A budget is charged for a call once: when it is paid, or when this run's own earlier
    payment is replayed after a crash. So a resumed search stops where an uninterrupted one would have.

    A call is made again only if the process died before its answer was kept, and so before anybody saw it.
    """

    def __init__(self, store: CallStore | None, meter: Meter | None) -> None:
        """Raises: LMError if the meter keeps its account in another store."""
        if isinstance(meter, SharedMeter) and (store is None or store.path.resolve() != meter.store.path.resolve()):
            raise LMError(f"budget {meter.name!r}: is kept in {str(meter.store.path)!r}; use that call store")
        self._store = store
        self._meter = meter
        self._turns = store.turns if store is not None else Turns()
        self._charged: set[str] = set()

    def kept(self, key: str) -> bool:
        """Whether the answer of that call is there."""
        return self._store is not None and self._store.holds(key)

    def miss(self, miss: Miss) -> None:
        """Set down an attempt that got no answer; without a store there is nowhere to."""
        if self._store is not None:
            self._store.record_miss(miss)

    def answer(self, due: Due, make: Callable[[], Answer]) -> Answer:
        """The kept answer, or a new one by `make`.

        Raises: BudgetExceeded before anything is spent; whatever `make` raises, with nothing kept; LMError if a call
        that has a price makes calls itself.
        """
        if _PRICED.get():
            raise LMError(
                f"call of {_PRICED.get()!r}: has a price and calls {due.name!r}, which has its own; price one of them"
            )
        with self._turns.alone(due.key):
            if self._store is None:
                return self._pay(due, make)
            kept = self._store.find(due.key) or self._store.begin(due.key)
            if kept is not None:
                return self._replay(self._store, due, kept)
            paid = False
            try:
                answer = self._pay(due, make)
                paid = True
            finally:
                if not paid:
                    self._store.abandon(due.key)
            return answer

    def _replay(self, store: CallStore, due: Due, kept: Answer) -> Answer:
        if self._meter is not None and kept.paid_by == here().run and due.key not in self._charged:
            self._meter.charge(kept.spend(due.kind), due.key)
            self._charged.add(due.key)  # not if the charge was refused: a larger part of the budget may bear it
        call = self._call(due, kept, cached=True, started=datetime.now(UTC))
        store.record(call)
        account(call)
        return kept

    def _pay(self, due: Due, make: Callable[[], Answer]) -> Answer:
        with self._reserved(due) as actual, _under_way(due):
            started = datetime.now(UTC)
            answer = make()
            actual.append(answer.spend(due.kind))
            self._charged.add(due.key)
            call = self._call(due, answer, cached=False, started=started)
            if self._store is not None:  # inside the reservation: what is held and what is spent leave no gap
                self._store.record(call, answer)
        account(call)
        return answer

    @contextmanager
    def _reserved(self, due: Due) -> Iterator[list[Spend]]:
        most = due.most() if self._meter is not None else Spend()
        if self._meter is None or most == Spend():
            yield []
            return
        with self._meter.reserve(most) as actual:
            yield actual

    def _call(self, due: Due, answer: Answer, *, cached: bool, started: datetime) -> Call:
        return Call(
            key=due.key,
            where=here(),
            model=due.name,
            cached=cached,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            usd=answer.usd,
            milliseconds=answer.milliseconds,
            started=started.isoformat(timespec="milliseconds"),
            kind=due.kind,
            budget="" if self._meter is None or cached else self._meter.name,
        )


@contextmanager
def _under_way(due: Due) -> Iterator[None]:
    # A call with a price holds a reservation; a call made inside it could wait for one that waits for this one.
    priced = due.kind != "lm" and due.most() != Spend()
    key = _KEY.set(due.key)
    name = _PRICED.set(due.name if priced else "")
    try:
        yield
    finally:
        _PRICED.reset(name)
        _KEY.reset(key)
