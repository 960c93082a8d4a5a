"""An index in LanceDB: one table on an object store or a shared disk, where each change is one version.

The only importer of lancedb. Words are those of the other indexes, ranked by LanceDB's BM25: its constants are fixed,
and a deleted document is counted until its part of the index is rewritten. Vectors are compared one by one. The view
is part of every question and cuts the rows before they are ranked; but whoever can read the bucket can read them all.
What is deleted is in no answer from then on; its bytes go with the first change an hour later.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS, LabelList
from lancedb.query import MatchQuery

from workbench.core import Document, RetrievalError, Scalar
from workbench.retrieval.address import Address
from workbench.retrieval.candidates import Ranking
from workbench.retrieval.engine import Change, Content, Known, Row, expires, principals_of, readers_of, sort_ranking
from workbench.retrieval.index import IndexSpec, Vectors
from workbench.retrieval.lance_view import column_name, condition_sql, quoted
from workbench.retrieval.live import LiveStats
from workbench.retrieval.live_access import fields_of
from workbench.retrieval.live_draft import revive
from workbench.retrieval.view import View

_TABLE, _MANIFEST = "documents", "manifest"
_TIES = 64
"""So many more are asked for than needed, since LanceDB breaks ties in its own way."""
_PATIENCE = {"client_max_retries": "2", "client_retry_timeout": "20", "connect_timeout": "5s"}
"""How long an object store may be silent."""
_KEPT = timedelta(hours=1)
"""How long a version can be read that is not the newest."""
_KINDS = {"number": pa.float64(), "text": pa.string(), "flag": pa.bool_()}


class Lance:
    """The engine of one index. Safe under threads."""

    def __init__(self, address: Address, index: str) -> None:
        """Nothing is asked yet."""
        self.where = f"{address.shown}, index {index}"
        self._address = address
        self._index = index
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._database: lancedb.DBConnection | None = None
        self._latest: lancedb.table.Table | None = None
        self._seen: lancedb.table.Table | None = None

    def check(self, spec: IndexSpec) -> None:
        """See `Engine.check`."""
        if spec.retriever != "dense" and (spec.k1, spec.b) != (1.2, 0.75):
            raise RetrievalError(f"store {self.where!r}: LanceDB has k1 1.2 and b 0.75; leave them as they are")

    def make(self, content: Content) -> None:
        """See `Engine.make`."""
        with self._address.reaching():
            database = self._open()
            if _MANIFEST in database.list_tables().tables:
                raise RetrievalError(f"store {self.where!r}: is there already; refresh it, or choose another name")
            table = database.create_table(_TABLE, schema=_schema(content.dimensions), mode="overwrite")
            table.create_index("words", config=_words_index())
            table.create_index("readers", config=LabelList())
            database.create_table(_MANIFEST, data=[{"content": content.model_dump_json()}])

    def content(self) -> Content:
        """See `Engine.content`."""
        with self._address.reaching():
            database = self._open()
            if _MANIFEST not in database.list_tables().tables:
                raise RetrievalError(f"store {self.where!r}: holds no such index; build it first")
            (row,) = database.open_table(_MANIFEST).to_arrow().to_pylist()
            return Content.model_validate_json(row["content"])

    @contextmanager
    def reading(self, view: View) -> Iterator["LanceReader"]:
        """See `Engine.reading`: one version of the table."""
        with self._address.reaching():
            yield LanceReader(self._current(), view)

    @contextmanager
    def writing(self) -> Iterator["LanceWriter"]:
        """See `Engine.writing`: of several processes the one that commits first wins, and the other is told so."""
        if not self._writing.acquire(blocking=False):
            raise RetrievalError(f"store {self.where!r}: is being written by another thread; wait until it is done")
        try:
            with self._address.reaching():
                table = self._open().open_table(_TABLE)
                yield LanceWriter(table)
                table.optimize(cleanup_older_than=_KEPT)
        finally:
            self._writing.release()

    def stats(self, content: Content, now: datetime) -> LiveStats:
        """See `Engine.stats`."""
        with self._address.reaching():
            table = self._current()
            sizes = table.stats()
            lengths = table.search().select(["length"]).to_arrow()["length"].to_numpy()
            return LiveStats(
                name=content.name,
                generation=table.version,
                documents=len(lengths),
                passages=table.count_rows("cut"),
                tombstones=0,
                stale=table.count_rows(f"expires < {now.timestamp() * 1_000_000}"),
                segments=sizes["fragment_stats"]["num_fragments"],
                bytes=sizes["total_bytes"],
                words=int(lengths.sum()),
                vectors=content.spec.retriever != "bm25",
            )

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            self._database = self._latest = self._seen = None

    def _open(self) -> lancedb.DBConnection:
        with self._lock:
            if self._database is None:
                asked = self._address.query
                options = _PATIENCE | {name: asked[name] for name in ("endpoint", "region") if name in asked}
                if options.get("endpoint", "").startswith("http://"):
                    options["allow_http"] = "true"
                base = str(self._address.folder) if self._address.scheme == "lance" else self._address.bare
                self._database = lancedb.connect(f"{base.rstrip('/')}/{self._index}", storage_options=options)
            return self._database

    def _current(self) -> lancedb.table.Table:
        """The table as it is now, in a handle that stays at this version."""
        database = self._open()
        with self._lock:
            if self._latest is None:
                self._latest = database.open_table(_TABLE)
            self._latest.checkout_latest()
            if self._seen is None or self._seen.version != self._latest.version:
                self._seen = database.open_table(_TABLE)
                self._seen.checkout(self._latest.version)
            return self._seen


class LanceReader:
    """See `Reader`."""

    def __init__(self, table: lancedb.table.Table, view: View) -> None:
        self._table = table
        self.generation: int = table.version
        asked = ", ".join(quoted(one) for one in principals_of(view))
        columns = set(table.schema.names)
        terms = [f"array_has_any(readers, [{asked}])", *(condition_sql(one, columns) for one in view.where)]
        self._visible = " AND ".join(terms)

    def match(self, words: Sequence[str], depth: int, only: Sequence[str] = ()) -> Ranking:
        """See `Reader.match`."""
        if not words:
            return ()
        asked = self._table.search(MatchQuery(" ".join(words), "words"), query_type="fts")
        found = asked.where(self._where(only), prefilter=True).limit(depth + _TIES).select(["doc_id", "_score"])
        rows = found.to_arrow().to_pylist()
        return sort_ranking(((row["doc_id"], row["_score"]) for row in rows if row["_score"] > 0), depth)

    def near(self, vector: Vectors, depth: int, only: Sequence[str] = ()) -> Ranking:
        """See `Reader.near`."""
        asked = self._table.search(vector, vector_column_name="vector").distance_type("dot")
        found = asked.where(self._where(only), prefilter=True).limit(depth + _TIES).select(["doc_id", "_distance"])
        return sort_ranking(((row["doc_id"], 1 - row["_distance"]) for row in found.to_arrow().to_pylist()), depth)

    def documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """See `Reader.documents`."""
        if not ids:
            return {}
        asked = self._table.search().where(self._where(ids)).select(["doc_id", "line", "read"]).limit(len(ids))
        return {row["doc_id"]: revive(row["line"].encode(), row["read"]) for row in asked.to_arrow().to_pylist()}

    def _where(self, only: Sequence[str]) -> str:
        return f"{self._visible} AND {_among(only)}" if only else self._visible


class LanceWriter:
    """See `Writer`."""

    def __init__(self, table: lancedb.table.Table) -> None:
        self._table = table

    def ids(self) -> set[str]:
        """See `Writer.ids`."""
        return set(self._table.search().select(["doc_id"]).to_arrow()["doc_id"].to_pylist())

    def known(self, ids: Sequence[str]) -> Mapping[str, Known]:
        """See `Writer.known`."""
        rows = self._rows(ids, ["doc_id", "digest", "said", "read"])
        return {row["doc_id"]: Known(row["digest"], row["said"], row["read"]) for row in rows.to_pylist()}

    def vectors(self, ids: Sequence[str]) -> Mapping[str, Vectors]:
        """See `Writer.vectors`."""
        rows = self._rows(ids, ["doc_id", "vector"])
        return {row["doc_id"]: np.array(row["vector"], dtype=np.float32) for row in rows.to_pylist()}

    def publish(self, change: Change) -> None:
        """See `Writer.publish`: what is put and deleted is one version; only read anew is one more."""
        if change.put:
            self._add_columns(change.put)
            merge = self._table.merge_insert("doc_id").when_matched_update_all().when_not_matched_insert_all()
            if change.deleted:
                merge = merge.when_not_matched_by_source_delete(_among(change.deleted))
            merge.execute(self._arrow(change.put))
        elif change.deleted:
            self._table.delete(_among(change.deleted))
        if change.confirmed:
            rows = self._rows(list(change.confirmed), self._table.schema.names).to_pylist()
            for row in rows:
                row["read"] = change.confirmed[row["doc_id"]]
                row["expires"] = expires(revive(row["line"].encode(), row["read"]), row["read"])
            renewed = pa.Table.from_pylist(rows, schema=self._table.schema)
            self._table.merge_insert("doc_id").when_matched_update_all().execute(renewed)

    def _rows(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        return self._table.search().where(_among(ids)).select(list(columns)).limit(max(len(ids), 1)).to_arrow()

    def _add_columns(self, rows: Sequence[Row]) -> None:
        """Metadata are columns; one that is new is empty for all that was there before."""
        known = set(self._table.schema.names)
        new = {name: kind for row in rows for name, (kind, _) in _cells(row).items() if name not in known}
        if new:
            self._table.add_columns([pa.field(name, kind) for name, kind in sorted(new.items())])

    def _arrow(self, rows: Sequence[Row]) -> pa.Table:
        return pa.Table.from_pylist([_line(row) for row in rows], schema=self._table.schema)


def _schema(dimensions: int) -> pa.Schema:
    fields = [
        pa.field("doc_id", pa.string()),
        pa.field("line", pa.string()),
        pa.field("digest", pa.binary()),
        pa.field("said", pa.binary()),
        pa.field("read", pa.int64()),
        pa.field("expires", pa.float64()),
        pa.field("cut", pa.bool_()),
        pa.field("length", pa.int64()),
        pa.field("words", pa.string()),
        pa.field("readers", pa.list_(pa.string())),
    ]
    if dimensions:
        fields.append(pa.field("vector", pa.list_(pa.float32(), dimensions)))
    return pa.schema(fields)


def _words_index() -> FTS:
    return FTS(
        base_tokenizer="whitespace",
        with_position=False,
        max_token_length=None,
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
    )


def _cells(row: Row) -> dict[str, tuple[pa.DataType, Scalar]]:
    """The metadata of a document, each by the column it goes to."""
    cells = {}
    for field, value in fields_of(row.draft.document):
        name = column_name(field, value)
        cells[name] = (_KINDS[name.partition("_")[0]], value)
    return cells


def _line(row: Row) -> dict[str, object]:
    document, origin = row.draft.document, row.draft.document.origin
    cells: dict[str, object] = {name: value for name, (_, value) in _cells(row).items()}
    return cells | {
        "doc_id": document.doc_id,
        "line": row.draft.line.decode(),
        "digest": row.draft.digest,
        "said": row.said,
        "read": row.draft.read,
        "expires": expires(document, row.draft.read),
        "cut": origin is not None and bool(origin.whole),
        "length": row.length,
        "words": " ".join(word for word, count in row.words.items() for _ in range(count)),
        "readers": list(readers_of(document)),
        **({} if row.vector is None else {"vector": row.vector}),
    }


def _among(ids: Sequence[str]) -> str:
    return f"doc_id IN ({', '.join(quoted(one) for one in ids)})" if ids else "false"
