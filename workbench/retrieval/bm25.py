"""BM25: documents ranked by the words they share with the query.

The only importer of rank_bm25, which is the reference: the scores here are the very same numbers, found without
looking at every document for every word. Its traps are closed: a word in more than half of the documents scores
below zero, words no document has give arbitrary documents, and an empty corpus divides by zero.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from workbench.core import Corpus
from workbench.retrieval.analyzer import words_of
from workbench.retrieval.feedback import expand_query, may_expand
from workbench.retrieval.index import Hit, IndexSpec, Vectors, checked, name_index, searchable
from workbench.retrieval.sight import Positions, Sight
from workbench.retrieval.view import ANYONE, View

_COMPILED_DOCUMENTS = 20_000
"""From here on compiled loops are worth the two seconds that a process takes to load them."""


class Reference(BM25Okapi):  # type: ignore[misc]
    """rank_bm25 with an inverse document frequency that is positive for every word.

    Source: Lucene BM25Similarity, ln(1 + (N - n + 0.5) / (n + 0.5)); Robertson and Zaragoza 2009 for the rest.
    """

    def _calc_idf(self, nd: Mapping[str, int]) -> None:
        for word, documents in nd.items():
            self.idf[word] = _rarity(documents, self.corpus_size)


class Postings:
    """For each word the documents that have it, rising, and what it adds to their scores: 12 bytes for each pair."""

    def __init__(self, documents: Sequence[Sequence[str]], *, k1: float, b: float) -> None:
        """At least one document must have a word."""
        self._numbers: dict[str, int] = {}
        numbers = self._numbers
        said = np.fromiter((numbers.setdefault(word, len(numbers)) for words in documents for word in words), np.int64)
        lengths = np.array([len(words) for words in documents])
        pairs = said * len(documents) + np.repeat(np.arange(len(documents)), lengths)
        distinct, counts = np.unique(pairs, return_counts=True)
        words, having = np.divmod(distinct, len(documents))
        self._starts = np.searchsorted(words, np.arange(len(numbers) + 1))
        self._documents = having.astype(np.int32)
        rarities = np.array([_rarity(int(spread), len(documents)) for spread in np.diff(self._starts)])
        # In the order of operations of `BM25Okapi.get_scores`, so that not even the last digit differs.
        discounts = k1 * (1 - b + b * lengths / (int(lengths.sum()) / len(documents)))
        self._weights = rarities[words] * (counts * (k1 + 1) / (counts + discounts[having]))
        self._size = len(documents)
        self._compiled = self._size >= _COMPILED_DOCUMENTS and find_spec("numba") is not None

    @property
    def bytes(self) -> int:
        """What the arrays hold in memory; the words come on top, about 100 bytes each."""
        return self._starts.nbytes + self._documents.nbytes + self._weights.nbytes

    def score(self, query: Sequence[str]) -> NDArray[np.float64]:
        """The same numbers as `Reference.get_scores`."""
        scores = np.zeros(self._size)
        words = [self._numbers[word] for word in query if word in self._numbers]
        if self._compiled:
            from workbench.retrieval.compiled import add_weights  # noqa: PLC0415 - large corpora only

            add_weights(scores, np.array(words, dtype=np.int64), self._starts, self._documents, self._weights)
            return scores
        for word in words:
            span = slice(self._starts[word], self._starts[word + 1])
            np.add.at(scores, self._documents[span], self._weights[span])
        return scores

    def weigh(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """The sum over words of what each adds to a document's score, times its weight."""
        scores = np.zeros(self._size)
        for word, weight in weights.items():
            if word in self._numbers:
                span = self._span(word)
                scores[self._documents[span]] += weight * self._weights[span]
        return scores

    def share(self, word: str) -> float:
        """The share of the documents that have a word."""
        if word not in self._numbers:
            return 0.0
        span = self._span(word)
        return int(span.stop - span.start) / self._size

    def _span(self, word: str) -> slice:
        number = self._numbers[word]
        return slice(self._starts[number], self._starts[number + 1])

    def best(self, scores: NDArray[np.float64], places: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        """Positions of the k highest scores above zero, highest first, ties by place."""
        if self._compiled and k <= 1_000:  # more are sorted sooner than inserted one by one
            from workbench.retrieval.compiled import best  # noqa: PLC0415 - large corpora only

            return best(scores, places, k)
        least = np.partition(scores, len(scores) - k)[len(scores) - k] if k < len(scores) else 0.0
        found = np.flatnonzero((scores >= least) & (scores > 0))
        return found[np.lexsort((places[found], -scores[found]))[:k]]


class Bm25Index:
    """An index of words. `like` is another over the same documents whose counted words are taken over, if they are the
    same."""

    def __init__(self, corpus: Corpus, spec: IndexSpec, like: "Bm25Index | None" = None) -> None:
        self.corpus = corpus
        self.spec = spec
        self.digest = name_index(corpus, spec, model="")
        self.vectors: Vectors | None = None
        self._ids = [document.doc_id for document in corpus.documents]
        self._places = np.empty(len(self._ids), dtype=np.int64)
        self._places[np.argsort(np.array(self._ids))] = np.arange(len(self._ids))
        self._sight = Sight(corpus)
        self._telling: dict[int, Mapping[str, int]] = {}
        self._engine: Postings | None
        if like is not None and like._counted == self._counted and like.corpus.digest == corpus.digest:
            self._engine, self._telling = like._engine, like._telling
            return
        words = [words_of(searchable(document), spec.analyzer) for document in corpus.documents]
        self._engine = Postings(words, k1=spec.k1, b=spec.b) if any(words) else None

    def score(self, query: str, shown: Positions) -> NDArray[np.float64]:
        """The score of each document, in order: 0 exactly for one that shares no word with the query, else more.

        Where the spec expands queries, the words of the first of the `shown` documents count, too.
        """
        if self._engine is None:
            return np.zeros(len(self._ids))
        words = words_of(query, self.spec.analyzer)
        scores = self._engine.score(words)
        return self._engine.weigh(self._expanded(words, scores, shown)) if self.spec.expansion and words else scores

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """See `Index.search`."""
        shown = self._sight.positions(view)
        scores = self.score(checked(query, k), shown)
        if self._engine is None or not len(shown):
            return ()
        if len(shown) == len(scores):
            found = self._engine.best(scores, self._places, k)
        else:
            found = shown[self._engine.best(scores[shown], self._places[shown], k)]
        hits = []
        for rank, position in enumerate(found.tolist(), start=1):
            score = float(scores[position])
            parts = {"bm25": score, "bm25_rank": float(rank)}
            hits.append(Hit(doc_id=self._ids[position], score=score, parts=parts))
        return tuple(hits)

    @property
    def _counted(self) -> tuple[str, float, float]:
        """What decides how words are counted."""
        return self.spec.analyzer, self.spec.k1, self.spec.b

    def _expanded(self, words: Sequence[str], scores: NDArray[np.float64], shown: Positions) -> dict[str, float]:
        assert self._engine is not None, "without words there is no score"
        first = shown[self._engine.best(scores[shown], self._places[shown], self.spec.expansion_documents)].tolist()
        found = [(self._words_for_others(place), float(scores[place])) for place in first]
        return expand_query(words, found, words=self.spec.expansion, weight=self.spec.expansion_weight)

    def _words_for_others(self, place: int) -> Mapping[str, int]:
        """How often a document has each of its words that may expand a query; counted when it is first found."""
        if place not in self._telling:
            assert self._engine is not None, "without words nothing is found"
            engine, document = self._engine, self.corpus.documents[place]
            self._telling[place] = Counter(
                word
                for word in words_of(searchable(document), self.spec.analyzer)
                if may_expand(word, engine.share(word))
            )
        return self._telling[place]


def _rarity(documents: int, total: int) -> float:
    return math.log(1 + (total - documents + 0.5) / (documents + 0.5))
