"""From a question to the documents of a generation that answer it best, in a view, with the parts of each score."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workbench.retrieval.candidates import Found as Candidates
from workbench.retrieval.candidates import hits_of
from workbench.retrieval.index import Hit, Vectors
from workbench.retrieval.live_access import Mask
from workbench.retrieval.live_generation import Found, Generation, Spot
from workbench.retrieval.live_words import best_words, score_words, weigh
from workbench.retrieval.view import View


class Asked(NamedTuple):
    """A question, made ready."""

    words: Sequence[str]
    vector: Vectors | None
    """None for an index of words."""


class Ranked(NamedTuple):
    """A hit, and where its document stands."""

    spot: Spot
    hit: Hit


def rank_generation(generation: Generation, asked: Asked, k: int, view: View) -> list[Ranked]:
    """The best k documents that the view allows, best first, ties by id."""
    spec, vector = generation.manifest.spec, asked.vector
    allowed = [part.allowed(view) for part in generation.parts]
    depth = max(spec.depth, k) if spec.retriever == "hybrid" else k
    scores = [] if spec.retriever == "dense" else score_words(generation, weigh(generation, asked.words), spec)
    words = generation.best(best_words(scores, allowed, depth), depth) if scores else []
    meanings = [] if vector is None else generation.best(_near(generation, vector, allowed, depth), depth)
    spots = {generation.doc_id(spot): spot for spot, _ in (*words, *meanings)}
    near = {generation.doc_id(spot): _six(value) for spot, value in meanings}
    found = Candidates(
        words=[(generation.doc_id(spot), value) for spot, value in words],
        meanings=[*near.items()],
        bm25={doc_id: float(scores[spot.part][spot.place]) for doc_id, spot in spots.items()} if scores else {},
        cosines={}
        if vector is None
        else {doc_id: _cosine(generation, spot, vector) for doc_id, spot in spots.items() if doc_id not in near},
    )
    return [Ranked(spots[hit.doc_id], hit) for hit in hits_of(found, spec, k)]


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


def _six(cosine: float) -> float:
    """A cosine that is rounded to six digits, as the double that is nearest to them."""
    return round(cosine, 6)
