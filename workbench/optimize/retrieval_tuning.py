"""Tune an index against judged queries, and say on others whether it is better than it was.

One knob at a time, in the order of the space: what each contributes is seen, and a value stays only if it gains more
than nothing on the training queries. A learned ranker comes last, if it wins there by cross-validation. The held-out
queries are searched twice in all, by the index at the start and by the one found; "no better" is a normal end.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, ValidationError

from workbench.core import OptimizeError, Record, nearest, stream
from workbench.evals import Pairs, codes, mean_interval, ndcg_at, recall_at, render_table
from workbench.optimize.rank_training import Growth, Seen, cross_rank, grow, see
from workbench.retrieval import HybridIndex, Index, IndexSpec, Judgment, Ranker, innermost

Measure = Literal["ndcg@10", "recall@10", "ndcg@1"]
"""The last is the share of queries whose first document is right, where all that is right is equally so."""
IndexSpace = Mapping[str, Sequence[JsonValue]]
"""For each field of an `IndexSpec` the values to try, in the order in which they are tried."""

TUNING: dict[str, list[JsonValue]] = {
    "weight": [0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0],
    "analyzer": ["code", "code_english", "words", "english"],
    "k1": [0.6, 0.9, 1.2, 1.6, 2.0],
    "b": [0.4, 0.6, 0.75, 0.9, 1.0],
    "aspects": [0, 32],
    "feedback": [0, 3, 5, 10],
    "feedback_weight": [0.1, 0.2, 0.3, 0.5],
    "expansion": [0, 10, 20],
    "expansion_documents": [3, 5, 10],
    "expansion_weight": [0.3, 0.5, 0.7, 0.9],
}
"""What any corpus is searched by, 42 tries: nothing that needs a document embedded again. For a corpus at hand see
`index_space`, which adds routes, passages and a cross-encoder where there are such."""
_FOLDS = 5
_CUT = 10
_METRICS: dict[Measure, tuple[Callable[[int, Sequence[str], Mapping[str, int]], float | None], int]] = {
    "ndcg@10": (ndcg_at, _CUT),
    "recall@10": (recall_at, _CUT),
    "ndcg@1": (ndcg_at, 1),
}


class Builder(Protocol):
    """Makes an index of one corpus; vectors and words that another one had are best taken over."""

    def __call__(self, spec: IndexSpec, ranker: Ranker | None = None) -> Index:
        """The index as the spec says."""
        ...


@dataclass(frozen=True)
class TuneRequest:
    """What a tuning may try."""

    space: IndexSpace = field(default_factory=lambda: TUNING)
    tries: int = 70
    """The most specs whose training score is measured, the start's included."""
    measure: Measure = "ndcg@10"
    ranker: Growth | None = None
    """How a ranker is grown at the end; None grows none."""
    gain: float = 0.001
    """What a value must add to the mean over training queries to stay."""
    sample: int = 0
    """Training queries that knobs are tried on, drawn by seed; 0 is all. The ranker always sees all."""
    seed: int = 0
    on_try: Callable[["Try"], None] = lambda _try: None


class Try(Record):
    """One value of one knob, tried with the others as they were."""

    knob: str
    value: JsonValue
    score: float
    """The mean over the training queries; of a ranker, cross-validated."""
    kept: bool


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


class Tuned(Record):
    """What a tuning found."""

    measure: Measure
    start: IndexSpec
    spec: IndexSpec
    ranker: Ranker | None = None
    train_queries: int
    train_start: float
    train_tuned: float
    """Optimistic: the spec was chosen by it."""
    tries: tuple[Try, ...]
    held_out: HeldOut
    seconds: float = Field(ge=0)
    """What the tuning took, without the held-out queries."""


