"""What is wrong with a corpus, what is old, and what a person should know of it; by source, with what to do."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from workbench.core import EVERYONE, Document, Origin, Record, Trust, digest_bytes, digest_documents
from workbench.datasets.parse import OmissionKind
from workbench.datasets.source import AnySource, Declared, Source
from workbench.datasets.source_reading import Omission, Reading

Level = Literal["problem", "stale", "note"]
"""A problem is to be put right; stale says no by a freshness rule; a note is to be known."""
CountPersonal = Callable[[str], Mapping[str, int]]
"""How many secrets and personal data of each kind a text holds."""
_PROBLEMS: tuple[OmissionKind, ...] = ("unreachable", "unreadable", "refused", "clash", "empty")


class _Found(NamedTuple):
    """A finding of one source."""

    level: Level
    paths: tuple[str, ...]
    message: str


class SourceSummary(Record):
    """A source in figures."""

    name: str
    kind: str
    documents: int
    characters: int
    omitted: int
    """What became no document."""
    licence: str
    trust: Trust
    readers: tuple[str, ...]
    fresh_hours: float | None
    oldest: str
    newest: str
    """Times of the documents' last changes, ISO 8601, UTC; empty without documents."""
    stale: int
    """Documents older than `fresh_hours`."""
    documents_digest: str
    """Of its documents in their order."""


class CorpusFinding(Record):
    """Something about a source."""

    level: Level
    source: str
    where: str
    """File and line of the declaration."""
    paths: tuple[str, ...]
    """Files, rows or documents that it is about, all of them; empty for the whole source."""
    message: str
    """What it is and what to do."""


