"""A journal: every finished episode of an evaluation on disk at once, so that nothing is paid for twice.

A folder with one file, `episodes.jsonl`: the first line names what was tried and by what it is graded, every further
line is one episode with its scores; of two lines about one episode the later counts. Lines are only appended. What a
killed process left half-written is the last line; it is cut off when the journal is opened again, and that episode is
tried again.

Where only the graders changed, the episodes are kept and lose their scores. The file is then replaced as a whole, so
a kill leaves the old one or the new one.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from workbench.core import (
    Episode,
    EvaluationError,
    Record,
    RunHeader,
    Score,
    canonical_json,
    digest_json,
    write_bytes,
)

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


class _Beginning(Record):
    """The first line."""

    agent: str
    tried: str
    """Digest of the run's header without what grades."""
    graded: str
    """Digest of what grades."""


def encode(entry: Entry) -> bytes:
    """The entry's line.

    Raises: ValueError if the entry holds what JSON can't: a number that is not finite, half a surrogate pair.
    """
    return _line(entry)


class Journal:
    """An open journal; made by `open_journal`."""

    def __init__(self, file: BinaryIO, entries: dict[tuple[str, int], Entry]) -> None:
        self.entries = entries
        """What earlier processes finished; without scores where other graders judged it."""
        self._file = file
        self._synced = time.monotonic()
        self._lock = threading.Lock()

    def append(self, line: bytes) -> None:
        """Add one encoded entry; any thread may."""
        with self._lock:
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
    """Open or begin the journal of one run; one that other graders judged is kept, without their scores.

    Raises: EvaluationError if the folder's journal belongs to another run, is damaged before its last line, or
    can't be written; DataError if it can't be replaced by one without scores.
    """
    path = folder / "episodes.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        entries = _entries(path, header)
        with path.open("ab") as file:
            journal = Journal(file, entries)
            yield journal
            journal.sync()
    except OSError as cause:
        raise EvaluationError(
            f"journal {str(path)!r}: can't be written: {cause.strerror}; free space or choose another folder"
        ) from cause


def _entries(path: Path, header: RunHeader) -> dict[tuple[str, int], Entry]:
    """What the file holds, once it is one that the header's run can go on with."""
    lines = _whole_lines(path)
    beginning = _beginning(header)
    if not lines:
        path.write_bytes(_line(beginning))
        return {}
    begun = _begun(lines[0])
    if begun is None or begun.tried != beginning.tried:
        raise EvaluationError(
            f"journal {str(path)!r}: does not belong to this run of {header.agent!r} (another agent, eval set, split, "
            "source or price list); choose another folder or delete it"
        )
    entries = _read(path, lines[1:])
    if begun.graded != beginning.graded:
        entries = {key: entry.model_copy(update={"scores": ()}) for key, entry in entries.items()}
        write_bytes(path, b"".join(map(_line, (beginning, *entries.values()))))
    return entries


def _whole_lines(path: Path) -> list[bytes]:
    """The lines so far; a torn last one is cut off the file."""
    if not path.exists():
        return []
    with path.open("r+b") as file:
        data = file.read()
        end = data.rfind(b"\n") + 1
        if end != len(data):
            file.truncate(end)
    return data[:end].splitlines()


def _beginning(header: RunHeader) -> _Beginning:
    return _Beginning(
        agent=header.agent,
        tried=header.model_copy(update={"metrics": (), "graders": {}}).digest,
        graded=digest_json([[*header.metrics], {**header.graders}]),
    )


def _begun(line: bytes) -> _Beginning | None:
    """What the file says it is about; None if it says nothing that can be read."""
    with suppress(ValidationError):
        return _Beginning.model_validate_json(line)
    return None


def _line(record: Record) -> bytes:
    return canonical_json(record.model_dump(mode="json")) + b"\n"


def _read(path: Path, lines: list[bytes]) -> dict[tuple[str, int], Entry]:
    entries = {}
    for number, line in enumerate(lines, start=2):
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as cause:
            raise EvaluationError(f"journal ({path}:{number}): the line is damaged; delete it and go on") from cause
        entries[entry.key] = entry
    return entries
