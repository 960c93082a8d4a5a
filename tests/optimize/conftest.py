"""A store for calls, and a clock that stands still."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.lms import CallStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CallStore]:
    """A fresh call store."""
    opened = CallStore(tmp_path / "calls.db")
    yield opened
    opened.close()


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything takes 0 ms: what two searches then differ in is not a matter of time."""
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
