"""A state in an SQLite file, which processes of one machine share."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from workbench.core import Owner, boundary, empty_log, open_database
from workbench.tools.errors import ToolError
from workbench.tools.state_engine import NEW_SWITCH, Row, Value, tables


class Sqlite:
    """See `Engine`: here one change is made at a time, so no row has to be held."""

    def __init__(self, path: Path, *, seal: Path | None, busy_seconds: float) -> None:
        """Open the file, making it where it is new. Raises: ToolError if it can't be opened or is something else."""
        self.where = str(path)
        self.seal: Path | None = seal or path.with_name(f"{path.name}-seal")
        self._lock = threading.RLock()
        self._lasting = False
        with boundary(ToolError, f"tool state {self.where!r}: can't be opened"):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = _make(path)
            self._db = open_database(path, wait_seconds=busy_seconds)
            self._db.execute("PRAGMA secure_delete=ON")  # what was overwritten is gone from the file
            self._db.executescript(tables(keyed=" WITHOUT ROWID"))
            if new:
                self._db.execute(NEW_SWITCH)
            self.owner = Owner(path.with_name(f"{path.name}-gates"))

    def change(self, sql: str, values: Sequence[Value], *, lasting: bool) -> list[Row]:
        """See `Engine.change`."""
        with self._lock, boundary(ToolError, "tool state: can't be changed"):
            self._sync(lasting)
            return self._db.execute(_plain(sql), values).fetchall()

    @contextmanager
    def transaction(self, *, lasting: bool) -> Iterator["SqliteStatements"]:
        """See `Engine.transaction`."""
        with self._lock, boundary(ToolError, "tool state: can't be changed"):
            self._sync(lasting)
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteStatements(self._db)
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def purge(self) -> None:
        """See `Engine.purge`: the file was overwritten, but the log before it holds pages as they were."""
        with self._lock, boundary(ToolError, "tool state: can't be purged"):
            if not empty_log(self._db):
                raise ToolError(
                    f"tool state {self.where!r}: others are at work, so its log keeps what was; do it again"
                )

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            self._db.close()
            self.owner.close()

    def _sync(self, lasting: bool) -> None:
        if lasting is not self._lasting:
            self._db.execute(f"PRAGMA synchronous={'FULL' if lasting else 'NORMAL'}")
            self._lasting = lasting


class SqliteStatements:
    """See `Statements`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, sql: str, values: Sequence[Value]) -> list[Row]:
        """See `Statements.execute`."""
        return self._db.execute(_plain(sql), values).fetchall()


@lru_cache(maxsize=256)
def _plain(sql: str) -> str:
    """A statement that holds no rows: its change is alone in the file."""
    return sql.replace(" FOR SHARE", "").replace(" FOR UPDATE", "")


def _make(path: Path) -> bool:
    """Make a file that only its owner may read, as those that SQLite lays beside it are then; False if it is there."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True
