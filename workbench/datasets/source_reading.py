"""From a declaration to a corpus: every source read, every document with its origin, and nothing lost in silence."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from workbench.core import Corpus, DataError, Document, Origin, Record, Scalar, WorkbenchError, digest_bytes
from workbench.datasets.parse import Columns, Input, OmissionKind, Parsed, Row, Unparsed, parse_row, read_readers
from workbench.datasets.parsers import no_parser, parse_file, parser_of
from workbench.datasets.source import AnySource, Content, Declared, GitSource, SqlSource, TraceSource, Tree
from workbench.datasets.source_files import Read, Refused, most_bytes, path_metadata, read_files
from workbench.datasets.source_git import read_repository
from workbench.datasets.source_sql import read_rows

TraceReader = Callable[[TraceSource, Path], Iterable[Row]]
"""Reads a tracking store for a source of traces; each row has the fields "id", "text", "title", "changed", and any
others as metadata. This room can't open a tracking store: whoever can gives the reader."""
Advance = Callable[[int, int], None]
"""Told how many documents are read, of how many; 0 if that is not known."""


class Omission(Record):
    """Something in a source that became no document, and why."""

    source: str
    path: str
    """File and row; empty for the whole source."""
    kind: OmissionKind
    reason: str
    """What is wrong and what to do."""


class Reading(Record):
    """What the sources of a declaration hold."""

    corpus: Corpus
    omissions: tuple[Omission, ...]
    """In the order of the sources, then as they were found."""
    closed: tuple[str, ...] = ()
    """Ids of documents that name no reader where they were to: their source's owners alone may read them."""


class _Piece(NamedTuple):
    """What may become a document."""

    parsed: Parsed
    path: str = ""
    """The file in its source; empty for a row of a database or a trace."""
    version: str = ""
    sha256: str = ""
    changed: str = ""

    @property
    def place(self) -> str:
        """File and row."""
        return _place(self.path, self.parsed.row)

    def readers(self, source: AnySource) -> tuple[str, ...]:
        """Whom it names itself, in its fields or by where it lies."""
        return self.parsed.readers or read_readers(self._path_metadata(source).get(source.readers_field))

    def metadata(self, source: AnySource) -> dict[str, Scalar]:
        """What is known of it. What was declared comes last: no document can say that it is another's."""
        placed = {name: value for name, value in self._path_metadata(source).items() if name != source.readers_field}
        return {**self.parsed.metadata, **placed, **source.metadata}

    def _path_metadata(self, source: AnySource) -> Mapping[str, Scalar]:
        return path_metadata(self.path, source.path_metadata) if isinstance(source, Tree) else {}


_Found = _Piece | tuple[str, Unparsed]
"""A piece, or a place and why there is none."""


def _no_store(source: TraceSource, _folder: Path) -> Iterable[Row]:
    raise DataError(
        f"source {source.name!r}: traces are read from a tracking store, and none is at hand here; "
        "read the corpus through workbench.lab, or export the traces as JSON lines and use kind: file"
    )


def _unwatched(_done: int, _total: int) -> None:
    """Nobody watches."""


def read_corpus(declared: Declared, *, traces: TraceReader = _no_store, advance: Advance = _unwatched) -> Corpus:
    """Every document of a declaration's sources: the same sources give the same corpus, byte for byte.

    Sources stand in the order of the declaration, documents by path and row. `Origin.read_at` is the time at which
    the source last changed the document, and not the clock: a file's own time, the commit that last changed it, a
    row's column, a trace's end. The clock would give an unchanged document a new digest at each reading, and all that
    stands on it would be made anew. So `fresh_hours` says how old a document may be, however often it is read; a copy
    of a folder has new times, and a repository keeps its own.

    What can't be parsed is left out; `read_sources` says what and why.
    Raises: DataError if a source can't be read at all: a corpus without it would look as if its documents were
    withdrawn.
    """
    reading = read_sources(declared, traces=traces, advance=advance)
    for omission in reading.omissions:
        if omission.kind == "unreachable":
            source = next(one for one in declared.spec.sources if one.name == omission.source)
            name = declared.spec.name
            raise DataError(f"corpus {name!r} ({declared.at(source)}): source {source.name!r}: {omission.reason}")
    return reading.corpus


def read_sources(declared: Declared, *, traces: TraceReader = _no_store, advance: Advance = _unwatched) -> Reading:
    """The documents of a declaration's sources, and all that became none; nothing that is wrong in a source raises."""
    documents: dict[str, Document] = {}
    omissions: list[Omission] = []
    closed: list[str] = []
    for source in declared.spec.sources:
        try:
            # A source that fails half-way leaves nothing: half of it would look like the whole.
            found = list(_watched(_read(source, declared.folder, traces), len(documents), advance))
        except WorkbenchError as cause:  # whoever reads traces has errors of its own
            found = [("", Unparsed("", "unreachable", str(cause)))]
        omissions += [_omission(source, *one) for one in found if not isinstance(one, _Piece)]
        for piece in _ordered(one for one in found if isinstance(one, _Piece)):
            document = _document(source, piece)
            if why := _why_not(document, documents.get(document.doc_id)):
                omissions.append(_omission(source, piece.place, why))
            else:
                documents[document.doc_id] = document
                if source.readers_field and not piece.readers(source):
                    closed.append(document.doc_id)
    corpus = Corpus(name=declared.spec.name, documents=tuple(documents.values()))
    return Reading(corpus=corpus, omissions=tuple(omissions), closed=tuple(closed))


