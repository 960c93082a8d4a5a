"""Where a live index lies: in a folder of this machine, or in a database that a URL names. All answer alike.

    folder, no URL                             this disk: the fastest, and the one that explains a ranking
    postgresql://user@host/database            PostgreSQL with pgvector: the database itself guards access
    s3://bucket/folder, lance:///folder        LanceDB on an object store, or a disk that is shared
    https://host:6333, qdrant:///folder        Qdrant, or its local mode, which is for trying out

Words are ranked alike to the last digit shown on this disk and in PostgreSQL; LanceDB and Qdrant rank them by a BM25 of
their own over the same words. Vectors are compared one by one everywhere, so a narrow view loses nothing. What of an
index spec each does stands in `knobs`; what it does not do, it refuses.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from workbench.core import Corpus, Document, RetrievalError, nearest
from workbench.retrieval.address import Address
from workbench.retrieval.embed import Encoder
from workbench.retrieval.engine import Engine
from workbench.retrieval.index import Hit, IndexSpec
from workbench.retrieval.knobs import LIVE_KNOBS, STORE_KNOBS, check_knobs
from workbench.retrieval.live import LiveIndex, LiveStats, Passage
from workbench.retrieval.live_manifest import read_manifest
from workbench.retrieval.live_refresh import Progress, Refreshed, create_live, refresh, update
from workbench.retrieval.shared import SharedStore, make_shared
from workbench.retrieval.view import ANYONE, View

_ENGINES = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "s3": "lance",
    "gs": "lance",
    "az": "lance",
    "lance": "lance",
    "https": "qdrant",
    "http": "qdrant",
    "qdrant": "qdrant",
}


class Store(Protocol):
    """Documents that are searched while they change, wherever they lie. Safe under threads."""

    @property
    def spec(self) -> IndexSpec:
        """How documents are made searchable."""

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """The best k documents that the view allows, best first, ties by id. See `Index.search`.

        Raises: RetrievalError if k is less than 1, or the store is closed or can't be reached.
        """

    def passages(self, query: str, k: int, view: View = ANYONE, *, now: datetime | None = None) -> tuple[Passage, ...]:
        """What `search` finds, with the documents; stale or not at the time `now`, which has a time zone."""

    def update(
        self, documents: Iterable[Document], *, deleted: Iterable[str] = (), progress: Progress | None = None
    ) -> Refreshed:
        """Put documents, in place of those of the same ids, after some others are deleted.

        A reader sees each batch whole or not at all; what is deleted is in no answer from then on.

        Raises: RetrievalError if another writes, a document can't be kept, or the store can't be reached.
        """

    def refresh(self, corpus: Corpus, *, progress: Progress | None = None) -> Refreshed:
        """Hold a corpus: add what is new, change what differs, delete what is not in it. Raises: as `update`."""

    def stats(self, *, now: datetime | None = None) -> LiveStats:
        """What the index is made of; stale at the time `now`, which has a time zone."""

    def close(self) -> None:
        """Let go of connections; what is asked afterwards is refused."""


class LocalStore(LiveIndex):
    """A live index in a folder, as a store."""

    _closed = False

    def update(
        self, documents: Iterable[Document], *, deleted: Iterable[str] = (), progress: Progress | None = None
    ) -> Refreshed:
        """See `Store.update`."""
        return update(self, documents, deleted=deleted, progress=progress)

    def refresh(self, corpus: Corpus, *, progress: Progress | None = None) -> Refreshed:
        """See `Store.refresh`."""
        return refresh(self, corpus, progress=progress)

    def close(self) -> None:
        """See `Store.close`."""
        self._closed = True

    def _look(self) -> tuple[int, int, int]:
        if self._closed:
            raise RetrievalError(f"live index {str(self.folder)!r}: is closed; open it again")
        return super()._look()


def check_spec(where: Path | Address, index: str, spec: IndexSpec) -> None:
    """Say whether an index can be made as the spec says, before anything is read or reached.

    Raises: RetrievalError for a knob that would have no effect there, a scheme that is none, or a missing driver.
    """
    if isinstance(where, Path):
        check_knobs(f"live index {str(where)!r}", spec, LIVE_KNOBS)
        return
    engine = _engine(where, index)
    check_knobs(f"store {engine.where!r}", spec, STORE_KNOBS)
    engine.check(spec)
    engine.close()


def create_store(where: Path | Address, index: str, spec: IndexSpec, *, encoder: Encoder | None = None) -> Store:
    """Make an index without documents in a folder, or under a name in a database.

    Raises: RetrievalError if there is one already, the spec asks for what only indexes in memory do, the encoder is
        missing or not needed, or the store can't be reached.
    """
    if isinstance(where, Path):
        probe = getattr(encoder, "probe", None) if spec.embedding is not None else None
        create_live(where, index, spec, model="" if encoder is None else encoder.digest, probe=probe)
        return LocalStore(where, encoder=encoder)
    engine = _engine(where, index)
    make_shared(engine, index, spec, encoder)
    return SharedStore(engine, encoder)


def open_store(where: Path | Address, index: str, *, encoder: Encoder | None = None) -> Store:
    """Open an index that was made.

    Raises: RetrievalError if there is none, its encoder is another, or the store can't be reached.
    """
    if isinstance(where, Path):
        return LocalStore(where, encoder=encoder)
    return SharedStore(_engine(where, index), encoder)


def stored_spec(where: Path | Address, index: str) -> IndexSpec:
    """How an index that was made finds: what decides which encoder opens it.

    Raises: RetrievalError if there is none, or the store can't be reached.
    """
    if isinstance(where, Path):
        return read_manifest(where).spec
    engine = _engine(where, index)
    try:
        return engine.content().spec
    finally:
        engine.close()


def _engine(address: Address, index: str) -> Engine:
    """Drivers are imported for whoever has such a store."""
    kind = _ENGINES.get(address.scheme)
    if kind is None:
        hint = nearest(address.scheme, _ENGINES)
        raise RetrievalError(f"store {address.shown!r}: {address.scheme!r} is no scheme of a store; {hint}")
    try:
        if kind == "postgres":
            from workbench.retrieval.postgres import Postgres  # noqa: PLC0415

            return Postgres(address, index)
        if kind == "lance":
            from workbench.retrieval.lance import Lance  # noqa: PLC0415

            return Lance(address, index)
        from workbench.retrieval.qdrant import Qdrant  # noqa: PLC0415

        return Qdrant(address, index)
    except ImportError as cause:
        raise RetrievalError(
            f"store {address.shown!r}: needs package {cause.name!r}, which is not installed; install workbench[stores]"
        ) from cause
