"""A live index in a database that many machines share: the same questions, answers and refreshes as on a disk.

A database finds candidates in the caller's view (`engine`); words, vectors, fusion and what a refresh has to write are
decided here, in one way for all of them. A text that has not changed is not embedded again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np

from workbench.core import Corpus, Document, RetrievalError, short
from workbench.retrieval.analyzer import words_of
from workbench.retrieval.candidates import Found, hits_of
from workbench.retrieval.cross_encoder import FILES, CrossEncoder, open_cross_encoder
from workbench.retrieval.embed import Encoder
from workbench.retrieval.embed_probe import watched
from workbench.retrieval.engine import Change, Content, Engine, Reader, Row, Writer
from workbench.retrieval.index import Hit, IndexSpec, Vectors, checked, searchable
from workbench.retrieval.knobs import STORE_KNOBS, check_knobs
from workbench.retrieval.live import LiveStats, Passage
from workbench.retrieval.live_draft import UNREAD, Draft, draft
from workbench.retrieval.live_refresh import Progress, Refreshed, batches, refreshed
from workbench.retrieval.reranked import reorder
from workbench.retrieval.view import ANYONE, View

BATCH = 4_096
"""Documents that are looked at and published together."""


class SharedStore:
    """A live index in a database. Safe under threads; each answer comes from one moment whole."""

    def __init__(self, engine: Engine, encoder: Encoder | None) -> None:
        """Open what `make_shared` made.

        Raises: RetrievalError if there is none, the database can't be reached, the encoder is not the index's, or its
            cross-encoder does not lie on this machine where the spec says.
        """
        self._engine = engine
        self._content = engine.content()
        self._closed = False
        self.encoder = encoder
        self._cross_encoder = _open_cross_encoder(self.spec)
        _check_encoder(engine.where, self._content, encoder)
        if self.spec.embedding is not None and encoder is not None:
            probe = np.array(self._content.probe, dtype=np.float32)
            self.encoder = watched(encoder, self.spec.embedding, f"store {engine.where!r}", probe)

    @property
    def spec(self) -> IndexSpec:
        """How documents are made searchable."""
        return self._content.spec

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """See `Store.search`."""
        query = checked(query, k)
        self._check_open()
        if not query:
            return ()
        with self._engine.reading(view) as reader:
            return tuple(self._rank(reader, query, k))

    def passages(self, query: str, k: int, view: View = ANYONE, *, now: datetime | None = None) -> tuple[Passage, ...]:
        """See `Store.passages`."""
        query, now = checked(query, k), now or datetime.now(UTC)
        self._check_open()
        if not query:
            return ()
        with self._engine.reading(view) as reader:
            hits = self._rank(reader, query, k)
            documents = reader.documents([hit.doc_id for hit in hits])
        found = []
        for hit in hits:
            document = documents[hit.doc_id]
            stale = document.origin is not None and document.origin.is_stale(now)
            found.append(Passage(hit=hit, document=document, stale=stale))
        return tuple(found)

    def update(
        self, documents: Iterable[Document], *, deleted: Iterable[str] = (), progress: Progress | None = None
    ) -> Refreshed:
        """See `Store.update`; so many as `BATCH` become visible together."""
        self._check_open()
        with self._engine.writing() as writer:
            return self._write(writer, documents, list(dict.fromkeys(deleted)), progress)

    def refresh(self, corpus: Corpus, *, progress: Progress | None = None) -> Refreshed:
        """See `Store.refresh`."""
        self._check_open()
        with self._engine.writing() as writer:
            deleted = sorted(writer.ids() - {document.doc_id for document in corpus.documents})
            return self._write(writer, corpus.documents, deleted, progress)

    def stats(self, *, now: datetime | None = None) -> LiveStats:
        """See `Store.stats`."""
        self._check_open()
        return self._engine.stats(self._content, now or datetime.now(UTC))

    def close(self) -> None:
        """Let go of connections; what is asked afterwards is refused."""
        self._closed = True
        self._engine.close()

    def _check_open(self) -> None:
        if self._closed:
            raise RetrievalError(f"store {self._engine.where!r}: is closed; open it again")

    def _rank(self, reader: Reader, query: str, k: int) -> list[Hit]:
        asked = self.spec.cross_encoder
        if asked is None or self._cross_encoder is None:
            return self._first(reader, query, k)
        hits = self._first(reader, query, max(k, asked.depth))
        documents = reader.documents([hit.doc_id for hit in hits])
        texts = [searchable(documents[hit.doc_id]) for hit in hits]
        return reorder(query, hits, texts, self._cross_encoder, asked)[:k] if hits else []

    def _first(self, reader: Reader, query: str, k: int) -> list[Hit]:
        spec, depth = self.spec, k
        if spec.retriever == "bm25" or self.encoder is None:
            return hits_of(Found(words=reader.match(words_of(query, spec.analyzer), depth)), spec, k)
        vector = self.encoder.embed_query(query)
        if spec.retriever == "dense":
            return hits_of(Found(meanings=reader.near(vector, depth)), spec, k)
        depth, words = max(spec.depth, k), words_of(query, spec.analyzer)
        said, near = reader.match(words, depth), reader.near(vector, depth)
        only_near = sorted({doc_id for doc_id, _ in near} - {doc_id for doc_id, _ in said})
        only_said = sorted({doc_id for doc_id, _ in said} - {doc_id for doc_id, _ in near})
        return hits_of(
            Found(
                words=said,
                meanings=near,
                bm25=dict(reader.match(words, len(only_near), only_near)) if only_near else {},
                cosines=dict(reader.near(vector, len(only_said), only_said)) if only_said else {},
            ),
            spec,
            k,
        )

    def _write(
        self, writer: Writer, documents: Iterable[Document], deleted: Sequence[str], progress: Progress | None
    ) -> Refreshed:
        counts: Counter[str] = Counter()
        gone = list(writer.known(deleted))
        looked = 0
        for batch in batches(documents):
            change = self._plan(writer, batch, gone, counts)
            if any(change):
                writer.publish(change)
            looked, gone = looked + len(batch), []
            if progress is not None:
                progress(looked)
        if gone:
            counts["deleted"] += len(gone)
            writer.publish(Change(put=(), deleted=gone, confirmed={}))
        with self._engine.reading(ANYONE) as reader:
            return refreshed(counts, reader.generation)

    def _plan(self, writer: Writer, batch: Sequence[Document], gone: Sequence[str], counts: Counter[str]) -> Change:
        """What has to be written so that documents are there and others gone; of several with one id the last."""
        drafts = [draft(document) for document in {one.doc_id: one for one in batch}.values()]
        known, buried = writer.known([one.document.doc_id for one in drafts]), set(gone)
        fresh, same_text, confirmed = [], [], {}
        for one in drafts:
            doc_id = one.document.doc_id
            before = None if doc_id in buried else known.get(doc_id)
            if before is None or before.digest != one.digest:
                counts["added" if before is None else "changed"] += 1
                fresh.append(one)
                same_text += [doc_id] if before is not None and before.said == _said(one) else []
            elif one.read in (UNREAD, before.read):
                counts["unchanged"] += 1
            else:
                counts["confirmed"] += 1
                confirmed[doc_id] = one.read
        counts["deleted"] += len(gone)
        put = {one.document.doc_id for one in fresh}
        rows = self._rows(fresh, writer.vectors(same_text) if same_text and self.encoder else {}, counts)
        return Change(put=rows, deleted=[one for one in gone if one not in put], confirmed=confirmed)

    def _rows(self, drafts: Sequence[Draft], kept: Mapping[str, Vectors], counts: Counter[str]) -> list[Row]:
        vectors: dict[str, Vectors] = dict(kept)
        texts = {one.document.doc_id: searchable(one.document) for one in drafts}
        unknown = [doc_id for doc_id in texts if doc_id not in vectors]
        if self.encoder is not None and self.spec.retriever != "bm25" and unknown:
            counts["embedded"] += len(unknown)
            embedded = self.encoder.embed([texts[doc_id] for doc_id in unknown], most_tokens=self.spec.tokens)
            # As the local index keeps them, so that both find the same.
            vectors |= zip(unknown, embedded.astype(np.float16).astype(np.float32), strict=True)
        analyzer = self.spec.analyzer
        return [
            Row(one, _said(one), Counter(words_of(texts[doc_id], analyzer)), vectors.get(doc_id))
            for doc_id, one in zip(texts, drafts, strict=True)
        ]


def make_shared(engine: Engine, name: str, spec: IndexSpec, encoder: Encoder | None) -> None:
    """Make an index without documents; `name` is its corpus's.

    Raises: RetrievalError if there is one already, the spec asks for what a store does not do, the encoder is missing
        or not needed, or the cross-encoder is not where the spec says.
    """
    if (spec.retriever == "bm25") is (encoder is not None):
        raise RetrievalError(
            f"store {engine.where!r}: retriever {spec.retriever!r} {'with' if encoder else 'without'} an embedding "
            "model; an index of words has none, every other one"
        )
    check_knobs(f"store {engine.where!r}", spec, STORE_KNOBS)
    engine.check(spec)
    _open_cross_encoder(spec)
    probe: tuple[float, ...] = ()
    if spec.embedding is not None and encoder is not None:
        probe = tuple(watched(encoder, spec.embedding, f"store {engine.where!r}").probe.astype(float).tolist())
    model, dimensions = ("", 0) if encoder is None else (encoder.digest, len(encoder.embed_query(name)))
    engine.make(Content(name=name, spec=spec, model=model, dimensions=dimensions, probe=probe))


def _open_cross_encoder(spec: IndexSpec) -> CrossEncoder | None:
    named = spec.cross_encoder
    return None if named is None else open_cross_encoder(*(Path(named.folder, name) for name in FILES), named)


def _check_encoder(where: str, content: Content, encoder: Encoder | None) -> None:
    if content.model and (encoder is None or encoder.digest != content.model):
        other = "no model" if encoder is None else f"model {short(encoder.digest)}"
        raise RetrievalError(
            f"store {where!r}: needs embedding model {short(content.model)}, and is opened with {other}; give the "
            "same one, or build the index again"
        )


def _said(one: Draft) -> bytes:
    return sha256(searchable(one.document).encode()).digest()[:16]
