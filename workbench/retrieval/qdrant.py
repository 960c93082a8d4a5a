"""An index in Qdrant, by URL or in its local mode: points that say from which generation to which they live.

With `qdrant_filters` and `qdrant_lock` the only importer of qdrant_client. Words are sparse vectors: the terms of BM25
with the average length of the first documents, times the rarity that Qdrant counts. Vectors are compared one by one.
Qdrant has no transactions: a change writes points of the next generation beside those of this one, and is published by
writing the one point that names the current generation; what is dead is dropped with the next change. One process
writes: another is told so as far as `qdrant_lock` sees it. The view is part of every question; but whoever has the key
can read every point.
"""

import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import blake2b

import numpy as np
from qdrant_client import QdrantClient, models

from workbench.core import Document, Record, RetrievalError
from workbench.retrieval.address import Address
from workbench.retrieval.candidates import Ranking
from workbench.retrieval.engine import Change, Content, Known, Row, expires, readers_of, sort_ranking
from workbench.retrieval.index import IndexSpec, Vectors
from workbench.retrieval.live import LiveStats
from workbench.retrieval.live_access import fields_of
from workbench.retrieval.live_draft import revive
from workbench.retrieval.qdrant_filters import alive, among, number_cells, tag, visible_to
from workbench.retrieval.qdrant_lock import LOCK, WriterLock
from workbench.retrieval.view import View
from workbench.safety import is_protected

_HEAD = str(uuid.uuid5(uuid.NAMESPACE_URL, "workbench:head"))
"""The point that names the current generation; it has no reader, so no question finds it."""
_FOREVER = 2**52
_TIES = 64
"""So many more are asked for than needed, since Qdrant breaks ties in its own way."""
_INDEXED = {
    **dict.fromkeys(("doc_id", "readers", "tags"), models.PayloadSchemaType.KEYWORD),
    **dict.fromkeys(("born", "died"), models.PayloadSchemaType.INTEGER),
}
"""What a server looks up; the local mode reads every point."""
_PAGE, _SECONDS = 1_000, 30


class _Head(Record):
    content: Content
    generation: int = 0
    documents: int = 0
    words: int = 0
    bytes: int = 0
    """Of documents' JSON and vectors; what Qdrant needs besides, it does not say."""
    average_length: float = 0.0
    """Of the first documents that came; 0 before they did."""


