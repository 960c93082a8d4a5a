"""How well an index answers judged queries, and how two of them compare on the same ones."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.core import OptimizeError, Record
from workbench.evals import Pairs, codes, mean_interval, ndcg_at, recall_at
from workbench.retrieval import Index, Judgment

Measure = Literal["ndcg@10", "recall@10", "ndcg@1"]
"""The last is the share of queries whose first document is right, where all that is right is equally so."""
_CUT = 10
_METRICS: dict[Measure, tuple[Callable[[int, Sequence[str], Mapping[str, int]], float | None], int]] = {
    "ndcg@10": (ndcg_at, _CUT),
    "recall@10": (recall_at, _CUT),
    "ndcg@1": (ndcg_at, 1),
}


class HeldOut(Record):
    """Both indexes on the same queries, none of which was tuned on."""

    queries: int
    clusters: int
    start: float
    tuned: float
    difference: float
    low: float | None
    high: float | None
    """The 95 % interval of the difference, paired and by cluster; None for fewer than two clusters."""
    p_value: float | None

    @property
    def better(self) -> bool:
        """Whether the interval lies above zero."""
        return self.low is not None and self.low > 0


def measure(index: Index, judgments: Sequence[Judgment], by: Measure) -> NDArray[np.float64]:
    """The score of each judged query, in order."""
    return score([[hit.doc_id for hit in index.search(one.query, _CUT)] for one in judgments], judgments, by)


def score(ranked: Sequence[Sequence[str]], judgments: Sequence[Judgment], by: Measure) -> NDArray[np.float64]:
    """The score of each ranking by the judgment at its place.

    Raises: OptimizeError for a query without a relevant document.
    """
    rank_metric, cut = _METRICS[by]
    values = [rank_metric(cut, ids, one.relevant) for ids, one in zip(ranked, judgments, strict=True)]
    for value, one in zip(values, judgments, strict=True):
        if value is None:
            raise OptimizeError(f"query {one.query_id!r}: has no relevant document, so nothing can be scored; drop it")
    return np.array(values, dtype=np.float64)


def contrast(old: NDArray[np.float64], new: NDArray[np.float64], judgments: Sequence[Judgment]) -> HeldOut:
    """New scores against old ones, query by query."""
    pairs = Pairs(old=old, new=new, clusters=codes([one.group for one in judgments]))
    low, high = mean_interval(new - old, pairs.clusters, 0.05)
    return HeldOut(
        queries=len(old),
        clusters=pairs.count,
        start=float(old.mean()),
        tuned=float(new.mean()),
        difference=float((new - old).mean()),
        low=low,
        high=high,
        p_value=pairs.p_value(0.0, 0),
    )
