"""Feedback: the first documents found say what else the query could have meant, as a point or in words."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from workbench.retrieval.index import Vectors

_SHORTEST, _LONGEST, _MOST_COMMON = 2, 20, 0.1
"""What a word needs to expand a query: so many characters, and to be in no larger share of the documents. Source:
Anserini, Rm3Reranker, which takes the letters a to z and digits only."""


def move_query(query: Vectors, found: Vectors, *, weight: float) -> Vectors:
    """The query's vector moved towards the mean of what was found first, again of length 1.

    (1 - weight) · query + weight · mean: no document is pushed away, as none is known to be wrong. The query itself
    if nothing was found, or if the two cancel out. Source: Rocchio 1971, Relevance feedback in information retrieval;
    without negative feedback as in Manning et al. 2008, ch. 9.

    >>> move_query(np.array([1.0, 0.0], np.float32), np.array([[0.0, 1.0]], np.float32), weight=0.5).round(3).tolist()
    [0.7070000171661377, 0.7070000171661377]
    """
    if not len(found):
        return query
    moved: Vectors = ((1 - weight) * query + weight * found.mean(axis=0)).astype(np.float32)
    length = float(np.linalg.norm(moved))
    return moved / np.float32(length) if length > 0 else query


def may_expand(word: str, share: float) -> bool:
    """Whether a word that is in this share of the documents may expand a query.

    >>> may_expand("heron", 0.01), may_expand("the", 0.9), may_expand("a", 0.01)
    (True, False, False)
    """
    return _SHORTEST <= len(word) <= _LONGEST and word.isalnum() and share <= _MOST_COMMON


def expand_query(
    query: Sequence[str], found: Sequence[tuple[Mapping[str, int], float]], *, words: int, weight: float
) -> dict[str, float]:
    """A weight for each word of a query and of its relevance model, RM3; they add up to 1 if both hold words.

    `found` are the first documents: how often each has its words, and its score, above 0. Of each its `words` most
    frequent ones count, as shares of them; over the documents these add up, times the score; the `words` heaviest make
    the model, and what is equal goes by the word. `weight` is the share of the query's own words, the model has the
    rest; without a model the query is as it was.

    Source: Abdul-Jaleel et al. 2004, UMass at TREC 2004 (RM3); the pruning and BM25 scores in place of query
    likelihood as in Anserini's Rm3Reranker, whose parameters are 10 words, 10 documents and a weight of 0.5.

    >>> expand_query(["heron"], [({"heron": 1, "river": 3}, 2.0)], words=10, weight=0.5)
    {'heron': 0.625, 'river': 0.375}
    """
    model: defaultdict[str, float] = defaultdict(float)
    for counts, score in found:
        own = _heaviest(counts, words)
        total = sum(own.values())
        for word, count in own.items():
            model[word] += count / total * score
    kept = _heaviest(model, words)
    total = sum(kept.values())
    share = weight if kept else 1.0
    asked = {word: share * count / len(query) for word, count in Counter(query).items()}
    every = dict.fromkeys((*asked, *kept))
    return {word: asked.get(word, 0.0) + (1 - share) * kept.get(word, 0.0) / (total or 1.0) for word in every}


def _heaviest(weights: Mapping[str, float], most: int) -> dict[str, float]:
    """The heaviest words, ties by word."""
    return dict(sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:most])
