"""The hybrid index: words and meanings on one scale, with all that can be asked of a ranking beyond the two.

It is also the index of meanings alone where passages or feedback are asked for: then there are no words to fuse.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.core import Corpus, RetrievalError, digest_json, short
from workbench.retrieval.aspects import aspects_of
from workbench.retrieval.bm25 import Bm25Index
from workbench.retrieval.chunking import cut_corpus
from workbench.retrieval.dense import DenseIndex
from workbench.retrieval.embed import Embedding
from workbench.retrieval.feedback import move_query
from workbench.retrieval.fusion import Scores, convex_combination, reciprocal_rank_fusion
from workbench.retrieval.index import Hit, IndexSpec, Vectors, checked, ranks, top
from workbench.retrieval.rerank import Evidence, Lexicon, Ranker
from workbench.retrieval.sight import Positions, Sight
from workbench.retrieval.view import ANYONE, View

Floats = NDArray[np.float32]


class HybridIndex:
    """An index of words and one of meanings over the same documents."""

    def __init__(
        self,
        corpus: Corpus,
        spec: IndexSpec,
        embedder: Embedding,
        vectors: Vectors | None = None,
        ranker: Ranker | None = None,
    ) -> None:
        self.corpus = corpus
        self.spec = spec
        self.ranker = ranker
        if spec.retriever == "hybrid" and spec.ranker != ("" if ranker is None else ranker.digest):
            raise RetrievalError(
                f"corpus {corpus.name!r}: the spec names ranker {short(spec.ranker) or 'none'!r} and was given "
                f"{short(ranker.digest) if ranker else 'none'!r}; give the one that it names"
            )
        pieces = cut_corpus(corpus, size=spec.chunk, overlap=spec.overlap) if spec.chunk else corpus
        self.dense = DenseIndex(pieces, spec, embedder, vectors)
        self.digest = self.dense.digest if not spec.chunk else digest_json([corpus.digest, self.dense.digest])
        self.vectors: Vectors | None = self.dense.vectors
        self._ids = np.array([document.doc_id for document in corpus.documents])
        self._positions = {str(doc_id): position for position, doc_id in enumerate(self._ids)}
        wholes = [one.origin.whole if spec.chunk and one.origin else one.doc_id for one in pieces.documents]
        self._owners = np.array([self._positions[whole] for whole in wholes])
        self._firsts = np.searchsorted(self._owners, np.arange(len(self._ids)))
        self._order = np.argsort(np.argsort(self._ids, kind="stable"), kind="stable")
        """The place of each id among all: numbers break ties as the ids do, and are sorted faster."""
        self._sight = Sight(corpus)

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """See `Index.search`."""
        query = checked(query, k)
        shown = self._sight.positions(view)
        if not query or not len(shown):
            return ()
        evidence = self._evidence(query, shown, k)
        scores = evidence.fused
        if self.ranker is not None:
            scores = np.round(self.ranker.score(self.lexicon.features(query, evidence)), 9)
        order = top(scores, self._order[evidence.positions], k)
        return tuple(self._hit(query, evidence, at, float(scores[at])) for at in order.tolist())

    def features(self, query: str, k: int, view: View = ANYONE) -> tuple[tuple[str, ...], Scores]:
        """What a ranker would see: the ids of the first candidates, at least k if there are, and their features."""
        shown = self._sight.positions(view)
        evidence = self._evidence(checked(query, k), shown, k)
        return tuple(self._ids[evidence.positions].tolist()), self.lexicon.features(query, evidence)

    @cached_property
    def lexical(self) -> Bm25Index | None:
        """The index of words, counted at the first query; None where there are none to fuse."""
        return Bm25Index(self.corpus, self.spec) if self.spec.retriever == "hybrid" else None

    def take_over(self, like: "HybridIndex") -> None:
        """Use what another index over the same documents has counted and remembered, as far as it is the same."""
        if like.corpus.digest != self.corpus.digest:
            return
        own, other = self.spec, like.spec
        if (own.retriever, own.analyzer) == (other.retriever, other.analyzer):
            if "lexicon" in like.__dict__:
                self.__dict__["lexicon"] = like.lexicon
            if own.retriever == "hybrid" and (own.k1, own.b) == (other.k1, other.b):
                self.__dict__["lexical"] = Bm25Index(self.corpus, own, like.lexical)
        if like.dense.embedder.digest == self.dense.embedder.digest:
            self.dense.embedder = like.dense.embedder

    @cached_property
    def lexicon(self) -> Lexicon:
        return Lexicon(self.corpus, self.spec.analyzer)

    def _evidence(self, query: str, shown: Positions, k: int) -> Evidence:
        """The first candidates, best fused first, with what each part of the index says of them."""
        vector = self.dense.embedder.embed_query(query)
        words = self._words((query,), shown)
        cosines = self._cosines(vector[None, :], shown)
        parts = [(words, cosines)]
        if aspects := aspects_of(query, self.spec.aspects):
            rows = np.stack([self.dense.embedder.embed_query(one) for one in aspects])
            parts.append((self._words(aspects, shown), self._cosines(rows, shown)))
        found = self._fuse(parts, shown, max(self.spec.depth, k))
        moved = cosines
        if self.spec.feedback and len(found[0]):
            first = shown[found[0][: self.spec.feedback]]
            near = np.stack([self.dense.vectors[self._nearest(int(place), vector)] for place in first])
            moved = self._cosines(move_query(vector, near, weight=self.spec.feedback_weight)[None, :], shown)
            found = self._fuse([(words, moved), *parts[1:]], shown, max(self.spec.depth, k))
        kept, fused = found
        return Evidence(
            positions=shown[kept],
            words=words[kept],
            meanings=cosines[kept].astype(np.float64),
            word_ranks=_word_ranks(words, self._order[shown], kept),
            meaning_ranks=ranks(moved, self._order[shown], kept),
            fused=fused,
            feedback=moved[kept].astype(np.float64),
            aspect_words=parts[-1][0][kept],
            aspect_meanings=parts[-1][1][kept].astype(np.float64),
        )

    def _words(self, asked: Sequence[str], shown: Positions) -> Scores:
        """The best score of each document for any of what is asked; 0 for all where there are no words to fuse."""
        if self.lexical is None:
            return np.zeros(len(shown))
        best: Scores = np.max([self.lexical.score(one, shown)[shown] for one in asked], axis=0)
        return best

    def _cosines(self, rows: Vectors, shown: Positions) -> Floats:
        """The cosine of each document, or its best passage, with the nearest of several vectors, to six digits."""
        best: Floats = np.max(self.dense.vectors @ rows.T, axis=1)
        if self.spec.chunk:
            best = np.maximum.reduceat(best, self._firsts)
        return np.round(best[shown], 6)

    def _nearest(self, position: int, vector: Vectors) -> int:
        """The row of a document's passage that is nearest to a vector."""
        first = int(self._firsts[position])
        last = int(self._firsts[position + 1]) if position + 1 < len(self._firsts) else len(self._owners)
        return first + int(np.argmax(np.round(self.dense.vectors[first:last] @ vector, 6)))

    def _fuse(
        self, parts: Sequence[tuple[Scores, Floats]], shown: Positions, depth: int
    ) -> tuple[NDArray[np.int64], Scores]:
        """Where among the shown the first candidates stand, best first, ties by id, and their fused scores."""
        ids = self._order[shown]
        rankings = [ranking for part in parts for ranking in _rankings(part, ids, depth)]
        if self.lexical is None:
            cosines = np.asarray(np.mean([meanings for _, meanings in parts], axis=0), dtype=np.float64)
            order = top(cosines, ids, depth)
            return order, cosines[order]
        if self.spec.fusion == "rrf":
            named = [[str(self._ids[shown[place]]) for place in ranking] for ranking in rankings]
            fused = reciprocal_rank_fusion(named, constant=self.spec.rrf_k)[:depth]
            places = [int(np.searchsorted(shown, self._positions[name])) for name, _ in fused]
            return np.array(places, dtype=np.int64), np.array([score for _, score in fused])
        candidates = np.unique(np.concatenate(rankings))
        combined = [
            convex_combination(words[candidates], meanings[candidates], weight=self.spec.weight)
            for words, meanings in parts
        ]
        scores = np.asarray(np.round(np.mean(combined, axis=0), 9), dtype=np.float64)
        order = top(scores, ids[candidates], depth)
        return candidates[order], scores[order]

    def _hit(self, query: str, evidence: Evidence, at: int, score: float) -> Hit:
        position, words = int(evidence.positions[at]), float(evidence.words[at])
        parts = {"dense_similarity": float(evidence.meanings[at]), "dense_rank": float(evidence.meaning_ranks[at])}
        if words > 0:
            parts |= {"bm25": words, "bm25_rank": float(evidence.word_ranks[at])}
        if self.spec.feedback:
            parts["feedback_similarity"] = float(evidence.feedback[at])
        if self.ranker is not None:
            parts["fused"] = float(evidence.fused[at])
        if self.spec.chunk:
            row = self._nearest(position, self.dense.embedder.embed_query(query))
            origin = self.dense.corpus.documents[row].origin
            assert origin is not None, "a passage says what it is cut from"
            parts |= {"passage_start": float(origin.start), "passage_end": float(origin.end)}
        return Hit(doc_id=str(self._ids[position]), score=score, parts=parts)


def _rankings(part: tuple[Scores, Floats], order: NDArray[np.int64], depth: int) -> list[NDArray[np.int64]]:
    """The first of the words, of those that have any, and of the meanings."""
    words, meanings = part
    matching = np.flatnonzero(words > 0)
    return [matching[top(words[matching], order[matching], depth)], top(meanings, order, depth)]


def _word_ranks(words: Scores, order: NDArray[np.int64], places: NDArray[np.int64]) -> Scores:
    """Ranks by words; what shares none comes after all that do, on one rank."""
    found = np.full(len(places), np.count_nonzero(words) + 1.0)
    matching = words[places] > 0
    found[matching] = ranks(words, order, places[matching])
    return found
