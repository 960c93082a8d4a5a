"""A budget that processes share, at once or one after another: its account stands in the call store."""

import sqlite3
from collections.abc import Iterable

from workbench.core import Budget, BudgetExceeded, Meter, Spend
from workbench.lms.store import LOOK_SECONDS, CallStore

_PAID = """
SELECT key, count(*) FILTER (WHERE kind = 'lm'),
       total(prompt_tokens + completion_tokens) FILTER (WHERE kind = 'lm'),
       total(milliseconds) FILTER (WHERE kind = 'lm') / 1000, total(usd), count(*) - count(usd)
FROM ledger WHERE seq > ? AND budget = ? AND NOT cached
"""
_HELD = """
SELECT '', total(calls), total(tokens), total(seconds), total(usd), count(*) - count(usd)
FROM reservations WHERE budget = ?
"""


class SharedMeter(Meter):
    """Watches a budget by name, together with all other processes that work on the same call store.

    What is paid is what the ledger says was ever paid from the budget of this name, by whatever process, also by one
    that died: nothing goes uncounted, and a search that is continued with a higher limit has what is left of that.
    What is held are reservations; whether one fits is looked up and written in one transaction. A reservation whose
    process died is freed; what that call may have cost can't be known, since its answer was not kept.

    A search that goes on after a crash sees in `spent` and `left` what it would have seen without: what earlier
    processes paid counts there as soon as the search comes to the same call. Against the limits it counts at once.

    Only for calls that go through the same call store, since their ledger rows are the payments.
    """

    def __init__(self, budget: Budget, *, store: CallStore, name: str) -> None:
        """`name` is shared with the other processes, for instance the run's; each holds to the limits it was given."""
        super().__init__(budget)
        self.store = store
        self.name = name
        self._ids: list[tuple[Spend, int]] = []
        """The row of each amount that this process holds."""
        with store.transaction() as db:
            rows = db.execute(f"{_PAID} GROUP BY key", (0, name)).fetchall()
            self._seen = _last(db)
        self._earlier = {row[0]: _spend(row) for row in rows}
        """What was paid before, by the key of the call, and this search did not yet come to."""
        self._paid = Spend()
        """By ledger rows up to `_seen`; those of `_spent` are among them."""
        for cost in self._earlier.values():
            self._paid = self._paid.plus(cost)

    @property
    def spent(self) -> Spend:
        """What the search came to so far, as if it had never been interrupted."""
        with self._settled, self.store.transaction() as db:
            self._read(db)
            return self._spent

    @property
    def paid(self) -> Spend:
        """What was ever paid from this budget, in every process."""
        with self._settled, self.store.transaction() as db:
            self._read(db)
            return self._paid

    def charge(self, _cost: Spend, key: str = "") -> None:
        """Come to a call that an earlier process paid from this budget.

        Raises: BudgetExceeded where a search with this limit would have stopped before it.
        """
        with self._settled:
            cost = self._earlier.get(key, Spend())
            if refusal := self._beyond(cost) or self._refusal(self._spent.plus(cost)):
                self.refusal = refusal
                raise BudgetExceeded(refusal)
            self._earlier.pop(key, None)
            self._spent = self._spent.plus(cost)

    def _take(self, most: Spend) -> str:
        with self.store.transaction() as db:
            self._read(db)
            refusal = self._refusal(self._paid.plus(self._read_held(db)).plus(most))
            if refusal and self._free(db):
                refusal = self._refusal(self._paid.plus(self._read_held(db)).plus(most))
            if not refusal:
                row = db.execute(
                    "INSERT INTO reservations VALUES (NULL,?,?,?,?,?,?)",
                    (self.name, self.store.owner.name, most.calls, most.tokens, most.seconds, most.usd),
                ).lastrowid
                self._ids.append((most, row or 0))
        return refusal

    def _await(self) -> bool:
        with self.store.transaction() as db:
            held = db.execute("SELECT 1 FROM reservations WHERE budget = ? LIMIT 1", (self.name,)).fetchone()
        if held is None:
            return False
        self._settled.wait(LOOK_SECONDS)
        return True

    def _settle(self, most: Spend, _actual: Iterable[Spend]) -> None:
        held = next(one for one in self._ids if one[0] == most)
        self._ids.remove(held)
        with self.store.transaction() as db:
            db.execute("DELETE FROM reservations WHERE id = ?", held[1:])

    def _used(self) -> Spend:
        with self.store.transaction() as db:
            self._read(db)
            return self._spent.plus(self._read_held(db))

    def _read(self, db: sqlite3.Connection) -> None:
        """Count the ledger rows that are new."""
        new = _spend(db.execute(_PAID, (self._seen, self.name)).fetchone())
        self._paid, self._spent = self._paid.plus(new), self._spent.plus(new)
        self._seen = _last(db)

    def _read_held(self, db: sqlite3.Connection) -> Spend:
        return _spend(db.execute(_HELD, (self.name,)).fetchone())

    def _free(self, db: sqlite3.Connection) -> bool:
        """Free what dead processes held; True if there was any."""
        owners = db.execute("SELECT DISTINCT owner FROM reservations WHERE budget = ?", (self.name,)).fetchall()
        dead = [owner for owner in owners if not self.store.owner.alive(owner[0])]
        db.executemany("DELETE FROM reservations WHERE owner = ?", dead)
        return bool(dead)


def _last(db: sqlite3.Connection) -> int:
    """The number of the ledger's last row."""
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM ledger").fetchone()[0])


def _spend(row: tuple[str, int, float, float, float, int]) -> Spend:
    _, calls, tokens, seconds, usd, unknown = row
    return Spend(calls=int(calls), tokens=int(tokens), seconds=seconds, usd=None if unknown else usd)
