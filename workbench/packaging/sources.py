"""The sources behind an index: how many documents of each, under which licence, who may read them."""

from collections.abc import Iterable, Iterator, Mapping

from workbench.core import EVERYONE, Document, Record, Trust, digest_json
from workbench.retrieval import Index, LiveIndex, digest_generation

OWN = "made here"
"""The source of what a project made itself, such as the tools of a catalogue."""


class SourceCard(Record):
    """One source of an index."""

    name: str
    uri: str = ""
    """Where it is read from, as the corpus declares it; empty where nobody said."""
    documents: int
    documents_digest: str
    """Of its documents' texts, by id."""
    licences: tuple[str, ...]
    trust: tuple[Trust, ...]
    access: tuple[str, ...]
    """All who may read some of it; `EVERYONE` is everyone."""
    fresh_hours: tuple[float, ...]
    """The freshness rules that occur; none is fresh for ever."""


class Sources(Record):
    """supply/sources.json: what an index was made from when the package was written."""

    corpus: str
    corpus_digest: str
    """Of the corpus, or of a live index's generation."""
    documents: int
    sources: tuple[SourceCard, ...]


def survey(index: Index | LiveIndex, uris: Mapping[str, str]) -> Sources:
    """The sources of an index; of a live one those of the generation that is published now.

    `uris` says where sources are read from, by name.
    """
    if isinstance(index, LiveIndex):
        generation = index.current()
        name, digest = generation.manifest.name, digest_generation(generation)
        living = (part.segment.document(place, 0) for part in generation.parts for place in part.living.tolist())
        return _survey(living, uris, name=name, digest=digest)
    corpus = index.corpus
    return _survey(iter(corpus.documents), uris, name=corpus.name, digest=corpus.digest)


def _survey(documents: Iterator[Document], uris: Mapping[str, str], *, name: str, digest: str) -> Sources:
    found: dict[str, list[Document]] = {}
    for document in documents:
        found.setdefault(OWN if document.origin is None else document.origin.source, []).append(document)
    cards = tuple(_card(source, held, uris.get(source, "")) for source, held in sorted(found.items()))
    return Sources(corpus=name, corpus_digest=digest, documents=sum(card.documents for card in cards), sources=cards)


def _card(name: str, documents: Iterable[Document], uri: str) -> SourceCard:
    held = sorted(documents, key=lambda document: document.doc_id)
    origins = [document.origin for document in held if document.origin is not None]
    readers = {reader for origin in origins for reader in origin.readers} if origins else {EVERYONE}
    return SourceCard(
        name=name,
        uri=uri,
        documents=len(held),
        documents_digest=digest_json([[document.doc_id, document.text] for document in held]),
        licences=tuple(sorted({origin.licence for origin in origins} - {""})),
        trust=tuple(sorted({origin.trust for origin in origins})),
        access=tuple(sorted(readers)),
        fresh_hours=tuple(sorted({origin.fresh_hours for origin in origins if origin.fresh_hours is not None})),
    )
