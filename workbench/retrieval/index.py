"""What an index is: documents that can be searched, and hits that say why they were found."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from workbench.core import Corpus, Document, Record, RetrievalError, digest_json

Vectors = NDArray[np.float32]


class Hit(Record):
    """A document that was found."""

    doc_id: str
    score: float = Field(allow_inf_nan=False)
    """What hits are ordered by, higher is better; comparable within one answer only, except for "dense"."""
    parts: dict[str, float] = Field(default_factory=dict)
    """Where the score comes from: "bm25" (at least 0, unbounded) and "bm25_rank" if it shares a word with the
    query; "dense_similarity" (cosine, in [-1, 1]) and "dense_rank" from every index that has vectors. Ranks
    begin at 1 and count the whole corpus."""


class IndexSpec(Record):
    """How documents are made searchable."""

    retriever: Literal["bm25", "dense", "hybrid"] = "hybrid"
    k1: float = Field(default=1.2, ge=0, allow_inf_nan=False)
    """How much a repeated word counts. Source of both defaults: Lucene, BM25Similarity."""
    b: float = Field(default=0.75, ge=0, le=1)
    """How much a long document is discounted."""
    rrf_k: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """The constant of reciprocal rank fusion. Source: Cormack, Clarke, Büttcher 2009."""
    depth: int = Field(default=100, ge=1)
    """How many of each ranking are fused; at least k are."""
    tokens: int = Field(default=96, ge=8, le=256)
    """How much of a document vectors read; the words of "bm25" are all read. A tool's name and description come
    first, and what follows costs time in proportion."""


class Index(Protocol):
    """Documents that can be searched."""

    @property
    def corpus(self) -> Corpus:
        """The documents, in their order."""

    @property
    def spec(self) -> IndexSpec:
        """How they were made searchable."""

    @property
    def digest(self) -> str:
        """The digest of corpus, spec and embedding model: what this index answers follows from it."""

    @property
    def vectors(self) -> Vectors | None:
        """A row of length 1 for each document, in order; None for "bm25"."""

    def search(self, query: str, k: int) -> tuple[Hit, ...]:
        """The best k documents, best first, ties by id; fewer if fewer match, none for a blank query.

        "bm25" finds only documents that share a word with the query; the others rank every document.

        Raises: RetrievalError if k is less than 1.
        """


def checked(query: str, k: int) -> str:
    """The query without white space around it.

    Raises: RetrievalError if k is less than 1.
    """
    if k < 1:
        raise RetrievalError(f"search for {query[:40]!r}: k is {k}; ask for at least 1 document")
    return query.strip()


def searchable(document: Document) -> str:
    """The words by which a document is found: all of them; a tool's begin with its name."""
    return document.text if document.tool else f"{document.title}\n{document.text}".strip()


def name_index(corpus: Corpus, spec: IndexSpec, model: str) -> str:
    """The digest of an index; `model` is the embedding model's digest, or empty where there is none."""
    return digest_json({"corpus": corpus.digest, "spec": spec.digest, "model": model})


def rank(scores: NDArray[np.floating], ids: NDArray[np.str_]) -> list[int]:
    """Positions of all scores, highest first, ties by id.

    >>> rank(np.array([0.5, 0.9, 0.5]), np.array(["b", "c", "a"]))
    [1, 2, 0]
    """
    order: list[int] = np.lexsort((ids, -scores)).tolist()
    return order