def split_judgments(
    judgments: Sequence[Judgment], *, share: float, seed: int
) -> tuple[tuple[Judgment, ...], tuple[Judgment, ...]]:
    """Judgments to tune on, and a share of them held out, by seed; whole clusters at a time, in their order.

    Raises: OptimizeError if one side would be empty, or a judgment is not confirmed by a person.
    """
    doubtful = [one.query_id for one in judgments if not one.confirmed]
    if doubtful:
        raise OptimizeError(
            f"query {doubtful[0]!r}: was generated and nobody confirmed it; set confirmed to true, or drop it"
        )
    groups = sorted({one.group for one in judgments})
    stream(seed, "held-out queries").shuffle(groups)
    held = set(groups[: round(len(groups) * share)])
    sides = tuple(tuple(one for one in judgments if (one.group in held) is side) for side in (False, True))
    if not all(sides):
        raise OptimizeError(
            f"tuning: {len(groups)} clusters of judged queries with {share:g} held out leave one side empty; judge more"
        )
    return sides[0], sides[1]


def tune_index(
    train: Sequence[Judgment],
    held_out: Sequence[Judgment],
    *,
    start: IndexSpec,
    build: Builder,
    request: TuneRequest,
) -> Tuned:
    """Search the knobs of an index, and measure the outcome on the held-out queries once.

    Ties keep the value that was there. Raises: OptimizeError for a knob or value that an index doesn't have, and if
    a query is on both sides.
    """
    _check(train, held_out, request)
    began = time.perf_counter()
    climb = _Climb(train, build, request, start)
    for knob, values in request.space.items():
        climb.over(knob, values)
    spec, ranker = climb.spec, None
    if request.ranker is not None and spec.retriever == "hybrid":
        ranker = climb.rank(request.ranker)
        spec = spec if ranker is None else spec.model_copy(update={"ranker": ranker.digest})
    seconds = time.perf_counter() - began
    first, last = (build(start), build(spec, ranker))
    return Tuned(
        measure=request.measure,
        start=start,
        spec=spec,
        ranker=ranker,
        train_queries=len(train),
        train_start=climb.tries[0].score,
        train_tuned=[one.score for one in climb.tries if one.kept][-1],
        tries=tuple(climb.tries),
        held_out=contrast(
            measure(first, held_out, request.measure), measure(last, held_out, request.measure), held_out
        ),
        seconds=seconds,
    )


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


def render_tuned(tuned: Tuned) -> str:
    """What was tried, what stayed, and what it is worth, as text; ends with a line break."""
    rows = [(one.knob, f"{one.value}", f"{one.score:.4f}", "kept" if one.kept else "") for one in tuned.tries]
    held = tuned.held_out
    interval = "" if held.low is None else f" [{held.low:+.4f}, {held.high:+.4f}]"
    verdict = "better" if held.better else "no better"
    return (
        render_table(("knob", "value", f"{tuned.measure} on {tuned.train_queries} training queries", ""), rows)
        + f"\nheld-out queries: {held.queries}; {tuned.measure} {held.start:.4f} → {held.tuned:.4f}, "
        + f"{held.difference:+.4f}{interval}: {verdict}\n"
        + f"{len(tuned.tries)} tries, {tuned.seconds:.1f} s\n"
    )


