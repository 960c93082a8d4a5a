"""BM25 over the segments of a generation. A document's score is the same however the index came to be.

What a word is worth depends on how many living documents have it, and a length on the average living one. Both are
counted exactly when the question comes: the number of living documents and words stands in the manifest, and a word's
postings are read for its scores in any case. So a refreshed index answers as one that is built anew, to the last bit.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.retrieval.index import IndexSpec
from workbench.retrieval.live_access import Mask
from workbench.retrieval.live_generation import Found, Generation, Part
from workbench.retrieval.live_names import hash_names
from workbench.retrieval.live_postings import Posting

Scores = NDArray[np.float64]


class Weight(NamedTuple):
    """A word of a query."""

    word: str
    documents: int
    """How many living ones have it, whoever may read them."""
    idf: float
    postings: Sequence[Posting | None]
    """For each segment."""
    share: float = 1.0
    """How much it counts: 1 as it is asked for, another number where the query is expanded."""


def weigh(generation: Generation, words: Sequence[str]) -> list[Weight]:
    """The words of a query that a living document has, in order, with repeats.

    Source of the idf: Lucene BM25Similarity, ln(1 + (N - n + 0.5) / (n + 0.5)).
    """
    distinct = list(dict.fromkeys(words))
    hashes = hash_names(distinct)
    found = [part.segment.words.find(distinct, hashes) for part in generation.parts]
    weights = {}
    for number, word in enumerate(distinct):
        postings = [by_word[number] for by_word in found]
        documents = sum(_living(part, one) for part, one in zip(generation.parts, postings, strict=True))
        if documents:
            idf = math.log(1 + (generation.documents - documents + 0.5) / (documents + 0.5))
            weights[word] = Weight(word, documents, idf, postings)
    return [weights[word] for word in words if word in weights]


def score_words(generation: Generation, weights: Sequence[Weight], spec: IndexSpec) -> list[Scores]:
    """For each segment, the score of each document, alive or not: 0 exactly for one that shares no word."""
    scores = []
    for number, part in enumerate(generation.parts):
        total = np.zeros(part.segment.size)
        added: dict[str, Scores] = {}
        for weight in weights:
            if (posting := weight.postings[number]) is not None:
                if weight.word not in added:
                    found = score_word(part, weight.idf, posting, spec, generation.average_length)
                    added[weight.word] = found if weight.share == 1 else weight.share * found
                total[posting.places] += added[weight.word]
        scores.append(total)
    return scores


def score_word(part: Part, idf: float, posting: Posting, spec: IndexSpec, average: float) -> Scores:
    """What a word adds to the score of each document of its posting.

    Source: Robertson and Zaragoza 2009; the order of the terms is rank_bm25's.
    """
    counts = posting.counts.astype(np.float64)
    discount = spec.k1 * (1 - spec.b + spec.b * part.segment.lengths[posting.places] / average)
    scores: Scores = idf * (counts * (spec.k1 + 1) / (counts + discount))
    return scores


def best_words(scores: Sequence[Scores], allowed: Sequence[Mask], depth: int) -> list[Found]:
    """For each segment, the allowed documents with the highest scores above 0."""
    return [_highest(one, mask, depth) for one, mask in zip(scores, allowed, strict=True)]


def _highest(scores: Scores, allowed: Mask, depth: int) -> Found:
    places = np.flatnonzero((scores > 0) & allowed)
    if len(places) > depth:
        values = scores[places]
        places = places[values >= np.partition(values, len(values) - depth)[len(values) - depth]]
    order = np.argsort(-scores[places], kind="stable")[:depth]
    return Found(places[order], scores[places[order]])


def _living(part: Part, posting: Posting | None) -> int:
    if posting is None:
        return 0
    return len(posting.places) if part.gone is None else int(np.count_nonzero(~part.gone[posting.places]))