def _watched(found: Iterator[_Found], before: int, advance: Advance) -> Iterator[_Found]:
    for number, one in enumerate(found, start=before + 1):
        yield one
        advance(number, 0)


def _read(source: AnySource, folder: Path, traces: TraceReader) -> Iterator[_Found]:
    if isinstance(source, SqlSource):
        for outcome in read_rows(source, folder):
            yield _Piece(outcome) if isinstance(outcome, Parsed) else (outcome.row, outcome)
    elif isinstance(source, TraceSource):
        for number, row in enumerate(traces(source, folder), start=1):
            rest = tuple(sorted(row.keys() - {"id", "text", "title", "changed"}))
            outcome = parse_row(row, number, Columns(id="id", title="title", changed="changed", metadata=rest))
            yield _Piece(outcome) if isinstance(outcome, Parsed) else (outcome.row, outcome)
    else:
        for read in read_repository(source, folder) if isinstance(source, GitSource) else read_files(source, folder):
            yield from _texts(source, read)


def _texts(source: Content, read: Read) -> Iterator[_Found]:
    """The texts of one file; what is wrong with it loses no other file."""
    if isinstance(read, Refused):
        yield read.path, read.why
        return
    parser = parser_of(read.path, source.parsers)
    if not parser:
        yield read.path, Unparsed("", "no parser", no_parser(read.path))
        return
    sha256 = digest_bytes(read.data)
    try:
        for outcome in parse_file(Input(read.path, read.data, source.columns, most_bytes(source)), parser):
            if isinstance(outcome, Parsed):
                yield _Piece(outcome, read.path, read.version, sha256, read.changed)
            else:
                yield _place(read.path, outcome.row), outcome
    except DataError as cause:
        yield read.path, Unparsed("", "unreadable", str(cause))


def _ordered(pieces: Iterable[_Piece]) -> list[_Piece]:
    """By path, rows of a file as they stand in it; rows without a file by id, since a database has no order."""
    return sorted(pieces, key=lambda piece: (piece.path, "" if piece.path else piece.parsed.row))


def _document(source: AnySource, piece: _Piece) -> Document:
    parsed = piece.parsed
    own = isinstance(source, Content) and source.ids == "own" and parsed.row
    version = f"@{piece.version}" if piece.version else ""
    return Document(
        doc_id=parsed.row if own else f"{source.name}{'/' if piece.path else '#'}{piece.place}",
        text=parsed.text,
        title=parsed.title,
        origin=Origin(
            source=source.name,
            path=_place(f"{piece.path}{version}", parsed.row),
            sha256=parsed.sha256 or piece.sha256,
            read_at=parsed.changed or piece.changed,
            fresh_hours=source.fresh_hours,
            licence=source.licence,
            trust=source.trust,
            readers=tuple(sorted({*source.readers, *(piece.readers(source) if source.readers_field else ())})),
            metadata=piece.metadata(source),
        ),
    )


def _why_not(document: Document, other: Document | None) -> Unparsed | None:
    """Why a document is not taken; None if it is."""
    try:
        document.digest  # noqa: B018 - kept with the document, and only what can be written has one
    except ValueError as cause:
        return Unparsed("", "unreadable", f"can't be written as JSON: {cause}; correct the text or its metadata")
    if not document.text.strip():
        return Unparsed("", "empty", "has no text; if it is a scan, run text recognition over it, else leave it out")
    if other is None:
        return None
    if (other.text, other.title) == (document.text, document.title):
        if _origin(other).readers != _origin(document).readers:
            return Unparsed("", "clash", f"is document {other.doc_id!r} once more, for other readers; correct one")
        return Unparsed("", "repeated", f"is document {other.doc_id!r} once more, with the same text")
    return Unparsed("", "clash", f"has the id of another text, {other.doc_id!r}; correct one of the ids")


def _origin(document: Document) -> Origin:
    assert document.origin is not None, "what a source holds has an origin"
    return document.origin


def _place(path: str, row: str) -> str:
    return f"{path}#{row}" if path and row else path or row


def _omission(source: AnySource, path: str, why: Unparsed) -> Omission:
    shown = path.encode("utf-8", "backslashreplace").decode()  # a name on the disk need not be UTF-8
    return Omission(source=source.name, path=shown, kind=why.kind, reason=why.reason)
