"""Fusion: one ranking out of several."""

from collections import defaultdict
from collections.abc import Sequence


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
