"""Who may read which document of a segment, and what its metadata say: a view becomes a mask before ranking.

Readers are kept as postings, so a mask costs what the caller may read; metadata as columns of numbers into the
values that occur, so a condition is asked once for each value and not for each document.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.core import EVERYONE, Document, Origin, Record, RetrievalError, Scalar
from workbench.retrieval.live_arrays import Arrays, ArrayWriter
from workbench.retrieval.live_names import ABSENT
from workbench.retrieval.live_postings import Ints, Postings, Table, count_names, merge_postings, write_postings
from workbench.retrieval.memory import Memory
from workbench.retrieval.view import Condition, View

_OWN = ("licence", "source", "trust")
_REMEMBERED = 64
"""Views whose masks are kept, in bytes as many as a segment has documents, each."""

Mask = NDArray[np.bool_]


class Column(Record):
    """The values of one field in a segment, each once; a document holds a value's place in this list."""

    field: str
    values: tuple[Scalar, ...]


class Columns(NamedTuple):
    """The metadata of a segment's documents."""

    columns: tuple[Column, ...]
    codes: NDArray[np.int32]
    """A row for each column, a number for each document; `ABSENT` where it has no such field."""


class Access:
    """The readers and metadata of a segment."""

    def __init__(self, arrays: Arrays, columns: Sequence[Column], size: int) -> None:
        self._readers = Postings(arrays, "readers")
        self._codes = arrays.get("columns", np.int32)
        self._columns = tuple(columns)
        self._rows = {column.field: row for row, column in enumerate(columns)}
        self._size = size
        self._masks = Memory[Mask](_REMEMBERED)

    def mask(self, view: View) -> Mask:
        """For each document, alive or not: `view.allows`. Read-only."""
        # Not by the view itself: to Python a view of 1 equals one of True, and the two see different documents.
        return self._masks.recall(view.digest, lambda: self._look(view))

    def _look(self, view: View) -> Mask:
        mask = self._readable(view)
        for condition in view.where:
            mask &= self._holds(condition)
        return mask

    def _readable(self, view: View) -> Mask:
        mask = np.zeros(self._size, dtype=np.bool_)
        for posting in self._readers.find(sorted({EVERYONE, *view.principals})):
            if posting is not None:
                mask[posting.places] = True
        return mask

    def _holds(self, condition: Condition) -> Mask:
        row = self._rows.get(condition.field)
        if row is None:
            return np.zeros(self._size, dtype=np.bool_)
        values = self._columns[row].values
        passes = [condition.holds(_carrier(condition.field, value)) for value in values]
        # One more for `ABSENT`, which is the last place of a list and fails.
        mask: Mask = np.array([*passes, False])[self._codes[row]]
        return mask


def read_columns(documents: Sequence[Document]) -> Columns:
    """The metadata of documents, fields sorted.

    Raises: RetrievalError if a value is no finite number.
    """
    numbers: dict[str, dict[tuple[str, Scalar], int]] = {}
    for document in documents:
        for field, value in fields_of(document):
            seen = numbers.setdefault(field, {})
            seen.setdefault((type(value).__name__, value), len(seen))
    codes = np.full((len(numbers), len(documents)), ABSENT, dtype=np.int32)
    rows = {field: row for row, field in enumerate(sorted(numbers))}
    for place, document in enumerate(documents):
        for field, value in fields_of(document):
            codes[rows[field], place] = numbers[field][type(value).__name__, value]
    columns = (Column(field=field, values=tuple(value for _, value in numbers[field])) for field in sorted(numbers))
    return Columns(tuple(columns), codes)


def count_readers(documents: Sequence[Document]) -> Table:
    """The postings of readers; a document without origin is everyone's."""
    return count_names([(EVERYONE,) if one.origin is None else one.origin.readers for one in documents])


def merge_access(parts: Sequence[tuple[Access, Ints]], size: int) -> tuple[Table, Columns]:
    """Readers and metadata of several segments as one; beside each, where its documents go."""
    readers = merge_postings([(access._readers, moves) for access, moves in parts])
    fields = sorted({column.field for access, _ in parts for column in access._columns})
    codes = np.full((len(fields), size), ABSENT, dtype=np.int32)
    columns = []
    for row, field in enumerate(fields):
        numbers: dict[tuple[str, Scalar], int] = {}
        for access, moves in parts:
            if (old := access._rows.get(field)) is None:
                continue
            kept = moves != ABSENT
            here = access._codes[old][kept]
            values = access._columns[old].values
            renamed = np.full(len(values) + 1, ABSENT, dtype=np.int32)
            for code in np.unique(here[here != ABSENT]).tolist():
                key = (type(values[code]).__name__, values[code])
                renamed[code] = numbers.setdefault(key, len(numbers))
            codes[row, moves[kept]] = renamed[here]
        columns.append(Column(field=field, values=tuple(value for _, value in numbers)))
    return readers, Columns(tuple(columns), codes)


def write_access(writer: ArrayWriter, readers: Table, columns: Columns) -> None:
    """Append readers and metadata; the columns' values are the segment's to keep."""
    write_postings(writer, "readers", readers)
    writer.add("columns", columns.codes)


def fields_of(document: Document) -> Iterator[tuple[str, Scalar]]:
    """What a condition can ask of a document. Its source, licence and trust hide metadata of the same names.

    Raises: RetrievalError if a value is no finite number.
    """
    origin = document.origin
    if origin is None:
        return
    yield from (("licence", origin.licence), ("source", origin.source), ("trust", origin.trust))
    for field, value in origin.metadata.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise RetrievalError(f"document {document.doc_id!r}: metadata {field!r} is {value}; give a finite number")
        if field not in _OWN:
            yield field, value


def _carrier(field: str, value: Scalar) -> Document:
    """A document that has this value in this field and says nothing else."""
    own = {field: value} if field in _OWN else {}
    origin = Origin.model_construct(
        source=str(own.get("source", "-")),
        trust=own.get("trust", "untrusted"),  # type: ignore[arg-type]  # it was checked when the document was made
        licence=str(own.get("licence", "")),
        readers=(),
        metadata={} if own else {field: value},
    )
    return Document.model_construct(doc_id="-", text="", origin=origin)
