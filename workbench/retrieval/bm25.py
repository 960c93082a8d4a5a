"""BM25: documents ranked by the words they share with the query.

The only importer of rank_bm25, whose traps are closed here: a word in more than half of the documents
scores below zero, words no document has give arbitrary documents, and an empty corpus divides by zero.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from workbench.core import Corpus
from workbench.retrieval.analyzer import analyze
from workbench.retrieval.index import Hit, IndexSpec, Vectors, checked, name_index, rank, searchable


class _LuceneBM25(BM25Okapi):  # type: ignore[misc]
    """rank_bm25 with an inverse document frequency that is positive for every word, and scores computed once.

    Source: Lucene BM25Similarity, ln(1 + (N - n + 0.5) / (n + 0.5)); Robertson and Zaragoza 2009 for the rest.
    """

    def __init__(self, documents: Sequence[Sequence[str]], *, k1: float, b: float) -> None:
        super().__init__(documents, k1=k1, b=b)
        positions: defaultdict[str, list[int]] = defaultdict(list)
        for position, counts in enumerate(self.doc_freqs):
            for word in counts:
                positions[word].append(position)
        self._postings = {word: self._weigh(word, np.array(found)) for word, found in positions.items()}

    def _calc_idf(self, nd: Mapping[str, int]) -> None:
        for word, documents in nd.items():
            self.idf[word] = math.log(1 + (self.corpus_size - documents + 0.5) / (documents + 0.5))

    def _weigh(self, word: str, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What the word adds to the score of each document that has it: the terms of the inherited `get_scores`."""
        counts = np.array([self.doc_freqs[position][word] for position in positions])
        lengths = np.array([self.doc_len[position] for position in positions])
        discount = self.k1 * (1 - self.b + self.b * lengths / self.avgdl)
        return positions, self.idf[word] * (counts * (self.k1 + 1) / (counts + discount))

    def score(self, query: Sequence[str]) -> NDArray[np.float64]:
        """The same numbers as `get_scores`, which looks at every document for every word (25 ms over 2,700 tools)."""
        scores = np.zeros(self.corpus_size)
        for word in query:
            if word in self._postings:
                positions, weights = self._postings[word]
                scores[positions] += weights
        return scores


class Bm25Index:
    """An index of words."""

    def __init__(self, corpus: Corpus, spec: IndexSpec) -> None:
        self.corpus = corpus
        self.spec = spec
        self.digest = name_index(corpus, spec, model="")
        self.vectors: Vectors | None = None
        self._ids = np.array([document.doc_id for document in corpus.documents])
        words = [analyze(searchable(document)) for document in corpus.documents]
        self._engine = _LuceneBM25(words, k1=spec.k1, b=spec.b) if any(words) else None

    def score(self, query: str) -> NDArray[np.float64]:
        """The score of each document, in order: 0 exactly for one that shares no word with the query, else more."""
        return np.zeros(len(self._ids)) if self._engine is None else self._engine.score(analyze(query))

    def search(self, query: str, k: int) -> tuple[Hit, ...]:
        """See `Index.search`."""
        scores = self.score(checked(query, k))
        found = [position for position in rank(scores, self._ids)[:k] if scores[position] > 0]
        return tuple(
            Hit(
                doc_id=str(self._ids[position]),
                score=float(scores[position]),
                parts={"bm25": float(scores[position]), "bm25_rank": float(place)},
            )
            for place, position in enumerate(found, start=1)
        )
