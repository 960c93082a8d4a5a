"""A live index: documents on disk that are searched while they change, up to a million passages.

Open it for `LiveIndex(folder).passages(query, k, view)`; `live_refresh` makes it and changes it.

Documents lie in immutable segments. A change writes one more segment, and notes which documents of the older ones are
gone; then a new manifest names it all, at once (`live_manifest`). Who may read what is decided inside, before ranking
(`live_access`), and scores depend on the living documents alone (`live_words`).
"""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.core import Document, Record, RetrievalError, digest_json, short
from workbench.retrieval.analyzer import words_of
from workbench.retrieval.cross_encoder import KEPT, CrossEncoder, open_cross_encoder
from workbench.retrieval.embed import Encoder
from workbench.retrieval.embed_probe import watched
from workbench.retrieval.index import Hit, IndexSpec, checked, searchable
from workbench.retrieval.live_draft import UNREAD
from workbench.retrieval.live_generation import Generation, open_generation
from workbench.retrieval.live_manifest import MANIFEST, read_manifest, read_probe
from workbench.retrieval.live_ranking import Asked, Ranked, rank_generation
from workbench.retrieval.reranked import reorder
from workbench.retrieval.view import ANYONE, View

_MICROSECONDS_PER_HOUR = 3_600_000_000
_TRIES = 20


class Passage(Record):
    """A document that was found, as an agent is given it."""

    hit: Hit
    document: Document
    """With its source, offsets, licence and trust in its origin."""
    stale: bool
    """It has outlived its freshness rule, and an answer that rests on it should say so."""


class LiveStats(Record):
    """What a live index is made of."""

    name: str
    generation: int
    documents: int
    """Alive: each can be found."""
    passages: int
    """Those of them that are cut from another document."""
    tombstones: int
    """Deleted, and their bytes not yet dropped."""
    stale: int
    segments: int
    bytes: int
    words: int
    """In all documents, with repeats."""
    vectors: bool


