"""The call store: every paid answer kept, every call in the ledger, in one transaction."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from workbench.core import LMError, Owner, Spend, boundary, empty_log, open_database
from workbench.lms.scope import Call, Kind, Miss, Where, whose
from workbench.lms.turns import Turns

CALLS = pl.Schema(
    {
        "seq": pl.Int64,
        "key": pl.String,
        "run": pl.String,
        "candidate": pl.String,
        "case_id": pl.String,
        "module": pl.String,
        "model": pl.String,
        "cached": pl.Boolean,
        "prompt_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
        "usd": pl.Float64,
        "milliseconds": pl.Float64,
        "started": pl.String,
        "kind": pl.String,
        "budget": pl.String,
    }
)
"""The ledger, a row for each call in the order they ended; `usd` is null where the price is unknown."""
MISSES = pl.Schema(
    {
        "seq": pl.Int64,
        "key": pl.String,
        "run": pl.String,
        "candidate": pl.String,
        "case_id": pl.String,
        "module": pl.String,
        "model": pl.String,
        "error": pl.String,
        "milliseconds": pl.Float64,
        "started": pl.String,
    }
)
"""The attempts that got no answer, a row for each in the order they ended; they are no part of `CALLS`."""
OPENING_SECONDS = 60
"""How long one waits for others that open or change the file."""
LOOK_SECONDS = 0.005
"""How often a process looks whether another one has ended a call."""

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, response TEXT NOT NULL, paid_by TEXT NOT NULL, model TEXT NOT NULL,
  prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, usd REAL, milliseconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, run TEXT NOT NULL, candidate TEXT NOT NULL,
  case_id TEXT NOT NULL, module TEXT NOT NULL, model TEXT NOT NULL, cached INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, usd REAL, milliseconds REAL NOT NULL,
  started TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS ledger_run ON ledger (run);
CREATE TABLE IF NOT EXISTS misses (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, run TEXT NOT NULL, candidate TEXT NOT NULL,
  case_id TEXT NOT NULL, module TEXT NOT NULL, model TEXT NOT NULL, error TEXT NOT NULL, milliseconds REAL NOT NULL,
  started TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS under_way (key TEXT PRIMARY KEY, owner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reservations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, budget TEXT NOT NULL, owner TEXT NOT NULL,
  calls INTEGER NOT NULL, tokens INTEGER NOT NULL, seconds REAL NOT NULL, usd REAL);
"""
_ADDED = {
    "ledger": {"kind": "TEXT NOT NULL DEFAULT 'lm'", "budget": "TEXT NOT NULL DEFAULT ''"},
    "answers": {"tenant": "TEXT NOT NULL DEFAULT ''"},
}
"""Columns that stores of earlier versions lack, by table."""


@dataclass(frozen=True)
class Answer:
    """A kept answer, and what it cost when it was paid."""

    response: dict[str, JsonValue]
    """What was answered, as JSON data."""
    paid_by: str
    """The run that paid for it."""
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    milliseconds: float

    def spend(self, kind: Kind) -> Spend:
        """What the call cost, as a budget counts it: calls, tokens and seconds are those of language models."""
        if kind != "lm":
            return Spend(usd=self.usd)
        tokens = self.prompt_tokens + self.completion_tokens
        return Spend(calls=1, tokens=tokens, seconds=self.milliseconds / 1000, usd=self.usd)


