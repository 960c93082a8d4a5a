"""A segment: some documents of a live index with all by which they are found, written once and never changed.

    segment.json      the values of its metadata, and where its arrays stand
    documents.jsonl   a document per line, sorted by id
    arrays.bin        ids, words, readers, metadata, lengths, digests, times, few vectors
    flat/             many vectors, in an index of their own

Documents stand in the order of their ids, so ties within a segment break by position.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.core import Document, Record, RetrievalError, read_record
from workbench.retrieval.analyzer import Analyzer, words_of
from workbench.retrieval.index import searchable
from workbench.retrieval.live_access import (
    Access,
    Column,
    Columns,
    count_readers,
    merge_access,
    read_columns,
    write_access,
)
from workbench.retrieval.live_arrays import Arrays, ArrayWriter, Place
from workbench.retrieval.live_draft import Draft, digests, revive
from workbench.retrieval.live_manifest import SEGMENTS, sync_folder
from workbench.retrieval.live_names import ABSENT, Names, write_names
from workbench.retrieval.live_postings import Postings, Table, count_names, merge_postings, write_postings
from workbench.retrieval.live_vectors import FEWEST, Halves, SegmentVectors, write_vectors

N = TypeVar("N", bound=np.generic)


class _Directory(Record):
    documents: int
    has_vectors: bool
    columns: tuple[Column, ...]
    arrays: dict[str, Place]


class Segment:
    """A segment, opened. What it holds stays readable after its files are removed."""

    def __init__(self, folder: Path) -> None:
        directory = read_record(folder / "segment.json", _Directory)
        arrays = Arrays(folder / "arrays.bin", directory.arrays)
        self.name = folder.name
        self.size = directory.documents
        self.ids = Names(arrays, "ids")
        self.words = Postings(arrays, "words")
        self.access = Access(arrays, directory.columns, self.size)
        self.lengths = arrays.get("lengths", np.int32)
        """Words of each document, with repeats."""
        self.digests = arrays.get("digests", np.uint64)
        self.read = arrays.get("read", np.int64)
        self.fresh = arrays.get("fresh", np.float64)
        """Hours for which each document is fresh; infinity where it always is."""
        self.cut = arrays.get("cut", np.bool_)
        """Whether each document is a passage of another."""
        few = arrays.get("vectors", np.float16) if "vectors" in arrays else None
        self.vectors = SegmentVectors(folder, few) if directory.has_vectors else None
        self.bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        self._lines = arrays.get("lines", np.int64)
        self._file = (folder / "documents.jsonl").open("rb")
        if (there := os.fstat(self._file.fileno()).st_size) != int(self._lines[-1]):
            raise RetrievalError(f"segment {self.name!r} ({folder}): documents.jsonl has {there} bytes; build again")

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def line(self, place: int) -> bytes:
        """The JSON of a document."""
        start, end = int(self._lines[place]), int(self._lines[place + 1])
        return os.pread(self._file.fileno(), end - start, start)

    def document(self, place: int, read: int) -> Document:
        """A document, which was last read at its source then."""
        return revive(self.line(place), read)


class _Parts(NamedTuple):
    """What a segment is written from. Arrays are in the order of the documents."""

    ids: Sequence[str]
    lines: Iterator[bytes]
    words: Table
    readers: Table
    columns: Columns
    lengths: NDArray[np.int32]
    digests: NDArray[np.uint64]
    read: NDArray[np.int64]
    fresh: NDArray[np.float64]
    cut: NDArray[np.bool_]
    vectors: Halves | None


def write_segment(index: Path, name: str, drafts: Sequence[Draft], analyzer: Analyzer, vectors: Halves | None) -> int:
    """Write a new segment of an index; how many words its documents have, with repeats.

    `vectors` has a row for each draft, or is None for an index of words.
    """
    order = sorted(range(len(drafts)), key=lambda place: drafts[place].document.doc_id)
    drafts = [drafts[place] for place in order]
    documents = [one.document for one in drafts]
    lengths: list[int] = []
    table = count_names(_counted(documents, analyzer, lengths))
    parts = _Parts(
        ids=[document.doc_id for document in documents],
        lines=(one.line for one in drafts),
        words=table,
        readers=count_readers(documents),
        columns=read_columns(documents),
        lengths=np.array(lengths, dtype=np.int32),
        digests=digests(drafts),
        read=np.array([one.read for one in drafts], dtype=np.int64),
        fresh=np.array([_fresh(document) for document in documents], dtype=np.float64),
        cut=np.array([one.origin is not None and bool(one.origin.whole) for one in documents], dtype=np.bool_),
        vectors=None if vectors is None else vectors[order],
    )
    _write(index / SEGMENTS / name, parts)
    return int(parts.lengths.sum())


def _counted(documents: Sequence[Document], analyzer: Analyzer, lengths: list[int]) -> Iterator[Sequence[str]]:
    """The words of each document; how many they are is noted on the way, so that no list of them all is kept."""
    for document in documents:
        words = words_of(searchable(document), analyzer)
        lengths.append(len(words))
        yield words


class Kept(NamedTuple):
    """What of a segment goes into another one."""

    segment: Segment
    places: NDArray[np.int64]
    read: NDArray[np.int64]
    """When each document of the segment was last read, also of those that don't go."""