class LiveIndex:
    """A live index, opened for reading and, through `live_refresh`, for writing. Safe under threads.

    Each answer comes from one generation whole. What another process publishes is seen from the next query on.
    """

    def __init__(self, folder: Path, *, encoder: Encoder | None = None) -> None:
        """Open what `create_live` made.

        `encoder` is the model that the index was made with; an index of words needs none.

        Raises: RetrievalError if there is no index, it can't be read, it needs an encoder, or its cross-encoder was
            changed.
        """
        self.folder = folder
        self.encoder = encoder
        self.cross_encoder: CrossEncoder | None = None
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._generation: Generation | None = None
        manifest = self.current().manifest
        model, remote = manifest.model, manifest.spec.embedding
        if model and (encoder is None or encoder.digest != model):
            wanted = short(model) if remote is None else f"{remote.model!r} ({remote.base_url}, {short(model)})"
            other = "no model" if encoder is None else f"model {short(encoder.digest)}"
            raise RetrievalError(
                f"live index {str(folder)!r}: needs embedding model {wanted}, and is opened with {other}; "
                "give the same one, or build the index again"
            )
        if remote is not None and encoder is not None:
            self.encoder = watched(encoder, remote, f"live index {str(folder)!r}", read_probe(folder))
        if (named := manifest.spec.cross_encoder) is not None:
            self.cross_encoder = open_cross_encoder(*(folder / name for name in KEPT), named)

    @property
    def spec(self) -> IndexSpec:
        """How documents are made searchable."""
        return self.current().manifest.spec

    @property
    def digest(self) -> str:
        """What tells it from other live indexes, also from one that stood in its place before: its name, how it finds,
        with which model, and its birth. What it holds may change; a copy is the same index."""
        manifest = self.current().manifest
        made = {"live": manifest.name, "spec": manifest.spec.digest, "model": manifest.model}
        return digest_json({**made, "born": manifest.born})

    def current(self) -> Generation:
        """The generation that is published now.

        Raises: RetrievalError if it can't be read, or the index was deleted and made anew since it was opened.
        """
        with self._lock:
            for tried in range(_TRIES):
                seen = self._look()
                if self._generation is not None and seen == self._seen:
                    break
                manifest = read_manifest(self.folder)
                if self._generation is not None and manifest.born != self._generation.manifest.born:
                    raise RetrievalError(
                        f"live index {str(self.folder)!r}: was deleted and made anew since it was opened; open it again"
                    )
                try:
                    self._generation = open_generation(self.folder, manifest, self._generation)
                    self._seen = seen
                except RetrievalError:
                    # A writer may have removed what this generation names, after it published a newer one.
                    if tried == _TRIES - 1 or read_manifest(self.folder).generation == manifest.generation:
                        raise
            assert self._generation is not None
            return self._generation

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """The best k documents that the view allows, best first, ties by id. See `Index.search`.

        Ranks count what the view allows. What a word is worth is counted over all documents alive, so a score says
        something of how frequent it is among those that a caller can't see; where even that is too much, give each
        tenant an index of its own.

        Raises: RetrievalError if k is less than 1, or the index can't be read.
        """
        return tuple(one.hit for one in self.rank(self.current(), query, k, view))

    def passages(self, query: str, k: int, view: View = ANYONE, *, now: datetime | None = None) -> tuple[Passage, ...]:
        """What `search` finds, with the documents; stale or not at the time `now`, which has a time zone.

        Raises: RetrievalError if k is less than 1, or the index can't be read.
        """
        generation, now = self.current(), now or datetime.now(UTC)
        found = []
        for one in self.rank(generation, query, k, view):
            document = generation.document(one.spot)
            stale = document.origin is not None and document.origin.is_stale(now)
            found.append(Passage(hit=one.hit, document=document, stale=stale))
        return tuple(found)

    def rank(self, generation: Generation, query: str, k: int, view: View) -> list[Ranked]:
        """What `search` finds in a generation, and where it stands there."""
        query, asked = checked(query, k), generation.manifest.spec.cross_encoder
        if not query or not generation.documents:
            return []
        if asked is None or self.cross_encoder is None:
            return rank_generation(generation, self.ask(query), k, view)
        first = rank_generation(generation, self.ask(query), max(k, asked.depth), view)
        texts, hits = [searchable(generation.document(one.spot)) for one in first], [one.hit for one in first]
        spots = {one.hit.doc_id: one.spot for one in first}
        ordered = reorder(query, hits, texts, self.cross_encoder, asked) if hits else []
        return [Ranked(spots[hit.doc_id], hit) for hit in ordered[:k]]

    def get(self, ids: Sequence[str]) -> list[Document | None]:
        """The living documents of some ids, whoever may read them; None for an id that none has."""
        generation = self.current()
        return [None if spot is None else generation.document(spot) for spot in generation.find(ids)]

    def stats(self, *, now: datetime | None = None) -> LiveStats:
        """What the index is made of; stale at the time `now`, which has a time zone."""
        generation, at = self.current(), (now or datetime.now(UTC)).timestamp() * 1_000_000
        manifest = generation.manifest
        return LiveStats(
            name=manifest.name,
            generation=manifest.generation,
            documents=generation.documents,
            passages=sum(int(part.segment.cut[part.living].sum()) for part in generation.parts),
            tombstones=sum(entry.documents - entry.living for entry in manifest.segments),
            stale=sum(_count_stale(part.read, part.segment.fresh, part.living, at) for part in generation.parts),
            segments=len(generation.parts),
            bytes=sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()),
            words=generation.words,
            vectors=manifest.spec.retriever != "bm25",
        )

    def ask(self, query: str) -> Asked:
        """A question that is not blank, made ready for this index."""
        spec = self.spec
        words = words_of(query, spec.analyzer)
        vector = None if self.encoder is None or spec.retriever == "bm25" else self.encoder.embed_query(query)
        return Asked(words, vector)

    def _look(self) -> tuple[int, int, int]:
        """What changes whenever a manifest is published."""
        try:
            there = (self.folder / MANIFEST).stat()
        except FileNotFoundError as cause:
            raise RetrievalError(f"live index {str(self.folder)!r}: is not there; build it first") from cause
        return there.st_ino, there.st_mtime_ns, there.st_size


def _count_stale(read: NDArray[np.int64], fresh: NDArray[np.float64], living: NDArray[np.int64], now: float) -> int:
    """How many of the living have outlived their rule; `now` in microseconds since 1970."""
    read, fresh = read[living], fresh[living]
    unknown = (read == UNREAD) & np.isfinite(fresh)
    return int(np.count_nonzero(unknown | (now - read > fresh * _MICROSECONDS_PER_HOUR)))
