"""What an index is: documents that can be searched, and hits that say why they were found."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from workbench.core import Corpus, Document, Record, RetrievalError, digest_json
from workbench.retrieval.analyzer import Analyzer
from workbench.retrieval.cross_encoder import CrossEncoderSpec
from workbench.retrieval.embed import EmbedSpec
from workbench.retrieval.routing import Route
from workbench.retrieval.view import ANYONE, View

Vectors = NDArray[np.float32]


class Hit(Record):
    """A document that was found."""

    doc_id: str
    score: float = Field(allow_inf_nan=False)
    """What hits are ordered by, higher is better; comparable within one answer only, except for "dense"."""
    parts: dict[str, float] = Field(default_factory=dict)
    """Where the score comes from: "bm25" (at least 0, unbounded) and "bm25_rank" if it shares a word with the
    query; "dense_similarity" (cosine, in [-1, 1]) and "dense_rank" from every index that has vectors. Ranks
    begin at 1 and count all that the view shows. Where the spec asks for them: "cross_encoder" (its score) and
    "first_score" (the one before it), "feedback_similarity" (cosine with
    the query moved by feedback, which then makes "dense_rank"), "fused" (the score before a learned ranker), and
    "passage_start" and "passage_end" (characters of the document's text that the vectors found)."""


class IndexSpec(Record):
    """How documents are made searchable."""

    retriever: Literal["bm25", "dense", "hybrid"] = "hybrid"
    analyzer: Analyzer = "code"
    """How a text becomes words; see `words_of`."""
    k1: float = Field(default=1.2, ge=0, allow_inf_nan=False)
    """How much a repeated word counts. Source of both defaults: Lucene, BM25Similarity."""
    b: float = Field(default=0.75, ge=0, le=1)
    """How much a long document is discounted."""
    fusion: Literal["rrf", "convex"] = "rrf"
    """How "hybrid" makes one ranking of two: by ranks, or by scores on one scale."""
    weight: float = Field(default=0.5, ge=0, le=1)
    """The share of meanings in a "convex" fusion; words have the rest."""
    rrf_k: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """The constant of reciprocal rank fusion. Source: Cormack, Clarke, Büttcher 2009."""
    depth: int = Field(default=100, ge=1)
    """How many of each ranking are fused; at least k are."""
    tokens: int = Field(default=96, ge=8, le=256)
    """How much of a document vectors read; the words of "bm25" are all read. A tool's name and description come
    first, and what follows costs time in proportion."""
    chunk: int = Field(default=0, ge=0)
    """The most characters of a passage: a document's meaning is then that of its passage nearest to the query; its
    words are counted as a whole. 0 leaves documents whole."""
    overlap: int = Field(default=0, ge=0)
    """How many characters of a passage the next one may repeat; less than `chunk`."""
    feedback: int = Field(default=0, ge=0)
    """How many of the first documents found move the query's vector towards them; 0 is none."""
    feedback_weight: float = Field(default=0.3, ge=0, le=1)
    """How far: 0 not at all, 1 all the way."""
    expansion: int = Field(default=0, ge=0)
    """How many words of the first documents found by words are looked for, too (RM3); 0 is none."""
    expansion_documents: int = Field(default=10, ge=1)
    """How many documents those words are taken from."""
    expansion_weight: float = Field(default=0.5, ge=0, le=1)
    """The share of the query's own words. Source of both defaults: Anserini, Rm3Reranker."""
    aspects: int = Field(default=0, ge=0)
    """The most sentences of a request of several that "hybrid" also looks for one by one; 0 looks for the whole."""
    ranker: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """The digest of a learned `Ranker` that orders the first `depth` of "hybrid" anew; empty is none."""
    cross_encoder: CrossEncoderSpec | None = None
    """The model of this disk that reads the first hits beside the query and orders them anew, after all else."""
    routes: tuple[Route, ...] = ()
    """What words of a query narrow the view to."""
    embedding: EmbedSpec | None = None
    """The provider's model that makes the vectors; None is the embedded one."""

    @model_validator(mode="after")
    def _overlap_is_less(self) -> "IndexSpec":
        if self.chunk and self.overlap >= self.chunk:
            raise ValueError(f"overlap {self.overlap}: must be less than chunk, {self.chunk}")
        return self


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
        """A row of length 1 for each document, or for each of its passages, in order; None for "bm25"."""

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """The best k documents of a view, best first, ties by id; fewer if fewer match, none for a blank query.

        "bm25" finds only documents that share a word with the query or its expansion; the others rank every document.
        What the view hides is taken out before anything is ranked, and moves no score but those of words: how rare a
        word is, is counted over the whole corpus.

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


def top(scores: NDArray[np.floating], order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The positions of the `count` highest scores, highest first, ties by `order`: `rank` without sorting the rest.

    >>> top(np.array([0.5, 0.9, 0.5]), np.array([1, 2, 0]), 2).tolist()
    [1, 2]
    """
    if count >= len(scores):
        return np.lexsort((order, -scores))
    least = np.partition(scores, len(scores) - count)[len(scores) - count]
    near = np.flatnonzero(scores >= least)
    return near[np.lexsort((order[near], -scores[near]))][:count]


def ranks(scores: NDArray[np.floating], order: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """The rank, from 1 and among all scores, of those at some places; ties by `order`.

    >>> ranks(np.array([0.5, 0.9, 0.5]), np.array([1, 2, 0]), np.array([0, 2])).tolist()
    [3.0, 2.0]
    """
    falling, own = np.sort(-scores), -scores[places]
    above, through = np.searchsorted(falling, own, "left"), np.searchsorted(falling, own, "right")
    found = above.astype(np.float64) + 1
    for at in np.flatnonzero(through - above > 1):
        tied = scores == scores[places[at]]
        found[at] += np.count_nonzero(order[tied] < order[places[at]])
    return found