def merge_segments(index: Path, name: str, kept: Sequence[Kept]) -> None:
    """Write a new segment of what several hold; nothing is analyzed or embedded again, and nothing else remains."""
    segments = [one.segment for one in kept]
    found = sorted(
        (segment.ids.name(place), part, place)
        for part, (segment, places, _) in enumerate(kept)
        for place in places.tolist()
    )
    order = _Order(
        np.array([part for _, part, _ in found], dtype=np.int64), np.array([at for _, _, at in found], dtype=np.int64)
    )
    moves = order.moves([segment.size for segment in segments])
    access = [(segment.access, move) for segment, move in zip(segments, moves, strict=True)]
    words = [(segment.words, move) for segment, move in zip(segments, moves, strict=True)]
    readers, columns = merge_access(access, len(found))
    vectors = [segment.vectors.rows for segment in segments if segment.vectors is not None]
    parts = _Parts(
        ids=[one for one, _, _ in found],
        lines=(segments[part].line(place) for _, part, place in found),
        words=merge_postings(words),
        readers=readers,
        columns=columns,
        lengths=order.gather([segment.lengths for segment in segments]),
        digests=order.gather([segment.digests for segment in segments]),
        read=order.gather([one.read for one in kept]),
        fresh=order.gather([segment.fresh for segment in segments]),
        cut=order.gather([segment.cut for segment in segments]),
        vectors=order.gather(vectors) if vectors else None,
    )
    _write(index / SEGMENTS / name, parts)


class _Order(NamedTuple):
    """Where each document of a merged segment comes from."""

    parts: NDArray[np.int64]
    places: NDArray[np.int64]

    def moves(self, sizes: Sequence[int]) -> list[NDArray[np.int32]]:
        """For each document of each old segment, where it goes; `ABSENT` if it doesn't."""
        moves = [np.full(size, ABSENT, dtype=np.int32) for size in sizes]
        for part, move in enumerate(moves):
            mine = np.flatnonzero(self.parts == part)
            move[self.places[mine]] = mine
        return moves

    def gather(self, arrays: Sequence[NDArray[N]]) -> NDArray[N]:
        """What old segments hold for each document, in the new order."""
        gathered = np.empty((len(self.parts), *arrays[0].shape[1:]), dtype=arrays[0].dtype)
        for part, array in enumerate(arrays):
            mine = self.parts == part
            gathered[mine] = array[self.places[mine]]
        return gathered


def _write(folder: Path, parts: _Parts) -> None:
    folder.mkdir()
    lines = _write_lines(folder / "documents.jsonl", parts.lines)
    many = parts.vectors is not None and len(parts.ids) >= FEWEST
    with ArrayWriter(folder / "arrays.bin") as writer:
        write_names(writer, "ids", parts.ids)
        write_postings(writer, "words", parts.words)
        write_access(writer, parts.readers, parts.columns)
        writer.add("lengths", parts.lengths)
        writer.add("digests", parts.digests)
        writer.add("read", parts.read)
        writer.add("fresh", parts.fresh)
        writer.add("cut", parts.cut)
        writer.add("lines", lines)
        if parts.vectors is not None and not many:
            writer.add("vectors", parts.vectors)
    if parts.vectors is not None and many:
        write_vectors(folder, parts.vectors)
    directory = _Directory(
        documents=len(parts.ids),
        has_vectors=parts.vectors is not None,
        columns=parts.columns.columns,
        arrays=writer.places,
    )
    with (folder / "segment.json").open("xb") as file:
        file.write(directory.model_dump_json().encode())
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)


def _write_lines(path: Path, lines: Iterator[bytes]) -> NDArray[np.int64]:
    """Write lines; where each begins, and the end. The end of a line belongs to it."""
    ends = [0]
    with path.open("xb") as file:
        for line in lines:
            content = line if line.endswith(b"\n") else line + b"\n"
            file.write(content)
            ends.append(ends[-1] + len(content))
        file.flush()
        os.fsync(file.fileno())
    return np.array(ends, dtype=np.int64)


def _fresh(document: Document) -> float:
    hours = None if document.origin is None else document.origin.fresh_hours
    return float("inf") if hours is None else hours
