"""A journal: every finished episode of an evaluation on disk at once, so that nothing is paid for twice.

A folder with one file, `episodes.jsonl`: the first line names the run it belongs to, every further line is one
episode with its scores. Lines are only appended, by one writer. What a killed process left half-written is the
last line; it is cut off when the journal is opened again, and that episode is tried again.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pydantic import JsonValue, ValidationError

from workbench.core import Episode, EvaluationError, Record, RunHeader, Score, canonical_json

SYNC_SECONDS = 1.0
"""Lines reach the operating system one by one, which survives a killed process; the disk once in this time."""


class Entry(Record):
    """One finished episode."""

    episode: Episode
    scores: tuple[Score, ...]

    @property
    def key(self) -> tuple[str, int]:
        """Case id and repeat."""
        return self.episode.case_id, self.episode.repeat


def encode(entry: Entry) -> bytes:
    """The entry's line.

    Raises: ValueError if the entry holds what JSON can't: a number that is not finite, half a surrogate pair.
    """
    return canonical_json(entry.model_dump(mode="json")) + b"\n"


class Journal:
    """An open journal; made by `open_journal`."""

    def __init__(self, file: BinaryIO, entries: dict[tuple[str, int], Entry]) -> None:
        self.entries = entries
        """What earlier processes finished."""
        self._file = file
        self._synced = time.monotonic()

    def append(self, line: bytes) -> None:
        """Add one encoded entry."""
        self._file.write(line)
        self._file.flush()
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Make sure that what was added is on the disk."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()


@contextmanager
def open_journal(folder: Path, header: RunHeader) -> Iterator[Journal]:
    """Open or begin the journal of one run.

    Raises: EvaluationError if the folder's journal belongs to another run, is damaged before its last line, or
    can't be written.
    """
    path = folder / "episodes.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            file.seek(0)
            lines = _whole_lines(file)
            if not lines:
                file.write(_first_line(header))
                file.flush()
            journal = Journal(file, _read(path, lines, header))
            yield journal
            journal.sync()
    except OSError as cause:
        raise EvaluationError(
            f"journal {str(path)!r}: can't be written: {cause.strerror}; free space or choose another folder"
        ) from cause


def _whole_lines(file: BinaryIO) -> list[bytes]:
    """The lines so far; a torn last one is cut off the file."""
    data = file.read()
    end = data.rfind(b"\n") + 1
    if end != len(data):
        file.truncate(end)
    return data[:end].splitlines()


def _first_line(header: RunHeader) -> bytes:
    names: dict[str, JsonValue] = {"journal": header.digest, "agent": header.agent}
    return canonical_json(names) + b"\n"


def _read(path: Path, lines: list[bytes], header: RunHeader) -> dict[tuple[str, int], Entry]:
    if lines and lines[0] + b"\n" != _first_line(header):
        raise EvaluationError(
            f"journal {str(path)!r}: does not belong to this run of {header.agent!r} (another agent, eval set, split "
            "or other metrics); choose another folder or delete it"
        )
    entries = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as cause:
            raise EvaluationError(f"journal ({path}:{number}): the line is damaged; delete it and go on") from cause
        entries[entry.key] = entry
    return entries
