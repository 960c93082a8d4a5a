"""A provider's embedding model, connected as a language model is: accounted for, budgeted, its answers kept."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from workbench.core import Meter
from workbench.lms import Call, CallStore, External, account, here, journaled
from workbench.retrieval import EmbedCall, EmbedSpec, RemoteEmbedder, Vectors, Watched


def connect_embedding(spec: EmbedSpec, *, store: CallStore | None = None, meter: Meter | None = None) -> Watched:
    """A model for `build_with`, `read_index` and `LiveIndex`, under watch; nothing is sent before the first text.

    Each paid call is a row of the ledger, of kind "retriever"; its dollars count against the budget of `meter`. Rows of
    queries are kept in `store`: a query is paid for once, and an evaluation that is replayed finds what it found.

    Raises: RetrievalError if the address or the key is missing, or the key would travel unprotected.
    """
    return Watched(_Kept(spec, store, meter), spec)


class _Kept:
    """A provider's model whose query rows are kept."""

    def __init__(self, spec: EmbedSpec, store: CallStore | None, meter: Meter | None) -> None:
        self._store = store
        self._budget = "" if meter is None else meter.name
        self._remote = RemoteEmbedder(spec, account=self._account, meter=meter)
        self.digest = self._remote.digest
        external = External(kind="retriever", name=f"query of {spec.model}", version=self.digest, pure=True)
        self._row = journaled(store, external)(self._asked)

    def embed(self, texts: Sequence[str], *, most_tokens: int = 256) -> Vectors:
        """See `Embedding.embed`."""
        return self._remote.embed(texts, most_tokens=most_tokens)

    def embed_query(self, query: str) -> Vectors:
        """See `Embedding.embed_query`."""
        return np.array(self._row(query), dtype=np.float32)

    def _asked(self, query: str) -> list[float]:
        row: list[float] = self._remote.embed_query(query).tolist()
        return row

    def _account(self, made: EmbedCall) -> None:
        call = Call(
            key=made.identity,
            where=here(),
            model=made.model,
            cached=False,
            prompt_tokens=made.tokens,
            completion_tokens=0,
            usd=made.usd,
            milliseconds=made.seconds * 1000,
            started=datetime.now(UTC).isoformat(timespec="milliseconds"),
            kind="retriever",
            budget=self._budget,
        )
        if self._store is not None:
            self._store.record(call)
        account(call)
