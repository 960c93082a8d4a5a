"""What LightGBM grows is a ranker of numbers that needs LightGBM no more."""

import lightgbm
import numpy as np
import pytest
from pydantic import ValidationError

from workbench.core import OptimizeError
from workbench.optimize.rank_training import Growth, Seen, cross_rank, grow, order, read_trees
from workbench.retrieval.judgments import Judgment
from workbench.retrieval.rerank import FEATURES, Ranker, Tree

RNG = np.random.default_rng(5)


def seen_queries(count: int) -> tuple[Seen, ...]:
    """Queries of ten candidates; the one whose third feature is highest is right."""
    found = []
    for number in range(count):
        features = RNG.normal(size=(10, len(FEATURES)))
        ids = tuple(f"d{at}" for at in range(10))
        right = ids[int(features[:, 2].argmax())]
        found.append(Seen(Judgment(query_id=f"q{number}", query="x", relevant={right: 1}), ids, features))
    return tuple(found)


def test_a_ranker_scores_as_lightgbm_does() -> None:
    """The same trees on the same rows, to nine digits; a tree without a split among them."""
    rows = RNG.normal(size=(500, len(FEATURES)))
    settings = {"objective": "regression", "num_leaves": 15, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, rows[:, 3] * rows[:, 7]), 20)
    trees = read_trees(booster.model_to_string())
    stump = Tree(features=(), thresholds=(), left=(), right=(), leaves=(0.25,))

    assert 20 == len(trees)
    assert booster.predict(rows) == pytest.approx(Ranker(trees=trees).score(rows), abs=1e-9)
    assert booster.predict(rows) + 0.25 == pytest.approx(Ranker(trees=(*trees, stump)).score(rows), abs=1e-9)


def test_what_decides_is_learned() -> None:
    """On queries that it has not seen, the right document comes first in most."""
    ranker = grow(seen_queries(120), Growth(trees=60, least=5))
    fresh = seen_queries(50)

    assert 40 <= sum(order(ranker, one)[0] in one.judgment.relevant for one in fresh)
    assert ranker == Ranker.model_validate_json(ranker.model_dump_json())


def test_the_same_input_grows_the_same_ranker() -> None:
    """Named by its digest, so that a spec can name it."""
    seen = seen_queries(30)

    assert grow(seen, Growth(trees=10, least=5)).digest == grow(seen, Growth(trees=10, least=5)).digest


def test_no_query_is_ordered_by_a_ranker_that_saw_it() -> None:
    """A query of a fold of its own comes out as from a ranker of the others."""
    seen, growth = seen_queries(30), Growth(trees=10, least=5)
    crossed = cross_rank(seen, [int(place == 0) for place in range(30)], growth)

    assert order(grow(seen[1:], growth), seen[0]) == crossed[0]


def test_nothing_relevant_teaches_nothing() -> None:
    """There has to be a right candidate somewhere."""
    seen = seen_queries(1)[0]
    blank = Seen(seen.judgment.model_copy(update={"relevant": {"gone": 1}}), seen.ids, seen.features)

    with pytest.raises(OptimizeError, match="judge more queries"):
        grow([blank])


@pytest.mark.parametrize(
    ("left", "right"),
    [((0,), (-1,)), ((-3,), (-1,)), ((5,), (-1,)), ((-1, -2), (-2, -3))],
    ids=["circle", "no such leaf", "no such node", "too many"],
)
def test_a_tree_that_leads_nowhere_is_refused(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """Read from a file, it would never end or fall out of its arrays."""
    with pytest.raises(ValidationError, match="train the ranker again"):
        Tree(features=(0,), thresholds=(0.0,), left=left, right=right, leaves=(0.0, 1.0))
