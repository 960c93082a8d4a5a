"""How well an index orders what a case needs.

Every function takes the ranked ids an index returned (best first, no repeats) and the ids judged relevant,
and returns a value in [0, 1], higher is better, or None where nothing is relevant.

Source: Manning, Raghavan & Schütze, Introduction to Information Retrieval (2008), ch. 8; for the discounted gain
with binary relevance: Järvelin & Kekäläinen, Cumulated gain-based evaluation of IR techniques (2002).
"""

import math
from collections.abc import Collection, Sequence


def recall_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """Share of the relevant documents among the first k, of as many as k can hold.

    With more than k relevant documents the best ranking so still scores 1. Source: capped recall, Thakur et al.
    2021, BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval Models, appendix.

    >>> recall_at(2, ["x", "a", "b"], {"a", "b"})
    0.5
    >>> recall_at(1, ["a", "x", "b"], {"a", "b"})
    1.0
    """
    if not relevant:
        return None
    return len(set(ranked[:k]) & set(relevant)) / min(k, len(set(relevant)))


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """One over the rank of the first relevant document; 0.0 if none was returned.

    >>> reciprocal_rank(["x", "a", "b"], {"a", "b"})
    0.5
    """
    if not relevant:
        return None
    return next((1 / rank for rank, document in enumerate(ranked, start=1) if document in relevant), 0.0)


def ndcg_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """Discounted gain of the first k over the best possible one; a document counts 1 / log2(rank + 1).

    >>> ndcg_at(10, ["x", "a", "y"], {"a"}) == 1 / math.log2(3)
    True
    """
    if not relevant:
        return None
    gain = sum(_discount(rank) for rank, document in enumerate(ranked[:k], start=1) if document in relevant)
    return gain / sum(_discount(rank) for rank in range(1, min(k, len(set(relevant))) + 1))


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)
