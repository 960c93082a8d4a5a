"""What gates remember, in one SQLite file that many processes share: actions, approvals and the kill switch."""

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from workbench.core import Owner, boundary, open_database
from workbench.tools.errors import ToolError

BUSY_SECONDS = 2.0
"""How long a change waits for those of others, before it fails and denies."""

_TABLES = """
CREATE TABLE IF NOT EXISTS actions (
  key TEXT PRIMARY KEY, tenant TEXT NOT NULL, tool TEXT NOT NULL, arguments TEXT NOT NULL, call_id TEXT NOT NULL,
  state TEXT NOT NULL, owner TEXT NOT NULL, attempt INTEGER NOT NULL, approval TEXT NOT NULL, result TEXT NOT NULL,
  at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS approvals (
  id TEXT PRIMARY KEY, binding TEXT NOT NULL, tenant TEXT NOT NULL, asked TEXT NOT NULL, state TEXT NOT NULL,
  approver TEXT NOT NULL, decided REAL NOT NULL, expires REAL NOT NULL, seal TEXT NOT NULL, used_by TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS approvals_binding ON approvals (binding);
CREATE TABLE IF NOT EXISTS switch (
  id INTEGER PRIMARY KEY CHECK (id = 1), mode TEXT NOT NULL, epoch INTEGER NOT NULL, at REAL NOT NULL,
  who TEXT NOT NULL, why TEXT NOT NULL);
"""

Value = str | int | float


class State:
    """An open file. Safe under threads; a process that was forked off opens its own.

    A change survives kill -9 as soon as it is made, and a power cut if it is made with `lasting`.
    """

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """Open the file, making it where it is new.

        Raises: ToolError if it can't be opened or holds something else.
        """
        self.path = path
        self.busy: set[str] = set()
        """Actions of this process, of all its gates, from before their start until their journal is closed."""
        self.running: list[str] = []
        """Actions whose tool is at work in this process, also long after its deadline."""
        self._lock = threading.RLock()
        self._lasting = False
        with boundary(ToolError, f"tool state {str(path)!r}: can't be opened"):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = _make(path)
            self._db = open_database(path, wait_seconds=busy_seconds)
            self._db.executescript(_TABLES)
            if new:  # a row that is gone later stops everything, as it should
                self._db.execute("INSERT OR IGNORE INTO switch VALUES (1, 'run', 0, 0, '', '')")
            self.owner = Owner(path.with_name(f"{path.name}-gates"))

    @cached_property
    def seal_key(self) -> bytes:
        """What approvals are sealed with: a file of its own beside the state, that only its owner may read.

        Raises: ToolError if it can't be read, or is not one.
        """
        path = self.path.with_name(f"{self.path.name}-seal")
        with boundary(ToolError, f"seal of {str(self.path)!r}: can't be read"):
            if not path.exists():
                draft = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
                with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(secrets.token_bytes(32))
                    os.fsync(file.fileno())
                with suppress(FileExistsError):
                    os.link(draft, path)  # whoever is first
                draft.unlink()
            key = path.read_bytes()
        if len(key) != 32:
            raise ToolError(f"seal of {str(self.path)!r}: is not 32 bytes; approvals can't be trusted without it")
        return key

    def change(self, sql: str, values: Sequence[Value], *, lasting: bool = False) -> list[tuple[Value, ...]]:
        """One statement, whole or not at all; the rows that it returns.

        Raises: ToolError if the disk refuses or others are at work for too long; then nothing is changed.
        """
        with self._lock, boundary(ToolError, "tool state: can't be changed"):
            self._sync(lasting)
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self, *, lasting: bool = False) -> Iterator[sqlite3.Connection]:
        """Several statements, whole or not at all, and alone among all threads and processes.

        Raises: ToolError if the disk refuses or others are at work for too long; then nothing is changed.
        """
        with self._lock, boundary(ToolError, "tool state: can't be changed"):
            self._sync(lasting)
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._lock:
            self._db.close()
            self.owner.close()

    def _sync(self, lasting: bool) -> None:
        if lasting is not self._lasting:
            self._db.execute(f"PRAGMA synchronous={'FULL' if lasting else 'NORMAL'}")
            self._lasting = lasting


def _make(path: Path) -> bool:
    """Make a file that only its owner may read, as those that SQLite lays beside it are then; False if it is there."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True
