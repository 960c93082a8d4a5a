"""Feedback: the first documents found say what else the query could have meant."""

import numpy as np

from workbench.retrieval.index import Vectors


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
