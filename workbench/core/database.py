"""SQLite files that several processes share, opened in one way."""

import sqlite3
import time
from pathlib import Path

_LOOK_SECONDS = 0.05


def open_database(path: Path, *, wait_seconds: float) -> sqlite3.Connection:
    """A connection with a write-ahead log and no transaction of its own; threads have to take turns by themselves.

    What is committed survives kill -9, not a power cut. A change waits so long for those of others.
    Raises: sqlite3.Error if the file can't be opened, holds something else, or others keep it busy for so long.
    """
    db = sqlite3.connect(path, check_same_thread=False, timeout=wait_seconds, isolation_level=None)
    ends = time.monotonic() + wait_seconds
    while True:  # where others open the file at the same moment, SQLite does not wait by itself
        try:
            db.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as cause:
            if cause.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
            time.sleep(_LOOK_SECONDS)
    db.execute("PRAGMA synchronous=NORMAL")
    return db


def empty_log(db: sqlite3.Connection) -> bool:
    """Empty a file's write-ahead log, which holds pages as they were; False if others are at work, so that it does not.

    What was deleted is off the disk only after this, on a connection that deletes securely.
    """
    busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy
