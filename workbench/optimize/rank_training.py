"""Growing a ranker from judged queries: LambdaMART over the features that an index computes.

The only importer of lightgbm, a library of the lab: what it grows is a `Ranker`, numbers in JSON, and needs it no more.
Source: Burges 2010, From RankNet to LambdaRank to LambdaMART; Ke et al. 2017, LightGBM.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.core import OptimizeError
from workbench.retrieval import HybridIndex, Judgment, Ranker, Tree

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Seen:
    """One judged query as a ranker sees it."""

    judgment: Judgment
    ids: tuple[str, ...]
    features: Floats

    @property
    def grades(self) -> NDArray[np.int64]:
        """Of each candidate; 0 is not relevant."""
        return np.array([max(0, self.judgment.relevant.get(doc_id, 0)) for doc_id in self.ids], dtype=np.int64)


@dataclass(frozen=True)
class Growth:
    """How a ranker is grown."""

    trees: int = 150
    leaves: int = 7
    rate: float = 0.05
    least: int = 30
    """The fewest candidates in a leaf."""
    seed: int = 0


def see(index: HybridIndex, judgments: Sequence[Judgment]) -> tuple[Seen, ...]:
    """The candidates and features of each judged query."""
    return tuple(Seen(one, *index.features(one.query, index.spec.depth)) for one in judgments)


def grow(seen: Sequence[Seen], growth: Growth = Growth()) -> Ranker:
    """The ranker that orders these candidates best, as far as the growth lets it; the same input, the same ranker.

    Raises: OptimizeError if no candidate of any query is relevant, so there is nothing to learn.
    """
    import lightgbm  # noqa: PLC0415 - of the lab; takes a second to import

    useful = [one for one in seen if 0 < int((one.grades > 0).sum()) < len(one.ids)]
    if not useful:
        raise OptimizeError("ranker: no judged query has a relevant document among its candidates; judge more queries")
    labels = np.concatenate([one.grades for one in useful])
    data = lightgbm.Dataset(
        np.concatenate([one.features for one in useful]), labels, group=[len(one.ids) for one in useful]
    )
    settings: dict[str, object] = {
        "objective": "lambdarank",
        "num_leaves": growth.leaves,
        "learning_rate": growth.rate,
        "min_data_in_leaf": growth.least,
        "lambdarank_truncation_level": 20,
        "label_gain": list(range(int(labels.max()) + 1)),
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "seed": growth.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    booster = lightgbm.train(settings, data, growth.trees)
    return Ranker(trees=read_trees(booster.model_to_string()), queries=len(useful))


def read_trees(text: str) -> tuple[Tree, ...]:
    """The trees of a model in LightGBM's text form.

    Raises: OptimizeError for a tree that splits by categories, which no feature here has.
    """
    trees = []
    for block in text.split("\nTree=")[1:]:
        rows = (line.split("=", 1) for line in block.split("\n\n")[0].splitlines() if "=" in line)
        fields = {name: values.split() for name, values in rows}
        if fields.get("num_cat", ["0"]) != ["0"]:
            raise OptimizeError("ranker: a tree splits by categories; train it on numbers")
        trees.append(
            Tree(
                features=_whole(fields, "split_feature"),
                thresholds=tuple(float(value) for value in fields.get("threshold", [])),
                left=_whole(fields, "left_child"),
                right=_whole(fields, "right_child"),
                leaves=tuple(float(value) for value in fields["leaf_value"]),
            )
        )
    return tuple(trees)


def cross_rank(seen: Sequence[Seen], folds: Sequence[int], growth: Growth = Growth()) -> list[list[str]]:
    """Each query's candidates in the order of a ranker that was grown on the other folds."""
    ranked: list[list[str]] = [[] for _ in seen]
    for fold in sorted(set(folds)):
        ranker = grow([one for one, own in zip(seen, folds, strict=True) if own != fold], growth)
        for place, one in enumerate(seen):
            if folds[place] == fold:
                ranked[place] = order(ranker, one)
    return ranked


def order(ranker: Ranker, one: Seen) -> list[str]:
    """A query's candidates, best first, ties by id."""
    scores = np.round(ranker.score(one.features), 9)
    return [one.ids[place] for place in np.lexsort((np.array(one.ids), -scores))]


def _whole(fields: Mapping[str, Sequence[str]], name: str) -> tuple[int, ...]:
    return tuple(int(value) for value in fields.get(name, []))
