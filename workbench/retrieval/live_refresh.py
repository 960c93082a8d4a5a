"""Writing a live index: made, updated with what changed, refreshed from a corpus, compacted.

An update costs what changed: its documents become one more segment. Of eight segments of like size one is made, so a
document is copied a few times at most, whatever the size of the index; a large segment is rewritten when most of it
is deleted. None of this changes an answer.

A deleted document is gone from every answer as soon as the next generation is published, which is before `update`
returns. Its bytes leave the disk when its segment is rewritten, at the latest by `compact`, which leaves no byte of it.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from workbench.core import Corpus, Document, Record, RetrievalError
from workbench.retrieval.cross_encoder import FILES, open_cross_encoder
from workbench.retrieval.index import IndexSpec, Vectors
from workbench.retrieval.knobs import LIVE_KNOBS, check_knobs
from workbench.retrieval.live import LiveIndex
from workbench.retrieval.live_manifest import (
    MANIFEST,
    SEGMENTS,
    STATES,
    Manifest,
    keep_cross_encoder,
    publish,
    remove_orphans,
    write_probe,
    writing,
)
from workbench.retrieval.live_writer import Writer

Progress = Callable[[int], object]
"""Told how many documents were looked at so far."""

BATCH = 65_536
"""Documents that are looked at and published together."""


class Refreshed(Record):
    """What an update or a refresh did."""

    added: int = 0
    changed: int = 0
    confirmed: int = 0
    """Read at their source anew, and the same."""
    unchanged: int = 0
    deleted: int = 0
    embedded: int = 0
    """Texts whose vectors were computed; those of unchanged texts are taken over."""
    generation: int = 0
    """The one that is published now."""


def create_live(folder: Path, name: str, spec: IndexSpec, *, model: str = "", probe: Vectors | None = None) -> None:
    """Make a live index without documents; `name` is its corpus's, `model` the digest of the encoder it is used with.

    `probe` is that of a provider's model, by which it is known again.

    Raises: RetrievalError if there is one already, the spec asks for what only indexes in memory do, the model, its
        probe or the cross-encoder is missing or not the one, or the disk refuses.
    """
    if (folder / MANIFEST).exists():
        raise RetrievalError(f"live index {str(folder)!r}: is there already; refresh it, or choose another folder")
    if (spec.retriever == "bm25") is bool(model):
        raise RetrievalError(
            f"live index {str(folder)!r}: retriever {spec.retriever!r} with model {model[:12]!r}; an index of words "
            "has no embedding model, every other names one"
        )
    _check_model(folder, spec, model, probe)
    check_knobs(f"live index {str(folder)!r}", spec, LIVE_KNOBS)
    if (encoder := spec.cross_encoder) is not None:
        open_cross_encoder(*(Path(encoder.folder, name) for name in FILES), encoder)
    try:
        for part in (SEGMENTS, STATES):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise RetrievalError(f"live index {str(folder)!r}: can't be made: {cause}; choose another folder") from cause
    with writing(folder):
        if probe is not None:
            write_probe(folder, probe)
        if encoder is not None:
            keep_cross_encoder(folder, encoder)
        publish(folder, Manifest(generation=0, name=name, spec=spec, model=model, born=secrets.token_hex(16)))


def update(
    index: LiveIndex, documents: Iterable[Document], *, deleted: Iterable[str] = (), progress: Progress | None = None
) -> Refreshed:
    """Put documents into an index, in place of those of the same ids, after some others are deleted.

    What is the same already is not written again. So many as `BATCH` become visible together, with all deletions; of
    more, each batch by itself. Everything that is done when this returns, or is killed after a batch, stays done.
    Deleting what is not there is no mistake.

    Raises: RetrievalError if another writer is at work, a document can't be kept, or the disk refuses.
    """
    with writing(index.folder):
        writer = Writer(index)
        writer.delete(list(dict.fromkeys(deleted)))
        for batch in batches(documents):
            writer.put(batch)
            writer.commit()
            if progress is not None:
                progress(writer.looked)
        writer.commit()
        return refreshed(writer.counts, writer.generation.manifest.generation)


def refresh(index: LiveIndex, corpus: Corpus, *, progress: Progress | None = None) -> Refreshed:
    """Make an index hold a corpus: add what is new, change what differs, delete what is not in it.

    To compare takes a look at every document; to write, to embed and to publish costs what changed.

    Raises: RetrievalError as `update` does.
    """
    wanted = {document.doc_id for document in corpus.documents}
    parts = index.current().parts
    living = (part.segment.ids.name(place) for part in parts for place in part.living.tolist())
    return update(index, corpus.documents, deleted=[one for one in living if one not in wanted], progress=progress)


def compact(index: LiveIndex) -> None:
    """Write the index anew in few segments; afterwards no byte of a deleted document is on the disk.

    Raises: RetrievalError if another writer is at work, or the disk refuses.
    """
    with writing(index.folder):
        writer = Writer(index)
        writer.rewrite()
        remove_orphans(index.folder, index.current().manifest)


def _check_model(folder: Path, spec: IndexSpec, model: str, probe: Vectors | None) -> None:
    if (spec.embedding is None) is not (probe is None):
        raise RetrievalError(
            f"live index {str(folder)!r}: a provider's model and nothing else has a probe; give that of the model "
            "that the spec names"
        )
    if spec.embedding is not None and (spec.embedding.identity != model or spec.retriever == "bm25"):
        raise RetrievalError(
            f"live index {str(folder)!r}: its spec names embedding model {spec.embedding.model!r} "
            f"({spec.embedding.base_url}) with retriever {spec.retriever!r}, and was given model {model[:12]!r}; give "
            "the one that it names"
        )


def refreshed(counts: Mapping[str, int], generation: int) -> Refreshed:
    """What was counted while an index was brought up to date; what was never counted is 0."""
    names = ("added", "changed", "confirmed", "unchanged", "deleted", "embedded")
    return Refreshed(generation=generation, **{name: counts.get(name, 0) for name in names})


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """The documents, so many at once as become visible together."""
    remaining = iter(documents)
    while batch := list(islice(remaining, BATCH)):
        yield batch
