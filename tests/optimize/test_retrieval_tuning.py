"""An index is tuned on judged queries and judged on others; "no better" is a normal end."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from workbench.core import Corpus, Document, OptimizeError, stream
from workbench.optimize.index_tuning import tune_folder
from workbench.optimize.retrieval_tuning import (
    TuneRequest,
    idle,
    render_tuned,
    set_knob,
    split_judgments,
    tune_index,
)
from workbench.retrieval import ANYONE, Hit, IndexSpec, View, build_index, read_index, write_index
from workbench.retrieval.judgments import Judgment
from workbench.retrieval.rerank import Ranker

CORPUS = Corpus(name="c", documents=tuple(Document(doc_id=f"d{at}", text=f"text {at}") for at in range(10)))
TRAIN = tuple(Judgment(query_id=f"t{at}", query=f"{at}", relevant={f"d{at}": 1}) for at in range(8))
HELD_OUT = tuple(Judgment(query_id=f"h{at}", query=f"{at}", relevant={f"d{at}": 1}) for at in range(10))


@dataclass(frozen=True)
class Known:
    """An index whose right document stands deeper, the farther its weight is from .7 and its b from .4."""

    spec: IndexSpec
    corpus: Corpus = CORPUS
    digest: str = "known"
    vectors: None = None

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """The right document at the rank that the knobs deserve."""
        away = abs(self.spec.weight - 0.7) + (self.spec.fusion == "rrf") + abs(self.spec.b - 0.4)
        others = [f"d{at}" for at in range(10) if f"{at}" != query]
        others.insert(min(9, round(away * 5)), f"d{query}")
        return tuple(Hit(doc_id=one, score=1.0) for one in others[:k])


def known(spec: IndexSpec, ranker: Ranker | None = None) -> Known:
    """Builds it."""
    return Known(spec)


def test_the_best_values_are_found_and_proved_on_held_out_queries() -> None:
    """One knob after the other; the interval lies above zero, and what was kept is said."""
    space = {"weight": [0.3, 0.7, 1.0], "b": [0.4, 0.9]}
    tuned = tune_index(TRAIN, HELD_OUT, start=IndexSpec(), build=known, request=TuneRequest(space=space))

    assert ("convex", 0.7, 0.4) == (tuned.spec.fusion, tuned.spec.weight, tuned.spec.b)
    assert ["start", "weight", "b"] == [one.knob for one in tuned.tries if one.kept]
    assert (1.0, True) == (tuned.held_out.tuned, tuned.held_out.better)
    assert "better" in render_tuned(tuned)


def test_no_better_is_a_normal_end() -> None:
    """Where nothing gains, the start stays, and nothing is claimed."""
    start = IndexSpec(fusion="convex", weight=0.7, b=0.4)
    tuned = tune_index(
        TRAIN, HELD_OUT, start=start, build=known, request=TuneRequest(space={"weight": [0.0, 0.3], "b": [1.0]})
    )

    assert start == tuned.spec
    assert (0.0, False) == (tuned.held_out.difference, tuned.held_out.better)
    assert "no better" in render_tuned(tuned)


@dataclass(frozen=True)
class Lucky(Known):
    """An index that is right by a coin which is thrown anew for each query and each pair of knobs."""

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """The right document first, or another one."""
        right = stream(0, f"{query} {self.spec.k1} {self.spec.b}").random() < 0.5
        return (Hit(doc_id=f"d{query if right else 'x'}", score=1.0),)


def test_luck_is_not_kept() -> None:
    """The best of twelve coins gains a lot where it was chosen, and nothing that is proven out of fold: the start
    stays."""
    judged = [Judgment(query_id=f"q{at}", query=f"{at}", relevant={f"d{at}": 1}) for at in range(100)]
    space = {"k1": [at / 10 for at in range(6)], "b": [at / 10 for at in range(6)]}
    request = TuneRequest(space=space, measure="ndcg@1", doubt=0.05)
    tuned = tune_index(
        judged[:50], judged[50:], start=IndexSpec(), build=lambda spec, ranker=None: Lucky(spec), request=request
    )

    assert max(one.score for one in tuned.tries) > tuned.train_start + 0.05
    assert tuned.proof is not None
    assert not tuned.proof.better
    assert (IndexSpec(), ["start"], 0.0) == (
        tuned.spec,
        [one.knob for one in tuned.tries if one.kept],
        tuned.held_out.difference,
    )
    assert "is not proven, the start stays" in render_tuned(tuned)


def test_a_gain_is_proved_out_of_fold() -> None:
    """Where a value helps every query, each fold would have chosen it: the proof says what the training says."""
    space = {"weight": [0.3, 0.7, 1.0], "b": [0.4, 0.9]}
    request = TuneRequest(space=space, doubt=0.05)
    tuned = tune_index(TRAIN, HELD_OUT, start=IndexSpec(), build=known, request=request)

    assert tuned.proof is not None
    assert tuned.proof.better
    assert pytest.approx(tuned.train_tuned - tuned.train_start) == tuned.proof.difference
    assert "out of fold, on training queries: +" in render_tuned(tuned)


def test_tries_are_limited_and_idle_knobs_cost_none() -> None:
    """The start counts; the feedback's weight is not looked at while there is no feedback."""
    request = TuneRequest(space={"feedback_weight": [0.1, 0.2], "k1": [0.5, 0.6, 0.7]}, tries=3)
    tuned = tune_index(TRAIN, HELD_OUT, start=IndexSpec(), build=known, request=request)

    assert ["start", "k1", "k1"] == [one.knob for one in tuned.tries]
    assert "weight" in idle(IndexSpec())
    assert "weight" not in idle(IndexSpec(fusion="convex"))


