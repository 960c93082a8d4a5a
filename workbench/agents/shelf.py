"""A file that only its owner may read, in which what is deleted is gone: where agents keep runs and memories."""

import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from workbench.core import AgentError, boundary, empty_log, open_database

WAIT_SECONDS = 10.0
"""How long a change waits for those of other processes."""

Value = str | int | float


class Shelf:
    """An open SQLite file. Safe under threads and processes; each change survives a power cut."""

    def __init__(self, path: Path, tables: str) -> None:
        """Open the file, making it and its tables where they are new.

        Raises: AgentError if it can't be opened or holds something else.
        """
        self.path = path
        self._lock = threading.RLock()
        with boundary(AgentError, f"agents' file {str(path)!r}: can't be opened"):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            self._db = open_database(path, wait_seconds=WAIT_SECONDS)
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA secure_delete=ON")
            self._db.executescript(tables)

    def change(self, sql: str, values: Sequence[Value]) -> list[tuple[Value, ...]]:
        """One statement, whole or not at all; the rows that it returns.

        Raises: AgentError if the disk refuses or others are at work for too long; then nothing is changed.
        """
        with self._lock, boundary(AgentError, f"agents' file {str(self.path)!r}: can't be changed"):
            return self._db.execute(sql, values).fetchall()

    def wipe(self) -> None:
        """Empty the write-ahead log, so that no byte of what was deleted is left on the disk.

        Raises: AgentError if others are reading it for too long; then it is not empty.
        """
        with self._lock, boundary(AgentError, f"agents' file {str(self.path)!r}: can't be changed"):
            emptied = empty_log(self._db)
        if not emptied:
            raise AgentError(
                f"agents' file {str(self.path)!r}: others read it, so that deleted bytes are left; erase it again"
            )

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._lock, suppress(sqlite3.Error):
            self._db.close()
