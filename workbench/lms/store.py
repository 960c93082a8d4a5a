"""The call store: every paid answer kept, every call in the ledger, in one transaction."""

import json
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from workbench.core import LMError, Spend, boundary
from workbench.lms.scope import Call, Where

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
    }
)
"""The ledger, a row for each call in the order they ended; `usd` is null where the price is unknown."""

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
"""


@dataclass(frozen=True)
class Answer:
    """A kept answer, and what it cost when it was paid."""

    response: dict[str, object]
    """The provider's answer as canonical JSON data."""
    paid_by: str
    """The run that paid for it."""
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    milliseconds: float

    @property
    def spend(self) -> Spend:
        """What the call cost, as a budget counts it."""
        tokens = self.prompt_tokens + self.completion_tokens
        return Spend(calls=1, tokens=tokens, seconds=self.milliseconds / 1000, usd=self.usd)


class CallStore:
    """Answers and ledger in one SQLite file; many threads and processes may use it.

    A paid answer and its ledger row are committed together before the caller sees the answer, so a
    process that is killed has either not paid yet or will find what it paid for. The write-ahead log
    survives kill -9; `synchronous=NORMAL` may lose the last commits to a power cut, never corrupt.
    Questions are not kept, only their digests.
    """

    def __init__(self, path: Path) -> None:
        """Open the store, making it where it is new.

        Raises: LMError if the file can't be opened or is not a call store.
        """
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_TABLES)
        except (OSError, sqlite3.Error) as cause:
            raise LMError(f"call store {str(path)!r}: can't be opened: {cause}; delete it or name another") from cause

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._lock:
            self._db.close()

    def find(self, key: str) -> Answer | None:
        """The kept answer to a question, or None if it was never paid for."""
        with self._lock, self._working():
            row = self._db.execute(
                "SELECT response, paid_by, prompt_tokens, completion_tokens, usd, milliseconds"
                " FROM answers WHERE key = ?",
                (key,),
            ).fetchone()
        return None if row is None else Answer(json.loads(row[0]), *row[1:])

    def record(self, call: Call, answer: Answer | None = None) -> None:
        """Add a call to the ledger; with the answer if it was paid for now.

        Raises: LMError if the disk refuses; then neither is kept.
        """
        with self._lock, self._working():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                if answer is not None:
                    self._db.execute(
                        "INSERT OR IGNORE INTO answers VALUES (?,?,?,?,?,?,?,?)",
                        (
                            call.key, json.dumps(answer.response, ensure_ascii=False), answer.paid_by, call.model,
                            answer.prompt_tokens, answer.completion_tokens, answer.usd, answer.milliseconds,
                        ),
                    )  # fmt: skip
                self._db.execute(
                    "INSERT INTO ledger VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?)",
                    (
                        call.key, call.where.run, call.where.candidate, call.where.case_id, call.where.module,
                        call.model, int(call.cached), call.prompt_tokens, call.completion_tokens, call.usd,
                        call.milliseconds, call.started,
                    ),
                )  # fmt: skip
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def calls(self, run: str | None = None) -> Sequence[Call]:
        """Ledger rows in order; of one run, or all."""
        return [
            Call(
                key=row["key"],
                where=Where(run=row["run"], candidate=row["candidate"], case_id=row["case_id"], module=row["module"]),
                **{name: row[name] for name in _CALL_FIELDS},
            )
            for row in self.frame(run).iter_rows(named=True)
        ]

    def frame(self, run: str | None = None) -> pl.DataFrame:
        """The ledger as a table of schema `CALLS`; of one run, or all."""
        condition, values = ("", ()) if run is None else (" WHERE run = ?", (run,))
        names = ", ".join(CALLS.names())
        with self._lock, self._working():
            rows = self._db.execute(f"SELECT {names} FROM ledger{condition} ORDER BY seq", values).fetchall()  # noqa: S608
        cached = CALLS.names().index("cached")
        clean = [(*row[:cached], bool(row[cached]), *row[cached + 1 :]) for row in rows]
        return pl.DataFrame(clean, schema=CALLS, orient="row")

    def answers(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The kept answers to some questions; keys that were never paid for are absent."""
        found = {key: self.find(key) for key in keys}
        return {key: answer for key, answer in found.items() if answer is not None}

    def _working(self) -> AbstractContextManager[None]:
        return boundary(LMError, f"call store {str(self.path)!r}: can't be used; free space, or delete it")


_CALL_FIELDS = ("model", "cached", "prompt_tokens", "completion_tokens", "usd", "milliseconds", "started")


def totals(calls: pl.DataFrame) -> Spend:
    """What the paid calls of a ledger cost together; cached ones cost nothing."""
    paid = calls.filter(~pl.col("cached"))
    unknown = paid["usd"].null_count() > 0
    return Spend(
        calls=paid.height,
        tokens=sum(paid["prompt_tokens"]) + sum(paid["completion_tokens"]),
        seconds=sum(paid["milliseconds"]) / 1000,
        usd=None if unknown else sum(paid["usd"]),
    )
