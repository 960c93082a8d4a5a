"""From a question to the documents of a generation that answer it best, in a view, with the parts of each score."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from workbench.retrieval.fusion import convex_combination, reciprocal_rank_fusion
from workbench.retrieval.index import Hit, IndexSpec, Vectors
from workbench.retrieval.live_access import Mask
from workbench.retrieval.live_generation import Found, Generation, Spot
from workbench.retrieval.live_words import best_words, score_words, weigh
from workbench.retrieval.view import View


class Asked(NamedTuple):
    """A question, made ready."""

    words: Sequence[str]
    vector: Vectors | None
    """None for an index of words."""


class Candidate(NamedTuple):
    """A document that may be an answer."""

    spot: Spot
    bm25: float
    cosine: float


class Ranked(NamedTuple):
    """A hit, and where its document stands."""

    spot: Spot
    hit: Hit


def rank_generation(generation: Generation, asked: Asked, k: int, view: View) -> list[Ranked]:
    """The best k documents that the view allows, best first, ties by id."""
    spec = generation.manifest.spec
    allowed = [part.allowed(view) for part in generation.parts]
    if asked.vector is None:
        scores = score_words(generation, weigh(generation, asked.words), spec)
        found = generation.best(best_words(scores, allowed, k), k)
        return [_one(generation, spot, "bm25", value, rank) for rank, (spot, value) in enumerate(found, start=1)]
    if spec.retriever == "dense":
        found = generation.best(_near(generation, asked.vector, allowed, k), k)
        return [_one(generation, spot, "dense", value, rank) for rank, (spot, value) in enumerate(found, start=1)]
    return _fuse(generation, asked, k, allowed)


def _fuse(generation: Generation, asked: Asked, k: int, allowed: Sequence[Mask]) -> list[Ranked]:
    spec, vector = generation.manifest.spec, asked.vector
    assert vector is not None
    depth = max(spec.depth, k)
    scores = score_words(generation, weigh(generation, asked.words), spec)
    words = generation.best(best_words(scores, allowed, depth), depth)
    meanings = generation.best(_near(generation, vector, allowed, depth), depth)
    cosines = {spot: _six(value) for spot, value in meanings}
    cosines |= {spot: _cosine(generation, spot, vector) for spot, _ in words if spot not in cosines}
    candidates = {
        generation.doc_id(spot): Candidate(spot, float(scores[spot.part][spot.place]), cosine)
        for spot, cosine in cosines.items()
    }
    rankings = [[generation.doc_id(spot) for spot, _ in ranking] for ranking in (words, meanings)]
    ranks = [{doc_id: float(rank) for rank, doc_id in enumerate(ranking, start=1)} for ranking in rankings]
    ranked = []
    for doc_id, score in _order(candidates, rankings, spec)[:k]:
        one = candidates[doc_id]
        parts = {"dense_similarity": one.cosine} | ({"bm25": one.bm25} if one.bm25 > 0 else {})
        for name, places in zip(("bm25_rank", "dense_rank"), ranks, strict=True):
            if doc_id in places:
                parts[name] = places[doc_id]
        ranked.append(Ranked(one.spot, Hit(doc_id=doc_id, score=score, parts=parts)))
    return ranked


def _order(
    candidates: Mapping[str, Candidate], rankings: Sequence[Sequence[str]], spec: IndexSpec
) -> list[tuple[str, float]]:
    """Candidates with their fused scores, best first, ties by id."""
    if spec.fusion == "rrf":
        return reciprocal_rank_fusion(rankings, constant=spec.rrf_k)
    words = np.array([one.bm25 for one in candidates.values()])
    meanings = np.array([one.cosine for one in candidates.values()])
    fused = convex_combination(words, meanings, weight=spec.weight).tolist()
    return sorted(zip(candidates, fused, strict=True), key=lambda one: (-one[1], one[0]))


def _near(generation: Generation, vector: Vectors, allowed: Sequence[Mask], depth: int) -> list[Found]:
    found = []
    for part, mask in zip(generation.parts, allowed, strict=True):
        assert part.segment.vectors is not None
        found.append(Found(*part.segment.vectors.near(vector, depth, mask)))
    return found


def _cosine(generation: Generation, spot: Spot, vector: Vectors) -> float:
    vectors = generation.parts[spot.part].segment.vectors
    assert vectors is not None
    return _six(float(vectors.cosines(vector, np.array([spot.place]))[0]))


def _one(generation: Generation, spot: Spot, kind: str, value: float, rank: int) -> Ranked:
    name = "dense_similarity" if kind == "dense" else kind
    value = _six(value) if kind == "dense" else value
    parts = {name: value, f"{kind}_rank": float(rank)}
    return Ranked(spot, Hit(doc_id=generation.doc_id(spot), score=value, parts=parts))


def _six(cosine: float) -> float:
    """A cosine that is rounded to six digits, as the double that is nearest to them."""
    return round(cosine, 6)
