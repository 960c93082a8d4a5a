"""How well an index orders what a case needs.

Every function takes the ranked ids an index returned, best first, and what is relevant: ids, or a mapping of ids to
grades, of which those above 0 are relevant. It returns a value in [0, 1], higher is better, or None where nothing is
relevant. A cut-off `k` is at least 1. An id that comes again counts where it came first and takes no further rank.

A ranking is an order: nothing here knows scores, so ties are for the index to break (ours do by id, ascending).
trec_eval instead sorts by score anew, takes the scores as 32-bit floats and breaks their ties by id, descending; on
the same order every function equals its measure of that name, except `recall_at`, which is capped. Where nothing is
relevant trec_eval says 0, which would count a gap in the judgements as a failure of the index.

Source: Manning, Raghavan & Schütze, Introduction to Information Retrieval (2008), ch. 8; for the discounted gain:
Järvelin & Kekäläinen, Cumulated gain-based evaluation of IR techniques (2002); for ties and graded gains: trec_eval 9.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice


def recall_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """Share of the relevant documents among the first k, of as many as k can hold.

    With more than k relevant documents the best ranking so still scores 1. Source: capped recall, Thakur et al.
    2021, BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval Models, appendix.

    >>> recall_at(2, ["x", "a", "b"], {"a", "b"})
    0.5
    >>> recall_at(1, ["a", "x", "b"], {"a", "b"})
    1.0
    """
    grades = _grades(relevant)
    return _found(k, ranked, grades) / min(k, len(grades)) if grades else None


def uncapped_recall_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """Share of all relevant documents among the first k: trec_eval's `recall`.

    With more than k relevant documents no ranking scores 1.

    >>> uncapped_recall_at(1, ["a", "x", "b"], {"a", "b"})
    0.5
    """
    grades = _grades(relevant)
    return _found(k, ranked, grades) / len(grades) if grades else None


def precision_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """Share of relevant documents among the first k; a ranking shorter than k is filled up with wrong ones.

    >>> precision_at(4, ["x", "a"], {"a", "b"})
    0.25
    """
    grades = _grades(relevant)
    return _found(k, ranked, grades) / k if grades else None


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """One over the rank of the first relevant document; 0.0 if none was returned.

    >>> reciprocal_rank(["x", "a", "b"], {"a", "b"})
    0.5
    """
    grades = _grades(relevant)
    if not grades:
        return None
    return next((1 / rank for rank in _ranks(ranked, grades)), 0.0)


def average_precision(ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """The mean over all relevant documents of the precision at their rank, 0 for one that was not returned.

    Its mean over cases is MAP, trec_eval's `map`.

    >>> average_precision(["a", "x", "b"], {"a", "b"}) == (1 / 1 + 2 / 3) / 2
    True
    """
    grades = _grades(relevant)
    if not grades:
        return None
    return sum(found / rank for found, rank in enumerate(_ranks(ranked, grades), start=1)) / len(grades)


def ndcg_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float | None:
    """Discounted gain of the first k over the best possible one; a document counts grade / log2(rank + 1).

    The grade itself is the gain, as in trec_eval; ids without grades have grade 1.

    >>> ndcg_at(10, ["x", "a", "y"], {"a"}) == 1 / math.log2(3)
    True
    >>> ndcg_at(1, ["a", "b"], {"a": 1, "b": 4})
    0.25
    """
    grades = _grades(relevant)
    if not grades:
        return None
    gains = (grades.get(document, 0.0) for document in dict.fromkeys(ranked))
    return _discounted(k, gains) / _discounted(k, sorted(grades.values(), reverse=True))


def _grades(relevant: Collection[str]) -> Mapping[str, float]:
    """The grade of each relevant document."""
    if isinstance(relevant, Mapping):
        return {document: grade for document, grade in relevant.items() if grade > 0}
    return dict.fromkeys(relevant, 1.0)


def _ranks(ranked: Sequence[str], grades: Mapping[str, float]) -> Iterator[int]:
    """The ranks of the relevant documents, rising."""
    return (rank for rank, document in enumerate(dict.fromkeys(ranked), start=1) if document in grades)


def _found(k: int, ranked: Sequence[str], grades: Mapping[str, float]) -> int:
    return sum(document in grades for document in islice(dict.fromkeys(ranked), k))


def _discounted(k: int, gains: Iterable[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(islice(gains, k), start=1))