class _Climb:
    """One knob at a time from a start."""

    def __init__(self, train: Sequence[Judgment], build: Builder, request: TuneRequest, start: IndexSpec) -> None:
        self.train, self.build, self.request = train, build, request
        self.spec = start
        drawn = stream(request.seed, "training sample").sample(range(len(train)), request.sample or len(train))
        self.sampled = [train[place] for place in sorted(drawn)]
        self.best = float(measure(build(start), self.sampled, request.measure).mean())
        self.tries = [Try(knob="start", value="", score=self.best, kept=True)]
        request.on_try(self.tries[0])

    def over(self, knob: str, values: Sequence[JsonValue]) -> None:
        """Try every value of a knob, and keep the best if it gains; nothing where the knob has no effect now.

        A weight is tried with the convex fusion that it belongs to: one good weight decides for the fusion.
        """
        base = set_knob(self.spec, "fusion", "convex") if knob == "weight" else self.spec
        if knob in idle(base):
            return
        found: list[tuple[float, IndexSpec]] = []
        for value in values:
            spec = set_knob(base, knob, value)
            if spec == self.spec or len(self.tries) >= self.request.tries:
                continue
            reached = float(measure(self.build(spec), self.sampled, self.request.measure).mean())
            found.append((reached, spec))
            self._note(Try(knob=knob, value=value, score=reached, kept=False))
        if found and (top := max(found, key=lambda one: one[0]))[0] > self.best + self.request.gain:
            self.best, self.spec = top
            place = len(self.tries) - len(found) + found.index(top)
            self.tries[place] = self.tries[place].model_copy(update={"kept": True})

    def rank(self, growth: Growth) -> Ranker | None:
        """A ranker of all training queries if rankers of a part of them win on the rest."""
        index = self.build(self.spec)
        inner = innermost(index)
        assert isinstance(inner, HybridIndex), "only a hybrid index has a ranker"
        seen = see(inner, self.train)
        reached = float(self._crossed(seen, growth).mean())
        before = float(score([one.ids for one in seen], self.train, self.request.measure).mean())
        if self.request.sample:
            self._note(Try(knob="ranker", value="none, on all training queries", score=before, kept=False))
        kept = reached > before + self.request.gain
        self._note(Try(knob="ranker", value=f"{growth.trees} trees", score=reached, kept=kept))
        return grow(seen, growth) if kept else None

    def _crossed(self, seen: Sequence[Seen], growth: Growth) -> NDArray[np.float64]:
        groups = sorted({one.group for one in self.train})
        stream(self.request.seed, "folds").shuffle(groups)
        folds = {group: place % _FOLDS for place, group in enumerate(groups)}
        return score(
            cross_rank(seen, [folds[one.group] for one in self.train], growth), self.train, self.request.measure
        )

    def _note(self, one: Try) -> None:
        self.tries.append(one)
        self.request.on_try(one)


def set_knob(spec: IndexSpec, knob: str, value: JsonValue) -> IndexSpec:
    """The spec with one field set.

    Raises: OptimizeError for an unknown field, with the nearest known one, or a value that it can't take.
    """
    if knob not in IndexSpec.model_fields:
        raise OptimizeError(f"knob {knob!r}: an index has no such knob; {nearest(knob, IndexSpec.model_fields)}")
    try:
        return IndexSpec.model_validate(spec.model_dump(mode="json") | {knob: value})
    except ValidationError as cause:
        raise OptimizeError(f"knob {knob!r}: {cause.errors(include_url=False)[0]['msg']}, got {value!r}") from cause


def idle(spec: IndexSpec) -> frozenset[str]:
    """The fields that change nothing in this spec, given the others.

    >>> sorted(idle(IndexSpec(retriever="hybrid")))
    ['expansion_documents', 'expansion_weight', 'feedback_weight', 'overlap', 'weight']
    """
    found: set[str] = set()
    if spec.retriever == "bm25":
        found |= {"fusion", "weight", "rrf_k", "depth", "tokens", "chunk", "overlap", "feedback", "aspects", "ranker"}
        found |= {"embedding"}
    if spec.retriever == "dense":
        found |= {"fusion", "weight", "rrf_k", "analyzer", "k1", "b", "expansion", "ranker"}
    found |= {"weight"} if spec.fusion == "rrf" else {"rrf_k"}
    found |= set() if spec.feedback and spec.retriever != "bm25" else {"feedback_weight"}
    expands = spec.expansion and spec.retriever != "dense"
    found |= set() if expands else {"expansion_documents", "expansion_weight"}
    return frozenset(found if spec.chunk else found | {"overlap"})


def _check(train: Sequence[Judgment], held_out: Sequence[Judgment], request: TuneRequest) -> None:
    if not train or not held_out or request.tries < 1 or not 0 <= request.sample <= len(train):
        raise OptimizeError(
            "tuning: needs judged queries to tune on, others held out, at least one try, and no sample larger than all"
        )
    both = sorted({one.group for one in train} & {one.group for one in held_out})
    if both:
        raise OptimizeError(f"query cluster {both[0]!r}: is tuned on and held out; keep it on one side")
    for knob, values in request.space.items():
        for value in values:
            set_knob(IndexSpec(), knob, value)