class Qdrant:
    """The engine of one index. Safe under threads."""

    def __init__(self, address: Address, index: str) -> None:
        """Nothing is asked yet. Raises: RetrievalError if its key would travel unprotected."""
        self.where = f"{address.shown}, index {index}"
        self._address = address
        self._name = f"workbench_{index}"
        self._client: QdrantClient | None = None
        self._key = address.password or address.query.get("api_key")
        if self._key and address.scheme != "qdrant" and not is_protected(address.scheme, address.host):
            raise RetrievalError(f"store {self.where!r}: would get its key unprotected; use https")

    def check(self, spec: IndexSpec) -> None:
        """See `Engine.check`: it can turn all."""

    def make(self, content: Content) -> None:
        """See `Engine.make`."""
        with self._address.reaching():
            client = self._open()
            if client.collection_exists(self._name):
                raise RetrievalError(f"store {self.where!r}: is there already; refresh it, or choose another name")
            dense = {"meaning": models.VectorParams(size=content.dimensions, distance=models.Distance.DOT)}
            client.create_collection(
                self._name,
                vectors_config=dense if content.dimensions else {},
                sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
            )
            for field, kind in _INDEXED.items() if self._address.scheme != "qdrant" else ():
                client.create_payload_index(self._name, field, kind)
            _write_head(client, self._name, _Head(content=content))

    def content(self) -> Content:
        """See `Engine.content`."""
        with self._address.reaching():
            client = self._open()
            if not client.collection_exists(self._name):
                raise RetrievalError(f"store {self.where!r}: holds no such index; build it first")
            return _read_head(client, self._name).content

    @contextmanager
    def reading(self, view: View) -> Iterator["QdrantReader"]:
        """See `Engine.reading`: one generation."""
        with self._address.reaching():
            client = self._open()
            yield QdrantReader(client, self._name, view)

    @contextmanager
    def writing(self) -> Iterator["QdrantWriter"]:
        """See `Engine.writing`."""
        with self._address.reaching():
            client = self._open()
            lock = WriterLock(client, self._name, self.where)
            lock.take()
            try:
                yield QdrantWriter(client, self._name, lock)
            finally:
                lock.release()

    def stats(self, content: Content, now: datetime) -> LiveStats:
        """See `Engine.stats`."""
        with self._address.reaching():
            client = self._open()
            head = _read_head(client, self._name)
            living = alive(head.generation)
            cut = models.FieldCondition(key="cut", match=models.MatchValue(value=True))
            old = models.FieldCondition(key="expires", range=models.Range(lt=now.timestamp() * 1_000_000))
            passages, stale = (
                client.count(self._name, count_filter=models.Filter(must=must), exact=True).count
                for must in ([*living, cut], [*living, old])
            )
            ours = models.Filter(must_not=[models.HasIdCondition(has_id=[_HEAD, LOCK])])
            points = client.count(self._name, count_filter=ours, exact=True).count
        return LiveStats(
            name=content.name,
            generation=head.generation,
            documents=head.documents,
            passages=passages,
            tombstones=points - head.documents,
            stale=stale,
            segments=1,
            bytes=head.bytes,
            words=head.words,
            vectors=content.spec.retriever != "bm25",
        )

    def close(self) -> None:
        """See `Engine.close`."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open(self) -> QdrantClient:
        if self._client is None:
            if self._address.scheme == "qdrant":
                self._client = QdrantClient(path=str(self._address.folder))
            else:
                url, key = self._address.bare, self._key
                with warnings.catch_warnings():
                    # A key without https goes to this machine alone, else it was refused.
                    warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
                    self._client = QdrantClient(url=url, api_key=key, timeout=_SECONDS, check_compatibility=False)
        return self._client


class QdrantReader:
    """See `Reader`."""

    def __init__(self, client: QdrantClient, name: str, view: View) -> None:
        self._client = client
        self._name = name
        # The local mode is exact in any case, and warns of whoever asks for it.
        self._exactly = None if client.init_options.get("path") else models.SearchParams(exact=True)
        self.generation = _read_head(client, name).generation
        self._visible = [*alive(self.generation), *visible_to(view)]

    def match(self, words: Sequence[str], depth: int, only: Sequence[str] = ()) -> Ranking:
        """See `Reader.match`."""
        if not words:
            return ()
        numbers, times = np.unique([_number(word) for word in words], return_counts=True)
        query = models.SparseVector(indices=numbers.tolist(), values=times.astype(float).tolist())
        return sort_ranking(((one, score) for one, score in self._ask(query, "words", depth, only) if score > 0), depth)

    def near(self, vector: Vectors, depth: int, only: Sequence[str] = ()) -> Ranking:
        """See `Reader.near`."""
        return sort_ranking(self._ask(vector.astype(float).tolist(), "meaning", depth, only), depth)

    def documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """See `Reader.documents`."""
        payloads = _scroll(self._client, self._name, [*self._visible, among(ids)], ["doc_id", "line", "read"])
        return {one["doc_id"]: revive(one["line"].encode(), one["read"]) for _, one in payloads}

    def _ask(
        self, query: models.SparseVector | list[float], using: str, depth: int, only: Sequence[str]
    ) -> list[tuple[str, float]]:
        must = [*self._visible, among(only)] if only else self._visible
        found = self._client.query_points(
            self._name,
            query=query,
            using=using,
            query_filter=models.Filter(must=must),
            search_params=self._exactly,
            limit=depth + _TIES,
            with_payload=["doc_id"],
        )
        return [(point.payload["doc_id"], point.score) for point in found.points if point.payload]


class QdrantWriter:
    """See `Writer`."""

    def __init__(self, client: QdrantClient, name: str, lock: WriterLock) -> None:
        """Take back what a killed writer did not publish."""
        self._client = client
        self._name = name
        self._lock = lock
        self._head = _read_head(client, name)
        unborn = models.FieldCondition(key="born", range=models.Range(gt=self._head.generation))
        client.delete(name, points_selector=models.FilterSelector(filter=models.Filter(must=[unborn])), wait=True)
        undead = models.FieldCondition(key="died", range=models.Range(gt=self._head.generation, lt=_FOREVER))
        client.set_payload(name, {"died": _FOREVER}, points=models.Filter(must=[undead]), wait=True)

    def ids(self) -> set[str]:
        """See `Writer.ids`."""
        return {one["doc_id"] for _, one in self._living((), ["doc_id"])}

    def known(self, ids: Sequence[str]) -> Mapping[str, Known]:
        """See `Writer.known`."""
        rows = self._living(ids, ["doc_id", "digest", "said", "read"]) if ids else []
        return {
            one["doc_id"]: Known(bytes.fromhex(one["digest"]), bytes.fromhex(one["said"]), one["read"])
            for _, one in rows
        }

    def vectors(self, ids: Sequence[str]) -> Mapping[str, Vectors]:
        """See `Writer.vectors`."""
        points = {key: one["doc_id"] for key, one in self._living(ids, ["doc_id"])} if ids else {}
        found = self._client.retrieve(self._name, list(points), with_payload=False, with_vectors=["meaning"])
        return {
            points[str(point.id)]: np.array(point.vector["meaning"], dtype=np.float32)
            for point in found
            if isinstance(point.vector, dict)
        }

    def publish(self, change: Change) -> None:
        """See `Writer.publish`: the last write is the one that is seen."""
        head, client, name = self._head, self._client, self._name
        self._lock.hold()
        dead = models.FieldCondition(key="died", range=models.Range(lte=head.generation))
        client.delete(name, points_selector=models.FilterSelector(filter=models.Filter(must=[dead])), wait=True)
        after = head.generation + 1
        gone = [*change.deleted, *(row.draft.document.doc_id for row in change.put)]
        old = self._living(gone, ["length", "bytes"]) if gone else []
        if old:
            client.set_payload(name, {"died": after}, points=[key for key, _ in old], wait=True)
        words = sum(row.length for row in change.put)
        average = head.average_length or (words / len(change.put) if words else 0.0)
        points = [_point(row, after, head.content.spec, average or 1.0) for row in change.put]
        for start in range(0, len(points), _PAGE):
            client.upsert(name, points[start : start + _PAGE], wait=True)
        self._confirm(change.confirmed)
        self._head = head.model_copy(
            update={
                "generation": after,
                "documents": head.documents + len(points) - len(old),
                "words": head.words + words - sum(one["length"] for _, one in old),
                "bytes": head.bytes + sum(map(_size, change.put)) - sum(one["bytes"] for _, one in old),
                "average_length": average,
            }
        )
        self._lock.hold()
        _write_head(client, name, self._head)

    def _confirm(self, times: Mapping[str, int]) -> None:
        for key, one in self._living(list(times), ["doc_id", "line"]) if times else []:
            read = times[one["doc_id"]]
            payload = {"read": read, **_expiry(revive(one["line"].encode(), read), read)}
            self._client.set_payload(self._name, payload, points=[key], wait=True)

    def _living(self, ids: Sequence[str], fields: Sequence[str]) -> list[tuple[str, models.Payload]]:
        must = [*alive(self._head.generation), *([among(ids)] if ids else [])]
        return _scroll(self._client, self._name, must, fields)


def _point(row: Row, generation: int, spec: IndexSpec, average: float) -> models.PointStruct:
    document, origin = row.draft.document, row.draft.document.origin
    fields = list(fields_of(document))
    payload = {
        "doc_id": document.doc_id,
        "line": row.draft.line.decode(),
        "digest": row.draft.digest.hex(),
        "said": row.said.hex(),
        "read": row.draft.read,
        "cut": origin is not None and bool(origin.whole),
        "length": row.length,
        "bytes": _size(row),
        "readers": list(readers_of(document)),
        "tags": [tag(field, value) for field, value in fields],
        "numbers": number_cells(fields),
        "born": generation,
        "died": _FOREVER,
        **_expiry(document, row.draft.read),
    }
    # Source: Robertson and Zaragoza 2009; the rarity of a word is Qdrant's to multiply.
    weights: dict[int, float] = {}
    for word, count in row.words.items():
        discount = spec.k1 * (1 - spec.b + spec.b * row.length / average)
        weights[_number(word)] = count * (spec.k1 + 1) / (count + discount)
    sparse = models.SparseVector(indices=list(weights), values=list(weights.values()))
    dense = {} if row.vector is None else {"meaning": row.vector.astype(float).tolist()}
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{generation}:{document.doc_id}"))
    return models.PointStruct(id=key, vector={"words": sparse, **dense}, payload=payload)


def _expiry(document: Document, read: int) -> dict[str, float]:
    time = expires(document, read)
    return {} if time == float("inf") else {"expires": time}


def _size(row: Row) -> int:
    return len(row.draft.line) + (0 if row.vector is None else row.vector.nbytes)


def _number(word: str) -> int:
    """The dimension of a word: 32 bits of a hash, so that of a million words some hundred pairs share one."""
    return int.from_bytes(blake2b(word.encode(), digest_size=4).digest())


def _read_head(client: QdrantClient, name: str) -> _Head:
    (point,) = client.retrieve(name, [_HEAD], with_payload=True)
    assert point.payload is not None
    return _Head.model_validate_json(point.payload["head"])


def _write_head(client: QdrantClient, name: str, head: _Head) -> None:
    point = models.PointStruct(id=_HEAD, vector={}, payload={"head": head.model_dump_json()})
    client.upsert(name, [point], wait=True)


def _scroll(
    client: QdrantClient, name: str, must: list[models.Condition], fields: Sequence[str]
) -> list[tuple[str, models.Payload]]:
    """All points that meet some conditions, with some fields of theirs."""
    found: list[tuple[str, models.Payload]] = []
    place = None
    while True:
        points, place = client.scroll(
            name, scroll_filter=models.Filter(must=must), limit=_PAGE, offset=place, with_payload=list(fields)
        )
        found += [(str(point.id), point.payload or {}) for point in points]
        if place is None:
            return found
