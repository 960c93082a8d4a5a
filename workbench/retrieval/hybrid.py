"""The hybrid index: words and meanings, fused by rank."""

import numpy as np

from workbench.core import Corpus
from workbench.retrieval.bm25 import Bm25Index
from workbench.retrieval.dense import DenseIndex, Embedder
from workbench.retrieval.fusion import reciprocal_rank_fusion
from workbench.retrieval.index import Hit, IndexSpec, Vectors, checked, rank


class HybridIndex:
    """An index of words and one of meanings over the same documents."""

    def __init__(self, corpus: Corpus, spec: IndexSpec, embedder: Embedder, vectors: Vectors | None = None) -> None:
        self.corpus = corpus
        self.spec = spec
        self.lexical = Bm25Index(corpus, spec)
        self.dense = DenseIndex(corpus, spec, embedder, vectors)
        self.digest = self.dense.digest
        self.vectors: Vectors | None = self.dense.vectors
        self._ids = [document.doc_id for document in corpus.documents]
        self._ordered = np.array(self._ids)
        self._positions = {doc_id: position for position, doc_id in enumerate(self._ids)}

    def search(self, query: str, k: int) -> tuple[Hit, ...]:
        """See `Index.search`."""
        query = checked(query, k)
        if not query:
            return ()
        scores, cosines = self.lexical.score(query), self.dense.similarity(query)
        words = [position for position in rank(scores, self._ordered) if scores[position] > 0]
        meanings = rank(cosines, self._ordered)
        depth = max(self.spec.depth, k)
        rankings = [[self._ids[position] for position in ranking[:depth]] for ranking in (words, meanings)]
        by_words, by_meaning = (
            {position: float(place) for place, position in enumerate(ranking, start=1)} for ranking in (words, meanings)
        )
        hits = []
        for doc_id, score in reciprocal_rank_fusion(rankings, constant=self.spec.rrf_k)[:k]:
            position = self._positions[doc_id]
            parts = {"dense_similarity": float(cosines[position]), "dense_rank": by_meaning[position]}
            if position in by_words:
                parts |= {"bm25": float(scores[position]), "bm25_rank": by_words[position]}
            hits.append(Hit(doc_id=doc_id, score=score, parts=parts))
        return tuple(hits)
