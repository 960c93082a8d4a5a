"""What the first documents of a live index say of a question: more words, and a point that lies nearer to them.

The same words and weights as those of an index in memory over the same documents; see `feedback`.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from workbench.retrieval.analyzer import words_of
from workbench.retrieval.feedback import expand_query, may_expand, move_query
from workbench.retrieval.index import Vectors, searchable
from workbench.retrieval.live_access import Mask
from workbench.retrieval.live_generation import Generation, Spot
from workbench.retrieval.live_words import Weight, best_words, score_words, weigh


def weigh_query(generation: Generation, words: Sequence[str], allowed: Sequence[Mask]) -> list[Weight]:
    """The words of a question that a living document has; with those that the spec has it expanded by.

    They are taken from the first of the allowed documents; an index of meanings alone has none.
    """
    spec = generation.manifest.spec
    if spec.retriever == "dense":
        return []
    asked = weigh(generation, words)
    if not spec.expansion or not words:
        return asked
    scores = score_words(generation, asked, spec)
    most = spec.expansion_documents
    first = generation.best(best_words(scores, allowed, most), most) if scores else []
    told = _tell(generation, [spot for spot, _ in first])
    found = [(counts, score) for counts, (_, score) in zip(told, first, strict=True)]
    shares = expand_query(words, found, words=spec.expansion, weight=spec.expansion_weight)
    return [one._replace(share=shares[one.word]) for one in weigh(generation, list(shares))]


def move_vector(generation: Generation, vector: Vectors, first: Sequence[Spot]) -> Vectors:
    """The point of a question, moved towards what was found first as far as the spec says."""
    rows = []
    for spot in first:
        vectors = generation.parts[spot.part].segment.vectors
        assert vectors is not None, "what was found by meaning has a vector"
        rows.append(np.asarray(vectors.rows[spot.place], dtype=np.float32))
    weight = generation.manifest.spec.feedback_weight
    return move_query(vector, np.stack(rows), weight=weight) if rows else vector


def _tell(generation: Generation, spots: Sequence[Spot]) -> list[Counter[str]]:
    """How often each document has each of its words that may expand a question."""
    analyzer = generation.manifest.spec.analyzer
    listed = [words_of(searchable(generation.document(spot)), analyzer) for spot in spots]
    distinct = list(dict.fromkeys(word for words in listed for word in words))
    shares = {one.word: one.documents / generation.documents for one in weigh(generation, distinct)}
    return [Counter(word for word in words if may_expand(word, shares[word])) for words in listed]