class CorpusCheck(Record):
    """A corpus that was read and looked through."""

    name: str
    documents_digest: str
    """Of all documents in their order."""
    sources: tuple[SourceSummary, ...]
    findings: tuple[CorpusFinding, ...]
    """By source in the order of the declaration; problems first, then what is stale, then notes."""

    def of(self, level: Level) -> tuple[CorpusFinding, ...]:
        """The findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)


def summarize_sources(declared: Declared, reading: Reading, *, now: datetime) -> tuple[SourceSummary, ...]:
    """Each source in figures, in the order of the declaration."""
    documents, omitted = _by_source(declared, reading), Counter(omission.source for omission in reading.omissions)
    return tuple(
        _summarize(source, documents[source.name], omitted[source.name], now) for source in declared.spec.sources
    )


def check_corpus(declared: Declared, reading: Reading, *, now: datetime, count_personal: CountPersonal) -> CorpusCheck:
    """Look through a corpus that was read: what is missing and why, texts that are there twice, what is stale, and
    personal data that would be found."""
    documents, twins = _by_source(declared, reading), _twins(reading.corpus.documents)
    findings: list[CorpusFinding] = []
    for source in declared.spec.sources:
        own = documents[source.name]
        omitted = [omission for omission in reading.omissions if omission.source == source.name]
        found = (
            *_missing(own, omitted),
            *_closed(source, own, reading.closed),
            *_stale(source, own, now),
            *_left_out(omitted),
            *_again(own, twins),
            *_personal(source, own, count_personal),
        )
        findings += [
            CorpusFinding(source=source.name, where=declared.at(source), level=level, paths=paths, message=message)
            for level, paths, message in found
        ]
    return CorpusCheck(
        name=declared.spec.name,
        documents_digest=digest_documents(reading.corpus.documents),
        sources=summarize_sources(declared, reading, now=now),
        findings=tuple(findings),
    )


def _by_source(declared: Declared, reading: Reading) -> Mapping[str, Sequence[Document]]:
    found: dict[str, list[Document]] = {source.name: [] for source in declared.spec.sources}
    for document in reading.corpus.documents:
        found[_origin(document).source].append(document)
    return found


def _summarize(source: AnySource, documents: Sequence[Document], omitted: int, now: datetime) -> SourceSummary:
    times = [time for document in documents if (time := _origin(document).read_at)]
    return SourceSummary(
        name=source.name,
        kind=source.kind,
        documents=len(documents),
        characters=sum(len(document.text) for document in documents),
        omitted=omitted,
        licence=source.licence,
        trust=source.trust,
        readers=tuple(sorted(set(source.readers))),
        fresh_hours=source.fresh_hours,
        oldest=min(times, default=""),
        newest=max(times, default=""),
        stale=sum(_origin(document).is_stale(now) for document in documents),
        documents_digest=digest_documents(documents),
    )


def _missing(documents: Sequence[Document], omitted: Iterable[Omission]) -> Iterator[_Found]:
    """What was meant to be a document: one finding for a file, however many of its rows are wrong alike."""
    unreached = False
    files: defaultdict[tuple[str, OmissionKind], list[Omission]] = defaultdict(list)
    for omission in omitted:
        if omission.kind in _PROBLEMS:
            files[omission.path.partition("#")[0], omission.kind].append(omission)
            unreached = unreached or omission.kind == "unreachable"
    for (_, kind), found in files.items():
        more = f" (and {len(found) - 1} more rows)" if len(found) > 1 else ""
        yield _Found("problem", tuple(one.path for one in found if one.path), f"{kind}: {found[0].reason}{more}")
    if not documents and not unreached:
        yield _Found("problem", (), "empty: holds no document; correct where, files or the query")


def _closed(source: Source, documents: Sequence[Document], closed: Iterable[str]) -> Iterator[_Found]:
    """Documents that were to name their readers and name none."""
    own = {document.doc_id for document in documents}
    if found := tuple(doc_id for doc_id in closed if doc_id in own):
        counts = f"{len(found)} of {len(documents)} documents name no reader in {source.readers_field!r}"
        owners = ", ".join(sorted(set(source.readers)))
        yield _Found("problem", found, f"closed: {counts}; only {owners} may read them; name their readers there")


def _stale(source: Source, documents: Sequence[Document], now: datetime) -> Iterator[_Found]:
    old = [document for document in documents if _origin(document).is_stale(now)]
    if old:
        oldest = min(old, key=lambda document: (_origin(document).read_at, document.doc_id))
        counts = f"{len(old)} of {len(documents)} documents are older than {source.fresh_hours:g} hours"
        of = f"the oldest, {oldest.doc_id!r}, is of {_origin(oldest).read_at or 'an unknown time'}"
        paths = tuple(document.doc_id for document in old)
        yield _Found("stale", paths, f"stale: {counts}; {of}; update the source, or allow more with fresh_hours")


def _left_out(omitted: Iterable[Omission]) -> Iterator[_Found]:
    """What need not be a document: files that no parser reads, by suffix, and rows that come again."""
    suffixes: defaultdict[str, list[Omission]] = defaultdict(list)
    repeated = []
    for omission in omitted:
        if omission.kind == "no parser":
            suffixes[PurePosixPath(omission.path).suffix.lower()].append(omission)
        elif omission.kind == "repeated":
            repeated.append(omission.path)
    for _, found in sorted(suffixes.items()):
        paths = tuple(one.path for one in found)
        yield _Found("note", paths, f"left out: {found[0].reason}")
    if repeated:
        says = "repeated: the same id with the same text; kept once"
        yield _Found("note", tuple(repeated), says)


def _twins(documents: Iterable[Document]) -> Mapping[str, Document]:
    """For each document whose text stands under an earlier id, too, that earlier document; white space is not text."""
    first: dict[str, Document] = {}
    twins = {}
    for document in documents:
        text = digest_bytes(" ".join(document.text.split()).encode())
        if text in first:
            twins[document.doc_id] = first[text]
        first.setdefault(text, document)
    return twins


def _again(documents: Sequence[Document], twins: Mapping[str, Document]) -> Iterator[_Found]:
    same = [document for document in documents if document.doc_id in twins]
    other = [one for one in same if _origin(one).readers != _origin(twins[one.doc_id]).readers]
    for found, says in ((same, "a passage may come twice"), (other, "of these, readers differ: is one too open?")):
        if found:
            example = f"{found[0].doc_id!r} is {twins[found[0].doc_id].doc_id!r}"
            message = f"duplicate: the text of another document ({example}); {says}"
            yield _Found("note", tuple(document.doc_id for document in found), message)


def _personal(source: Source, documents: Sequence[Document], count: CountPersonal) -> Iterator[_Found]:
    totals: Counter[str] = Counter()
    holding = []
    for document in documents:
        if found := count(f"{document.title}\n{document.text}"):
            totals.update(found)
            holding.append(document.doc_id)
    if holding:
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(totals.items()))
        names = sorted({name for document in documents for name in _origin(document).readers})
        open_to = "everyone" if EVERYONE in names else ", ".join(names)
        says = f"in {len(holding)} of {len(documents)} documents, open to {open_to}: {kinds}"
        yield _Found("note", tuple(holding), f"personal data {says}; remove them, or narrow the readers")


def _origin(document: Document) -> Origin:
    assert document.origin is not None, "what a source holds has an origin"
    return document.origin