def test_a_query_is_never_tuned_on_and_held_out() -> None:
    """Not even another one of its cluster; and an unknown knob is met before anything is measured."""
    twin = HELD_OUT[0].model_copy(update={"cluster": "t3"})
    request = TuneRequest(space={"weight": [0.1]})

    with pytest.raises(OptimizeError, match="keep it on one side"):
        tune_index(TRAIN, [twin], start=IndexSpec(), build=known, request=request)
    with pytest.raises(OptimizeError, match="no such knob"):
        tune_index(TRAIN, HELD_OUT, start=IndexSpec(), build=known, request=TuneRequest(space={"wieght": [0.1]}))
    with pytest.raises(OptimizeError, match="less than or equal to 1"):
        set_knob(IndexSpec(), "weight", 2.0)


def test_clusters_stay_together_and_doubtful_judgments_stay_out() -> None:
    """Half of the clusters, whole; a generated query that nobody confirmed is refused."""
    judged = [one.model_copy(update={"cluster": f"c{at // 2}"}) for at, one in enumerate(TRAIN)]
    train, held_out = split_judgments(judged, share=0.5, seed=3)

    assert (4, 4) == (len(train), len(held_out))
    assert not {one.group for one in train} & {one.group for one in held_out}
    with pytest.raises(OptimizeError, match="nobody confirmed"):
        split_judgments([TRAIN[0].model_copy(update={"confirmed": False})], share=0.5, seed=3)


def test_a_folder_is_tuned_and_the_better_index_put_beside_it(tmp_path: Path) -> None:
    """Names that queries write in parts are found once names are split; the new folder answers so."""
    documents = tuple(Document(doc_id=f"f{at:02d}", text=f"readFile{chr(97 + at)}{chr(97 + at)}") for at in range(20))
    spec = IndexSpec(retriever="bm25", analyzer="words")
    write_index(tmp_path / "old", build_index(Corpus(name="code", documents=documents), spec))
    judged = [
        Judgment(query_id=one.doc_id, query=f"read filE{one.text[-2:]}", relevant={one.doc_id: 1}) for one in documents
    ]
    request = TuneRequest(space={"analyzer": ["words", "code"]})
    tuned = tune_folder(tmp_path / "old", judged, request=request, held_out=0.5, out=tmp_path / "new")

    assert "code" == tuned.spec.analyzer
    assert tuned.held_out.better
    assert "code" == read_index(tmp_path / "new").spec.analyzer
