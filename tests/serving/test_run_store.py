"""Runs on disk."""

import sqlite3
from pathlib import Path

import pytest

from workbench.core import PackageError
from workbench.packaging import RunView
from workbench.serving import runs
from workbench.serving.runs import RunStore


def view(run_id: str) -> RunView:
    return RunView(run_id=run_id, status="running", package="p" * 64, trace_id="0" * 32)


def test_an_open_run_of_a_stopped_server_has_failed(tmp_path: Path) -> None:
    """Nothing works on it any more: it says so, and its key is free again."""
    path = tmp_path / "runs.sqlite3"
    store = RunStore(path)
    store.begin(view("a"), key="k", body="b")
    store.close()
    store = RunStore(path)
    found = store.find("a")

    assert found is not None
    assert ("failed", "interrupted") == (found.status, found.problem)
    assert view("c") == store.begin(view("c"), key="k", body="another")
    store.close()


def test_requests_are_not_kept(tmp_path: Path) -> None:
    """Only digests of bodies are on disk, and the write-ahead log is on."""
    path = tmp_path / "runs.sqlite3"
    store = RunStore(path)
    store.begin(view("a"), key=None, body="b")
    rows = sqlite3.connect(path).execute("SELECT body, idempotency_key FROM runs").fetchall()

    assert [("b", None)] == rows
    assert ("wal",) == sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone()
    store.close()


def test_old_runs_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store does not grow for ever."""
    monkeypatch.setattr(runs, "KEPT_RUNS", 3)
    store = RunStore(tmp_path / "runs.sqlite3")
    for number in range(5):
        store.begin(view(str(number)), key=None, body="b")

    assert [None, None, view("2"), view("3"), view("4")] == [store.find(str(number)) for number in range(5)]
    store.close()


def test_another_file_is_no_run_store(tmp_path: Path) -> None:
    """A file that is something else is named, and left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be taken for one: " * 20)

    with pytest.raises(PackageError, match=r"notes\.txt"):
        RunStore(path)
    assert path.read_text().startswith("not a database")
