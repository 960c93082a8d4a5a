"""Fusion: one ranking out of several."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def reciprocal_rank_fusion(rankings: Sequence[Sequence[str]], *, constant: float) -> list[tuple[str, float]]:
    """Ids with the sum of 1 / (constant + rank) over the rankings they stand in, best first, ties by id.

    Ranks begin at 1. Source: Cormack, Clarke, Büttcher 2009, Reciprocal Rank Fusion outperforms Condorcet
    and individual Rank Learning Methods (constant 60 there).

    >>> [name for name, _ in reciprocal_rank_fusion([["a", "b"], ["b", "c"]], constant=60)]
    ['b', 'a', 'c']
    """
    scores: defaultdict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, name in enumerate(ranking, start=1):
            scores[name] += 1 / (constant + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def standardize(scores: NDArray[np.floating]) -> Scores:
    """Scores less their mean, over their standard deviation; all 0 where they are equal.

    >>> standardize(np.array([1.0, 3.0])).tolist()
    [-1.0, 1.0]
    """
    wide = np.asarray(scores, dtype=np.float64)
    spread = float(wide.std()) if len(wide) else 0.0
    return (wide - wide.mean()) / spread if spread > 1e-12 else np.zeros(len(wide))


def convex_combination(words: NDArray[np.floating], meanings: NDArray[np.floating], *, weight: float) -> Scores:
    """(1 - weight) · words + weight · meanings for each candidate, both standardized over the candidates.

    Rounded to nine digits, so that equal scores stay equal on any machine. Source: Bruch, Gai, Ingber 2023, An
    Analysis of Fusion Functions for Hybrid Retrieval, ACM TOIS 42(1), with z-scores as one of its normalizations.

    >>> convex_combination(np.array([2.0, 0.0]), np.array([0.1, 0.3]), weight=0.25).tolist()
    [0.5, -0.5]
    """
    return np.round((1 - weight) * standardize(words) + weight * standardize(meanings), 9)
