"""Postings: for each name, the documents of a segment that have it, and how often. Words and readers are kept so.

Why our own and not tantivy's: its BM25 counts deleted documents until their segments are merged, so an answer depends
on the past of the index. Measured with tantivy 0.27: after 4,000 of 20,000 passages were deleted and 1,000 of them put
again, each of 100 queries had other scores than in an index made anew, and 53 another ranking. Ours are counted over
what is alive when the question comes, and share their publishing with vectors and readers.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.retrieval.live_arrays import Arrays, ArrayWriter
from workbench.retrieval.live_names import ABSENT, Names, write_names

Ints = NDArray[np.signedinteger]
Counts = NDArray[np.unsignedinteger]


class Posting(NamedTuple):
    """One name's documents."""

    places: Ints
    """Positions in the segment, each once, in no order."""
    counts: Counts


class Table(NamedTuple):
    """Postings in memory, names sorted."""

    names: Sequence[str]
    starts: NDArray[np.int64]
    """One more than names: where each name's places begin, and the end."""
    places: Ints
    counts: Counts


class Postings:
    """Postings read from a segment's arrays."""

    def __init__(self, arrays: Arrays, of: str) -> None:
        self.names = Names(arrays, of)
        self.starts = arrays.get(f"{of}.starts", np.int64)
        self.places = arrays.get(f"{of}.places", np.signedinteger)
        self.counts = arrays.get(f"{of}.counts", np.unsignedinteger)

    def find(self, names: Sequence[str], hashes: NDArray[np.uint64] | None = None) -> list[Posting | None]:
        """Each name's posting; None for a name that no document has."""
        numbers = self.names.find(names, hashes).tolist()
        return [None if number == ABSENT else self._posting(number) for number in numbers]

    def _posting(self, number: int) -> Posting:
        part = slice(int(self.starts[number]), int(self.starts[number + 1]))
        return Posting(self.places[part], self.counts[part])


def count_names(documents: Iterable[Sequence[str]]) -> Table:
    """The postings of documents, each given by its names, with repeats; they are looked at one by one."""
    seen: dict[str, int] = {}
    numbers, lengths = array("q"), array("q")
    for document in documents:
        numbers.extend(seen.setdefault(name, len(seen)) for name in document)
        lengths.append(len(document))
    names = sorted(seen)
    renumbered = np.empty(len(names), dtype=np.int64)
    renumbered[[seen[name] for name in names]] = np.arange(len(names))
    size = max(len(lengths), 1)
    owners = np.repeat(np.arange(len(lengths)), np.array(lengths, dtype=np.int64))
    pairs, counts = np.unique(renumbered[np.array(numbers, dtype=np.int64)] * size + owners, return_counts=True)
    found, places = np.divmod(pairs, size)
    starts = np.searchsorted(found, np.arange(len(names) + 1))
    return Table(names, starts.astype(np.int64), places.astype(np.int32), _narrow(counts))


def merge_postings(parts: Sequence[tuple[Postings, Ints]]) -> Table:
    """The postings of several segments as one. Beside each: where its documents go, `ABSENT` for the deleted."""
    kept = [moves[part.places] != ABSENT for part, moves in parts]
    living = [_living(part.starts, alive) for (part, _), alive in zip(parts, kept, strict=True)]
    names, targets = _join_names([part.names.all() for part, _ in parts], living)
    totals = np.zeros(len(names) + 1, dtype=np.int64)
    for target, counts in zip(targets, living, strict=True):
        totals[target] += counts
    starts = np.concatenate([[0], np.cumsum(totals[:-1])]).astype(np.int64)
    places = np.empty(int(starts[-1]), dtype=np.int32)
    often: Counts = np.empty(len(places), dtype=np.result_type(*(part.counts.dtype for part, _ in parts)))
    free = starts.copy()  # where the next document of each name goes
    for (part, moves), alive, counts, target in zip(parts, kept, living, targets, strict=True):
        at = np.repeat(free[target] - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
        places[at] = moves[part.places[alive]]
        often[at] = part.counts[alive]
        free[target] += counts
    return Table(names, starts, places, often)


def _join_names(
    spelled: Sequence[Sequence[str]], living: Sequence[NDArray[np.int64]]
) -> tuple[list[str], list[NDArray[np.int64]]]:
    """The names that a living document has, sorted; and for each part, which of them its names are.

    One that no living document has any more gets the number after the last, and adds nothing there.
    """
    names = sorted(
        {
            name
            for words, counts in zip(spelled, living, strict=True)
            for name, count in zip(words, counts.tolist(), strict=True)
            if count
        }
    )
    numbers = {name: number for number, name in enumerate(names)}
    return names, [np.array([numbers.get(word, len(names)) for word in words], dtype=np.int64) for words in spelled]


def write_postings(writer: ArrayWriter, of: str, table: Table) -> None:
    """Append postings."""
    write_names(writer, of, table.names)
    writer.add(f"{of}.starts", table.starts)
    writer.add(f"{of}.places", table.places)
    writer.add(f"{of}.counts", table.counts)


def _living(starts: NDArray[np.int64], alive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many places of each name are alive."""
    until: NDArray[np.int64] = np.concatenate([[0], np.cumsum(alive)])
    return until[starts[1:]] - until[starts[:-1]]


def _narrow(counts: NDArray[np.int64]) -> Counts:
    """The same numbers in as few bytes as hold them."""
    most = int(counts.max()) if len(counts) else 0
    return counts.astype(np.min_scalar_type(most))
