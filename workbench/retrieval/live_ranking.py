"""From a question to the documents of a generation that answer it best, in a view, with the parts of each score."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workbench.retrieval.candidates import Found as Candidates
from workbench.retrieval.candidates import hits_of
from workbench.retrieval.index import Hit, Vectors
from workbench.retrieval.live_access import Mask
from workbench.retrieval.live_feedback import move_vector, weigh_query
from workbench.retrieval.live_generation import Found, Generation, Spot
from workbench.retrieval.live_vectors import near
from workbench.retrieval.live_words import Scores, best_words, score_words
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


class _Said(NamedTuple):
    """What words find."""

    best: Sequence[tuple[Spot, float]] = ()
    scores: Sequence[Scores] = ()
    """Of each document of each segment; none in an index of meanings alone."""


def rank_generation(generation: Generation, asked: Asked, k: int, view: View) -> list[Ranked]:
    """The best k documents that the view allows, best first, ties by id."""
    spec, vector = generation.manifest.spec, asked.vector
    allowed = [part.allowed(view) for part in generation.parts]
    fuses = spec.retriever == "hybrid" or (vector is not None and spec.feedback)
    depth = max(spec.depth, k) if fuses else k
    said = _match(generation, asked.words, allowed, depth)
    spots, found = _find(generation, said, vector, allowed, depth)
    if vector is None or not spec.feedback:
        return [Ranked(spots[hit.doc_id], hit) for hit in hits_of(found, spec, k)]
    first = [spots[hit.doc_id] for hit in hits_of(found, spec, spec.feedback)]
    spots, found = _find(generation, said, move_vector(generation, vector, first), allowed, depth)
    hits = [(spots[hit.doc_id], hit) for hit in hits_of(found, spec, k)]
    return [Ranked(spot, _moved(hit, _cosine(generation, spot, vector))) for spot, hit in hits]


def _match(generation: Generation, words: Sequence[str], allowed: Sequence[Mask], depth: int) -> _Said:
    spec = generation.manifest.spec
    if spec.retriever == "dense":
        return _Said()
    scores = score_words(generation, weigh_query(generation, words, allowed), spec)
    return _Said(generation.best(best_words(scores, allowed, depth), depth) if scores else (), scores)


def _find(
    generation: Generation, said: _Said, vector: Vectors | None, allowed: Sequence[Mask], depth: int
) -> tuple[dict[str, Spot], Candidates]:
    """The best by words and by meanings, where each stands, and what each has of both."""
    meanings = [] if vector is None else generation.best(_near(generation, vector, allowed, depth), depth)
    spots = {generation.doc_id(spot): spot for spot, _ in (*said.best, *meanings)}
    meant = {generation.doc_id(spot): _six(value) for spot, value in meanings}
    only_said = {} if vector is None else {name: spot for name, spot in spots.items() if name not in meant}
    return spots, Candidates(
        words=[(generation.doc_id(spot), value) for spot, value in said.best],
        meanings=[*meant.items()],
        bm25={name: float(said.scores[spot.part][spot.place]) for name, spot in spots.items()} if said.scores else {},
        cosines={name: _cosine(generation, spot, vector) for name, spot in only_said.items() if vector is not None},
    )


def _moved(hit: Hit, cosine: float) -> Hit:
    """A hit that was found with a moved query: how near it is to that one, and to the query as it was asked."""
    parts = hit.parts | {"feedback_similarity": hit.parts["dense_similarity"], "dense_similarity": cosine}
    return hit.model_copy(update={"parts": parts})


def _near(generation: Generation, vector: Vectors, allowed: Sequence[Mask], depth: int) -> list[Found]:
    segments = [part.segment.vectors for part in generation.parts]
    held = [one for one in segments if one is not None]
    assert len(held) == len(segments), "an index of meanings has vectors in every segment"
    return [Found(*one) for one in near(held, allowed, vector, depth)]


def _cosine(generation: Generation, spot: Spot, vector: Vectors) -> float:
    vectors = generation.parts[spot.part].segment.vectors
    assert vectors is not None
    return _six(float(vectors.cosines(vector, np.array([spot.place]))[0]))


def _six(cosine: float) -> float:
    """A cosine that is rounded to six digits, as the double that is nearest to them."""
    return round(cosine, 6)
