"""What was found by words and by meanings becomes one ranking: the same for every live index, wherever it lies."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from workbench.retrieval.fusion import convex_combination, reciprocal_rank_fusion
from workbench.retrieval.index import Hit, IndexSpec

Ranking = Sequence[tuple[str, float]]
"""Ids with scores, best first, ties by id."""


class Found(NamedTuple):
    """What a view shows of the best by words and of the best by meanings."""

    words: Ranking = ()
    """By BM25, above 0."""
    meanings: Ranking = ()
    """By cosine, of six digits."""
    bm25: Mapping[str, float] = {}
    """Of what only meanings found: what it has of words; absent is 0."""
    cosines: Mapping[str, float] = {}
    """Of what only words found."""


def hits_of(found: Found, spec: IndexSpec, k: int) -> list[Hit]:
    """The best k, best first, ties by id, each with the parts of its score; see `Hit.parts`."""
    if spec.retriever == "hybrid":
        return _fuse(found, spec, k)
    name, kind = ("bm25", "bm25") if spec.retriever == "bm25" else ("dense_similarity", "dense")
    ranking = found.words if spec.retriever == "bm25" else found.meanings
    return [
        Hit(doc_id=doc_id, score=value, parts={name: value, f"{kind}_rank": float(rank)})
        for rank, (doc_id, value) in enumerate(ranking[:k], start=1)
    ]


def _fuse(found: Found, spec: IndexSpec, k: int) -> list[Hit]:
    bm25, cosines = {**found.bm25, **dict(found.words)}, {**found.cosines, **dict(found.meanings)}
    rankings = [[doc_id for doc_id, _ in ranking] for ranking in (found.words, found.meanings)]
    ranks = [{doc_id: float(rank) for rank, doc_id in enumerate(ranking, start=1)} for ranking in rankings]
    hits = []
    for doc_id, score in _order(rankings, bm25, cosines, spec)[:k]:
        parts = {"dense_similarity": cosines[doc_id]} | ({"bm25": bm25[doc_id]} if bm25.get(doc_id, 0) > 0 else {})
        for name, places in zip(("bm25_rank", "dense_rank"), ranks, strict=True):
            if doc_id in places:
                parts[name] = places[doc_id]
        hits.append(Hit(doc_id=doc_id, score=score, parts=parts))
    return hits


def _order(
    rankings: Sequence[Sequence[str]], bm25: Mapping[str, float], cosines: Mapping[str, float], spec: IndexSpec
) -> list[tuple[str, float]]:
    """Candidates with their fused scores, best first, ties by id."""
    if spec.fusion == "rrf":
        return reciprocal_rank_fusion(rankings, constant=spec.rrf_k)
    words = np.array([bm25.get(doc_id, 0.0) for doc_id in cosines])
    meanings = np.array(list(cosines.values()))
    fused = convex_combination(words, meanings, weight=spec.weight).tolist()
    return sorted(zip(cosines, fused, strict=True), key=lambda one: (-one[1], one[0]))
