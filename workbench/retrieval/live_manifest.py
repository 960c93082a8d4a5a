"""The manifest of a live index: which segments make its current generation, and how the next one is published.

    manifest.json          the current generation; replaced by one atomic rename
    probe.npy              what a provider's embedding model answered once, where the spec names one
    cross_encoder.*        the cross-encoder's graph and tokenizer, where the spec names one
    lock                   held by the one process that writes; the operating system frees it when that one dies
    segments/<name>/       immutable: documents.jsonl, arrays.bin, vectors (flat/), segment.json
    states/<name>.npz      immutable: what became of segments' documents after they were written

All that a manifest names is on the disk, files and folders, before the rename; the write is acknowledged after the
folder is, too. What no manifest names is the rest of a killed writer, or of an older generation: the next writer
removes it. A reader that meets such a removal reads the manifest again.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from workbench.core import DataError, Record, RetrievalError, boundary, read_record, write_record
from workbench.retrieval.cross_encoder import FILES, KEPT, CrossEncoderSpec
from workbench.retrieval.index import IndexSpec, Vectors

MANIFEST, PROBE = "manifest.json", "probe.npy"
SEGMENTS, STATES = "segments", "states"


class SegmentEntry(Record):
    """A segment as a generation sees it."""

    name: str
    documents: int = Field(ge=0)
    """Alive and deleted."""
    living: int = Field(ge=0)
    words: int = Field(ge=0)
    """In living documents, with repeats."""
    gone: str = ""
    """The state that says which documents are deleted; empty: none is."""
    confirmed: str = ""
    """The state that says when documents were last read at their source; empty: as the segment says."""


class Manifest(Record):
    """One generation of a live index."""

    format: int = 1
    generation: int = Field(ge=0)
    name: str
    """The corpus's."""
    spec: IndexSpec
    model: str = ""
    """The digest of the embedding model; empty for an index of words alone."""
    born: str = ""
    """Drawn when the index was made: one that is made anew in its place is another."""
    segments: tuple[SegmentEntry, ...] = ()
    next_number: int = 0
    """Of the next segment or state; numbers are never used again."""


def read_manifest(folder: Path) -> Manifest:
    """The current generation.

    Raises: RetrievalError if there is none, or it can't be read.
    """
    try:
        return read_record(folder / MANIFEST, Manifest)
    except DataError as cause:
        raise RetrievalError(f"live index {str(folder)!r}: {cause}; build it first") from cause


def publish(folder: Path, manifest: Manifest) -> None:
    """Make a generation the current one; what it names must be on the disk.

    Raises: RetrievalError if the disk refuses; the generation before then stays.
    """
    try:
        for part in (SEGMENTS, STATES):
            sync_folder(folder / part)
        write_record(folder / MANIFEST, manifest)
        sync_folder(folder)
    except (DataError, OSError) as cause:
        raise RetrievalError(f"live index {str(folder)!r}: can't be written: {cause}; free space") from cause


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the writer's lock.

    Raises: RetrievalError if another writer holds it.
    """
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            raise RetrievalError(
                f"live index {str(folder)!r}: is being written by another process or thread; wait until it is done"
            ) from cause
        yield


def remove_orphans(folder: Path, manifest: Manifest) -> int:
    """Remove what the manifest doesn't name, while the writer's lock is held; how many files and folders that was."""
    named = {entry.name for entry in manifest.segments}
    named |= {f"{state}.npz" for entry in manifest.segments for state in (entry.gone, entry.confirmed) if state}
    orphans = [path for part in (SEGMENTS, STATES) for path in (folder / part).iterdir() if path.name not in named]
    orphans += folder.glob(f".{MANIFEST}.*")
    for path in orphans:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(orphans)


def write_states(folder: Path, name: str, states: Mapping[str, NDArray[np.generic]]) -> None:
    """Write states under one name, and have them on the disk: one fsync, however many segments they are of."""
    with (folder / STATES / f"{name}.npz").open("xb") as file:
        np.savez(file, allow_pickle=False, **states)
        file.flush()
        os.fsync(file.fileno())


def read_state(folder: Path, name: str, key: str) -> NDArray[np.generic]:
    """One of the states that `write_states` wrote."""
    with np.load(folder / STATES / f"{name}.npz", allow_pickle=False) as states:
        values: NDArray[np.generic] = states[key]
    return values


def write_probe(folder: Path, probe: Vectors) -> None:
    """Keep what an embedding model answered once, and have it on the disk."""
    with (folder / PROBE).open("wb") as file:
        np.save(file, probe, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def read_probe(folder: Path) -> Vectors:
    """What an embedding model answered when the index was made.

    Raises: RetrievalError if it can't be read.
    """
    with boundary(RetrievalError, f"live index {str(folder)!r}: file {PROBE!r}"):
        probe: Vectors = np.load(folder / PROBE, allow_pickle=False)
    return probe


def keep_cross_encoder(folder: Path, spec: CrossEncoderSpec) -> None:
    """Copy a cross-encoder's files into an index's folder, and have them on the disk."""
    for given, kept in zip(FILES, KEPT, strict=True):
        with (folder / kept).open("wb") as file:
            file.write(Path(spec.folder, given).read_bytes())
            file.flush()
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have a folder's list of names on the disk: a file's own fsync says nothing of its name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
