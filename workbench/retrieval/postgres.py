"""An index in PostgreSQL with pgvector: searched where it lies, by a role that the database shows only its own rows.

The only importer of psycopg. Words are ranked by BM25 over postings in a table, not by PostgreSQL's full-text search:
that knows no rarity of words, and its words would be others than those of every other index here. So the answers are
those of the local index; cosines are computed with fewer digits and may differ in the sixth. A question reads the
postings of its words and the vectors of what the caller may see, all of them.
"""

import json
import math
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import sha256

import numpy as np
import psycopg

from workbench.core import Document, RetrievalError
from workbench.retrieval import postgres_queries as queries
from workbench.retrieval import postgres_schema as schema
from workbench.retrieval.address import Address
from workbench.retrieval.candidates import Ranking
from workbench.retrieval.engine import Change, Content, Known, Row, principals_of, readers_of
from workbench.retrieval.index import IndexSpec, Vectors
from workbench.retrieval.live import LiveStats
from workbench.retrieval.live_access import fields_of
from workbench.retrieval.live_draft import revive
from workbench.retrieval.view import View

_IDLE = 8
"""Connections that are kept open for the next question."""
_CONNECT_SECONDS = 10

Connection = psycopg.Connection[tuple[object, ...]]


class Postgres:
    """The engine of one index. Safe under threads."""

    def __init__(self, address: Address, index: str) -> None:
        """Nothing is asked yet. Raises: RetrievalError if the name can't be a schema's."""
        self.where = f"{address.shown}, index {index}"
        self._address = address
        self._schema = schema.schema_name(index)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def check(self, spec: IndexSpec) -> None:
        """See `Engine.check`: it can turn all."""

    def make(self, content: Content) -> None:
        """See `Engine.make`."""
        with self._transaction() as connection:
            if self._exists(connection):
                raise RetrievalError(f"store {self.where!r}: is there already; refresh it, or choose another name")
            if connection.execute(schema.FIND_ROLE, [schema.READER]).fetchone() is None:
                connection.execute(schema.MAKE_ROLE)
            connection.execute(schema.JOIN_ROLE)
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            connection.execute(schema.make_tables(self._schema))
            connection.execute("INSERT INTO manifest VALUES (%s, 0, 0, 0, 0)", [content.model_dump_json()])

    def content(self) -> Content:
        """See `Engine.content`."""
        with self._transaction() as connection:
            if not self._exists(connection):
                raise RetrievalError(f"store {self.where!r}: holds no such index; build it first")
            why = connection.execute(schema.UNSAFE, {"reader": schema.READER, "schema": f'"{self._schema}"'}).fetchone()
            if why is None or why[0]:
                raise RetrievalError(
                    f"store {self.where!r}: {why and why[0]}; nothing is searched that the database does not guard"
                )
            self._enter(connection, [])
            (found,) = connection.execute("SELECT content FROM manifest").fetchone() or ("",)
            return Content.model_validate_json(str(found))

    @contextmanager
    def reading(self, view: View) -> Iterator["PostgresReader"]:
        """See `Engine.reading`: one read-only transaction of the role that sees what the caller may."""
        with self._transaction("REPEATABLE READ, READ ONLY") as connection:
            self._enter(connection, principals_of(view))
            yield PostgresReader(connection, view)

    @contextmanager
    def writing(self) -> Iterator["PostgresWriter"]:
        """See `Engine.writing`: a writer that dies gives the lock back with its connection, a moment after its end."""
        with self._connected() as connection:
            connection.autocommit = True
            may = connection.execute(schema.MAY_WRITE, [self._schema]).fetchone()
            if may is None or not may[0]:
                raise RetrievalError(f"store {self.where!r}: its user may only search; write as the one who built it")
            lock = int.from_bytes(sha256(self._schema.encode()).digest()[:8], signed=True)
            (held,) = connection.execute("SELECT pg_try_advisory_lock(%s)", [lock]).fetchone() or (False,)
            if not held:
                raise RetrievalError(
                    f"store {self.where!r}: is being written by another process or thread; wait until it is done"
                )
            try:
                connection.execute("SELECT set_config('search_path', %s, false)", [schema.search_path(self._schema)])
                yield PostgresWriter(connection)
            finally:
                with suppress(psycopg.Error):  # a broken connection has given it back already, or soon will
                    connection.execute("SELECT pg_advisory_unlock_all()")
                connection.close()

    def stats(self, content: Content, now: datetime) -> LiveStats:
        """See `Engine.stats`."""
        with self._transaction("REPEATABLE READ, READ ONLY") as connection:
            self._enter(connection, [])
            at = round(now.timestamp() * 1_000_000)
            counts = connection.execute("SELECT * FROM counts(%s)", [at]).fetchone()
            generation = connection.execute("SELECT generation FROM manifest").fetchone()
            assert counts is not None
            assert generation is not None
            documents, passages, stale, words, size = (int(str(one)) for one in counts)
        return LiveStats(
            name=content.name,
            generation=int(str(generation[0])),
            documents=documents,
            passages=passages,
            tombstones=0,
            stale=stale,
            segments=1,
            bytes=size,
            words=words,
            vectors=content.spec.retriever != "bm25",
        )

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _exists(self, connection: Connection) -> bool:
        found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [self._schema]).fetchone()
        return found is not None

    def _enter(self, connection: Connection, principals: Sequence[str]) -> None:
        """Be the searching role, of these principals, until the transaction ends."""
        connection.execute(
            "SELECT set_config('search_path', %s, true), set_config(%s, %s, true), set_config('role', %s, true)",
            [schema.search_path(self._schema), schema.PRINCIPALS, json.dumps(principals), schema.READER],
        )

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection; after an error it is not used again."""
        with self._address.reaching():
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = psycopg.connect(self._address.url, connect_timeout=_CONNECT_SECONDS)
            kept = False
            try:
                yield connection
                kept = not connection.closed
            finally:
                with self._lock:
                    if kept and len(self._idle) < _IDLE:
                        self._idle.append(connection)
                    else:
                        connection.close()

    @contextmanager
    def _transaction(self, mode: str = "READ COMMITTED") -> Iterator[Connection]:
        with self._connected() as connection, connection.transaction():
            connection.execute(f"SET TRANSACTION ISOLATION LEVEL {mode}")
            yield connection


class PostgresReader:
    """See `Reader`."""

    def __init__(self, connection: Connection, view: View) -> None:
        self._connection = connection
        self._view = view
        row = connection.execute("SELECT generation, documents, words, content FROM manifest").fetchone()
        assert row is not None
        self.generation, self._documents, self._words = (int(str(one)) for one in row[:3])
        self._spec: IndexSpec = Content.model_validate_json(str(row[3])).spec

    def match(self, words: Sequence[str], depth: int, only: Sequence[str] = ()) -> Ranking:
        """See `Reader.match`."""
        asked, total = Counter(words), self._documents
        if not asked or not total:
            return ()
        # Source of the worth: Lucene BM25Similarity, ln(1 + (N - n + 0.5) / (n + 0.5)).
        worths = {
            str(word): asked[str(word)] * math.log(1 + (total - int(str(n)) + 0.5) / (int(str(n)) + 0.5))
            for word, n in self._connection.execute("SELECT * FROM weights(%s)", [list(asked)])
        }
        terms, parameters = queries.conditions(self._view, only)
        narrowed = "" if terms == "true" else f"JOIN documents d ON d.number = p.number AND {terms}"
        parameters |= {"k1": float(self._spec.k1), "b": float(self._spec.b), "depth": depth}
        parameters |= {"average": max(self._words, 1) / total}
        parameters |= {"words": list(worths), "worths": list(worths.values())}
        return self._rank(queries.MATCH.format(narrowed=narrowed), parameters)

    def near(self, vector: Vectors, depth: int, only: Sequence[str] = ()) -> Ranking:
        """See `Reader.near`."""
        terms, parameters = queries.conditions(self._view, only)
        parameters |= {"vector": _spell(vector), "depth": depth}
        return self._rank(queries.NEAR.format(conditions=terms), parameters)

    def documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """See `Reader.documents`."""
        rows = self._connection.execute("SELECT doc_id, line, read FROM documents WHERE doc_id = ANY (%s)", [list(ids)])
        return {str(doc_id): revive(str(line).encode(), int(str(read))) for doc_id, line, read in rows}

    def _rank(self, query: str, parameters: queries.Parameters) -> Ranking:
        rows = self._connection.execute(query.encode(), parameters)
        return [(str(doc_id), float(str(score))) for doc_id, score in rows]


class PostgresWriter:
    """See `Writer`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ids(self) -> set[str]:
        """See `Writer.ids`."""
        return {str(doc_id) for (doc_id,) in self._connection.execute("SELECT doc_id FROM documents")}

    def known(self, ids: Sequence[str]) -> Mapping[str, Known]:
        """See `Writer.known`."""
        query = "SELECT doc_id, digest, said, read FROM documents WHERE doc_id = ANY (%s)"
        found = {}
        for doc_id, digest, said, read in self._connection.execute(query, [list(ids)]):
            assert isinstance(digest, bytes)
            assert isinstance(said, bytes)
            found[str(doc_id)] = Known(digest, said, int(str(read)))
        return found

    def vectors(self, ids: Sequence[str]) -> Mapping[str, Vectors]:
        """See `Writer.vectors`."""
        query = "SELECT doc_id, vector::text FROM documents WHERE doc_id = ANY (%s) AND vector IS NOT NULL"
        rows = self._connection.execute(query, [list(ids)])
        return {str(doc_id): np.array(json.loads(str(text)), dtype=np.float32) for doc_id, text in rows}

    def publish(self, change: Change) -> None:
        """See `Writer.publish`: one transaction."""
        put = [row.draft.document for row in change.put]
        with self._connection.transaction():
            self._connection.execute("UPDATE manifest SET generation = generation + 1")
            self._connection.execute(queries.DELETE, {"ids": [*change.deleted, *(one.doc_id for one in put)]})
            if change.put:
                self._put(change.put, self._audiences(put))
            if change.confirmed:
                times = {"ids": list(change.confirmed), "reads": list(change.confirmed.values())}
                self._connection.execute(queries.CONFIRM, times)
            for statement in queries.CLEAN:
                self._connection.execute(statement)

    def _audiences(self, documents: Sequence[Document]) -> list[int]:
        """The number of each document's readers."""
        spelled = [json.dumps(readers_of(document)) for document in documents]
        digests = {text: sha256(text.encode()).hexdigest() for text in spelled}
        self._connection.execute(queries.PUT_AUDIENCES, {"digests": list(digests.values()), "readers": list(digests)})
        query = "SELECT encode(digest, 'hex'), id FROM audiences WHERE encode(digest, 'hex') = ANY (%s)"
        numbers = {str(key): int(str(number)) for key, number in self._connection.execute(query, [[*digests.values()]])}
        return [numbers[digests[text]] for text in spelled]

    def _put(self, rows: Sequence[Row], audiences: Sequence[int]) -> None:
        words = sum(row.length for row in rows)
        update = (
            "UPDATE manifest SET documents = documents + %s, words = words + %s, next_number = next_number + %s "
            "RETURNING next_number"
        )
        (after,) = self._connection.execute(update, [len(rows), words, len(rows)]).fetchone() or (0,)
        first = int(str(after)) - len(rows)
        with self._connection.cursor() as cursor:
            with cursor.copy("COPY documents FROM STDIN") as copy:
                for number, (row, audience) in enumerate(zip(rows, audiences, strict=True), start=first):
                    copy.write_row(_document_row(number, row, audience))
            with cursor.copy("COPY postings FROM STDIN") as copy:
                for number, (row, audience) in enumerate(zip(rows, audiences, strict=True), start=first):
                    for word, count in row.words.items():
                        copy.write_row((word, number, audience, count, row.length))
        spread = Counter(word for row in rows for word in row.words)
        self._connection.execute(queries.COUNT_WORDS, {"words": list(spread), "times": list(spread.values())})


def _document_row(number: int, row: Row, audience: int) -> tuple[str | int | float | bool | bytes | None, ...]:
    document, origin = row.draft.document, row.draft.document.origin
    fresh = math.inf if origin is None or origin.fresh_hours is None else origin.fresh_hours
    return (
        number,
        document.doc_id,
        audience,
        row.draft.line.decode(),
        row.draft.digest,
        row.said,
        row.draft.read,
        fresh,
        origin is not None and bool(origin.whole),
        row.length,
        json.dumps(dict(fields_of(document))),
        None if row.vector is None else _spell(row.vector),
    )


def _spell(vector: Vectors) -> str:
    return json.dumps(np.asarray(vector, dtype=np.float64).tolist())
