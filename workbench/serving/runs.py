"""Runs on disk: what was answered is still there after a restart."""

import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

from workbench.core import PackageError, open_database
from workbench.packaging import RunView
from workbench.serving.problems import Refused

KEPT_RUNS = 10_000
"""Older runs are forgotten when new ones begin."""

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE, idempotency_key TEXT UNIQUE,
  body TEXT NOT NULL, started TEXT NOT NULL, view TEXT NOT NULL, status TEXT NOT NULL, owner TEXT NOT NULL DEFAULT '');
"""
_OWNER = "ALTER TABLE runs ADD COLUMN owner TEXT NOT NULL DEFAULT ''"
"""For stores of earlier versions."""


class RunStore:
    """Runs in one SQLite file of one server; safe under threads.

    Requests are not kept, only their digests. A run that a stopped server left open has failed: nothing works
    on it any more. A run belongs to who asked it, and so does an idempotency key. A failed run frees its key, so that
    a caller may try again.
    """

    def __init__(self, path: Path) -> None:
        """Open the store, making it where it is new.

        Raises: PackageError if the file can't be opened or is not a run store.
        """
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = open_database(path, wait_seconds=10)
            self._db.executescript(_TABLES)
            if "owner" not in {row[1] for row in self._db.execute("PRAGMA table_info(runs)")}:
                self._db.execute(_OWNER)
            for (text,) in self._db.execute("SELECT view FROM runs WHERE status = 'running'").fetchall():
                view = RunView.model_validate_json(text)
                self.finish(view.model_copy(update={"status": "failed", "problem": "interrupted"}))
        except (OSError, sqlite3.Error, ValueError) as cause:
            raise PackageError(
                f"run store {str(path)!r}: can't be opened: {cause}; delete it or name another"
            ) from cause

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._lock:
            self._db.close()

    def begin(self, view: RunView, *, key: str | None, body: str, owner: str = "") -> RunView:
        """Keep a run that begins now; the earlier run if the owner's idempotency key has one.

        `body` is the digest of what was asked; `owner` is who asked, empty for whoever is not known.
        Raises: Refused if the key was used with another body.
        """
        # A key holds no space, so no two owners can have one key in common.
        key = f"{owner} {key}" if key is not None and owner else key
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                earlier = self._earlier(key, body)
                if earlier is None:
                    self._insert(view, key, body, owner)
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        return view if earlier is None else earlier

    def finish(self, view: RunView) -> None:
        """Keep how a run ended."""
        with self._lock:
            self._db.execute(
                "UPDATE runs SET view = ?, status = ?, "
                "idempotency_key = CASE WHEN ? = 'failed' THEN NULL ELSE idempotency_key END WHERE run_id = ?",
                (view.model_dump_json(), view.status, view.status, view.run_id),
            )

    def find(self, run_id: str, owner: str = "") -> RunView | None:
        """An owner's run of that id, or None if there is none, or it was forgotten."""
        with self._lock:
            found = self._db.execute("SELECT view FROM runs WHERE run_id = ? AND owner = ?", (run_id, owner))
            row = found.fetchone()
        return None if row is None else RunView.model_validate_json(row[0])

    def _earlier(self, key: str | None, body: str) -> RunView | None:
        row = self._db.execute("SELECT view, body FROM runs WHERE idempotency_key = ?", (key,)).fetchone()
        if row is None:
            return None
        if row[1] != body:
            raise Refused("idempotency_conflict")
        return RunView.model_validate_json(row[0])

    def _insert(self, view: RunView, key: str | None, body: str, owner: str) -> None:
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        cursor = self._db.execute(
            "INSERT INTO runs VALUES (NULL,?,?,?,?,?,?,?)",
            (view.run_id, key, body, started, view.model_dump_json(), view.status, owner),
        )
        self._db.execute("DELETE FROM runs WHERE seq <= ?", ((cursor.lastrowid or 0) - KEPT_RUNS,))