class CallStore:
    """Answers and ledger in one SQLite file; many threads and processes may use it.

    A paid answer and its ledger row are committed together before the caller sees the answer, so a
    process that is killed has either not paid yet or will find what it paid for. The write-ahead log
    survives kill -9; `synchronous=NORMAL` may lose the last commits to a power cut, never corrupt.
    Questions are not kept, only their digests. What processes share while they work (which calls are under way,
    what budgets hold) stands in the same file; a process that was forked off opens a store of its own.
    """

    def __init__(self, path: Path) -> None:
        """Open the store, making it where it is new.

        Raises: LMError if the file can't be opened or is not a call store.
        """
        self.path = path
        self.turns = Turns()
        """Threads that ask the same question, one after another."""
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = open_database(path, wait_seconds=OPENING_SECONDS)
            self._db.executescript(_TABLES)
            self._add_columns()
        except (OSError, sqlite3.Error) as cause:
            raise LMError(f"call store {str(path)!r}: can't be opened: {cause}; delete it or name another") from cause

    @cached_property
    def owner(self) -> Owner:
        """This store's process, as others see it; made when it first writes what they share."""
        return Owner(self.path.with_name(f"{self.path.name}-owners"))

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._lock:
            self._db.close()
            if "owner" in self.__dict__:
                self.owner.close()
                del self.owner

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One change of the file, whole or not at all, and alone among all threads and processes.

        Raises: LMError if the disk refuses; then nothing is changed.
        """
        with self._lock, self._working() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def find(self, key: str) -> Answer | None:
        """The kept answer to a question, or None if it was never paid for."""
        with self._lock, self._working() as db:
            row = db.execute(_FIND, (key,)).fetchone()
        return None if row is None else Answer(json.loads(row[0]), *row[1:])

    def holds(self, key: str) -> bool:
        """Whether a question's answer is kept; it is not read."""
        with self._lock, self._working() as db:
            return db.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchone() is not None

    def begin(self, key: str) -> Answer | None:
        """Take a call upon this process; None if it is now to be made, and ended by `record` or `abandon`.

        Where another process is making it, this waits, and gives the answer that was kept. What a process had under
        way when it died falls to the next that asks.
        """
        while True:
            with self.transaction() as db:
                row = db.execute(_FIND, (key,)).fetchone()
                if row is not None:
                    return Answer(json.loads(row[0]), *row[1:])
                maker = db.execute("SELECT owner FROM under_way WHERE key = ?", (key,)).fetchone()
                if maker is None or maker[0] == self.owner.name or not self.owner.alive(maker[0]):
                    db.execute("INSERT OR REPLACE INTO under_way VALUES (?,?)", (key, self.owner.name))
                    return None
            time.sleep(LOOK_SECONDS)

    def abandon(self, key: str) -> None:
        """Give back a call that got no answer."""
        with self.transaction() as db:
            db.execute("DELETE FROM under_way WHERE key = ? AND owner = ?", (key, self.owner.name))

    def record(self, call: Call, answer: Answer | None = None) -> None:
        """Add a call to the ledger; with the answer if it was paid for now.

        Raises: LMError if the disk refuses; then neither is kept.
        """
        values = call.model_dump(mode="json", exclude={"where"}) | call.where.model_dump()
        with self.transaction() as db:
            if answer is not None:
                db.execute(
                    f"INSERT OR IGNORE INTO answers ({_ANSWER}) VALUES (?,?,?,?,?,?,?,?,?)",  # noqa: S608 - our own names
                    (
                        call.key, json.dumps(answer.response, ensure_ascii=False), answer.paid_by, call.model,
                        answer.prompt_tokens, answer.completion_tokens, answer.usd, answer.milliseconds, whose(),
                    ),
                )  # fmt: skip
                db.execute("DELETE FROM under_way WHERE key = ?", (call.key,))
            db.execute(_ADD_CALL, values)

    def record_miss(self, miss: Miss) -> None:
        """Set down an attempt that got no answer.

        Raises: LMError if the disk refuses.
        """
        values = miss.model_dump(mode="json", exclude={"where"}) | miss.where.model_dump()
        with self.transaction() as db:
            db.execute(_ADD_MISS, values)

    def misses(self, run: str | None = None) -> pl.DataFrame:
        """The attempts that got no answer, as a table of schema `MISSES`; of one run, or all."""
        return pl.DataFrame(self._rows("misses", MISSES.names(), run), schema=MISSES, orient="row")

    def erase(self, tenant: str) -> int:
        """Remove what was answered for a tenant, to the last byte of the file; how many answers there were.

        The ledger stays: it holds digests, counts and the names that `scope` was given.
        Raises: LMError if others use the file for too long: then bytes are left, and it is to be erased again.
        """
        with self._lock, self._working() as db:
            db.execute("PRAGMA secure_delete = ON")
            with self.transaction():
                count = db.execute("DELETE FROM answers WHERE tenant = ?", (tenant,)).rowcount
            emptied = empty_log(db)
            db.execute("PRAGMA secure_delete = OFF")
        if not emptied:
            raise LMError(f"call store {str(self.path)!r}: others use it, so bytes are left; erase again")
        return count

    def calls(self, run: str | None = None) -> Sequence[Call]:
        """Ledger rows in order; of one run, or all."""
        return [
            Call(
                where=Where(**{name: row[name] for name in Where.model_fields}),
                **{name: row[name] for name in Call.model_fields if name != "where"},
            )
            for row in self.frame(run).iter_rows(named=True)
        ]

    def frame(self, run: str | None = None) -> pl.DataFrame:
        """The ledger as a table of schema `CALLS`; of one run, or all."""
        cached = CALLS.names().index("cached")
        rows = self._rows("ledger", CALLS.names(), run)
        clean = [(*row[:cached], bool(row[cached]), *row[cached + 1 :]) for row in rows]
        return pl.DataFrame(clean, schema=CALLS, orient="row")

    def answers(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The kept answers to some questions; keys that were never paid for are absent."""
        found = {key: self.find(key) for key in keys}
        return {key: answer for key, answer in found.items() if answer is not None}

    def _rows(self, table: str, names: Sequence[str], run: str | None) -> list[tuple[object, ...]]:
        condition, values = ("", ()) if run is None else (" WHERE run = ?", (run,))
        query = f"SELECT {', '.join(names)} FROM {table}{condition} ORDER BY seq"  # noqa: S608 - our own names
        with self._lock, self._working() as db:
            return db.execute(query, values).fetchall()

    def _add_columns(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        for table, columns in _ADDED.items():
            present = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
            for name, kind in columns.items():
                if name not in present:
                    self._db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
        self._db.execute("COMMIT")

    @contextmanager
    def _working(self) -> Iterator[sqlite3.Connection]:
        with boundary(LMError, f"call store {str(self.path)!r}: can't be used; free space, or delete it"):
            yield self._db


_ANSWER = "key, response, paid_by, model, prompt_tokens, completion_tokens, usd, milliseconds, tenant"
_FIND = "SELECT response, paid_by, prompt_tokens, completion_tokens, usd, milliseconds FROM answers WHERE key = ?"


def _adding(table: str, schema: pl.Schema) -> str:
    names = [name for name in schema.names() if name != "seq"]
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"  # noqa: S608


_ADD_CALL = _adding("ledger", CALLS)
_ADD_MISS = _adding("misses", MISSES)


def totals(calls: pl.DataFrame) -> Spend:
    """What the paid calls of a ledger cost together; cached ones cost nothing.

    Calls, tokens and seconds are those of language models; dollars are those of every call.
    """
    paid = calls.filter(~pl.col("cached"))
    asked = paid.filter(pl.col("kind") == "lm")
    unknown = paid["usd"].null_count() > 0
    return Spend(
        calls=asked.height,
        tokens=sum(asked["prompt_tokens"]) + sum(asked["completion_tokens"]),
        seconds=sum(asked["milliseconds"]) / 1000,
        usd=None if unknown else sum(paid["usd"]),
    )
