"""Tune an index against judged queries, and say on others whether it is better than it was.

One knob at a time, in the order of the space: what each contributes is seen, and a value stays only if it gains more
than nothing on the training queries. The best of many values gains there by luck alone, so at the end all of it must
win out of fold: on each fold of the training queries counts what the other folds would have chosen. If it does not,
the start stays. A learned ranker comes last, if it wins by cross-validation. The held-out queries are searched twice in
all, by the index at the start and by the one found; "no better" is a normal end.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, ValidationError

from workbench.core import OptimizeError, Record, nearest, stream
from workbench.evals import codes, mean_interval, render_table
from workbench.optimize.judged_scores import HeldOut, Measure, contrast, measure, score
from workbench.optimize.rank_training import Growth, Seen, cross_rank, grow, see
from workbench.retrieval import HybridIndex, Index, IndexSpec, Judgment, Ranker, innermost

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
    doubt: float = 1.0
    """What was found stays only if the 1 - doubt interval of its gain out of fold lies above zero: 0.05 asks for proof,
    1 only for a gain."""
    sample: int = 0
    """Training queries that knobs are tried on, drawn by seed; 0 is all. The ranker always sees all."""
    cross_encoder: Path | None = None
    """A folder with a cross-encoder, to be tried after all else where an index is tuned by the space of its corpus."""
    seed: int = 0
    on_try: Callable[["Try"], None] = lambda _try: None


class Try(Record):
    """One value of one knob, tried with the others as they were."""

    knob: str
    value: JsonValue
    score: float
    """The mean over the training queries; of a ranker, cross-validated."""
    kept: bool


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
    proof: HeldOut | None = None
    """What the choice of values is worth on training queries that had no part in it; None if none was kept."""
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
    proof = climb.prove()
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
        proof=proof,
        held_out=contrast(
            measure(first, held_out, request.measure), measure(last, held_out, request.measure), held_out
        ),
        seconds=seconds,
    )


def render_tuned(tuned: Tuned) -> str:
    """What was tried, what stayed, and what it is worth, as text; ends with a line break."""
    rows = [(one.knob, f"{one.value}", f"{one.score:.4f}", "kept" if one.kept else "") for one in tuned.tries]
    held = tuned.held_out
    interval = "" if held.low is None else f" [{held.low:+.4f}, {held.high:+.4f}]"
    verdict = "better" if held.better else "no better"
    return (
        render_table(("knob", "value", f"{tuned.measure} on {tuned.train_queries} training queries", ""), rows)
        + _render_proof(tuned)
        + f"\nheld-out queries: {held.queries}; {tuned.measure} {held.start:.4f} → {held.tuned:.4f}, "
        + f"{held.difference:+.4f}{interval}: {verdict}\n"
        + f"{len(tuned.tries)} tries, {tuned.seconds:.1f} s\n"
    )


def _render_proof(tuned: Tuned) -> str:
    proof = tuned.proof
    if proof is None:
        return ""
    interval = "" if proof.low is None else f" [{proof.low:+.4f}, {proof.high:+.4f}]"
    knobs = [one.knob for one in tuned.tries if one.kept and one.knob not in ("start", "ranker")]
    verdict = "what was found stays" if knobs else "what was found is not proven, the start stays"
    return f"\nout of fold, on training queries: {proof.difference:+.4f}{interval}: {verdict}"


class _Climb:
    """One knob at a time from a start."""

    def __init__(self, train: Sequence[Judgment], build: Builder, request: TuneRequest, start: IndexSpec) -> None:
        self.train, self.build, self.request = train, build, request
        self.spec = start
        drawn = stream(request.seed, "training sample").sample(range(len(train)), request.sample or len(train))
        self.sampled = [train[place] for place in sorted(drawn)]
        self.begun = start
        self.scores = self.first = measure(build(start), self.sampled, request.measure)
        self.gains = np.zeros(len(self.sampled))
        """What each query gains by the values that queries of other folds would have chosen."""
        self.folds = self._fold(self.sampled)
        self.tries = [Try(knob="start", value="", score=self.best, kept=True)]
        request.on_try(self.tries[0])

    def over(self, knob: str, values: Sequence[JsonValue]) -> None:
        """Try every value of a knob, and keep the best if it gains; nothing where the knob has no effect now.

        A weight is tried with the convex fusion that it belongs to: one good weight decides for the fusion.
        """
        base = set_knob(self.spec, "fusion", "convex") if knob == "weight" else self.spec
        if knob in idle(base):
            return
        found: list[tuple[NDArray[np.float64], IndexSpec]] = []
        for value in values:
            spec = set_knob(base, knob, value)
            if spec == self.spec or len(self.tries) >= self.request.tries:
                continue
            reached = measure(self.build(spec), self.sampled, self.request.measure)
            found.append((reached, spec))
            self._note(Try(knob=knob, value=value, score=float(reached.mean()), kept=False))
        values_scores = [self.scores, *(reached for reached, _ in found)]
        for fold in np.unique(self.folds):
            inside = self.folds == fold
            chosen = self._choose([one[~inside] for one in values_scores])
            self.gains[inside] += values_scores[chosen][inside] - self.scores[inside]
        if chosen := self._choose(values_scores):
            self.scores, self.spec = found[chosen - 1]
            place = len(self.tries) - len(found) + chosen - 1
            self.tries[place] = self.tries[place].model_copy(update={"kept": True})

    def prove(self) -> HeldOut | None:
        """What the values that were kept are worth out of fold; without proof none of them stays.

        None if none was kept. Source: Varma and Simon 2006, Bias in error estimation when using cross-validation for
        model selection; here each step is chosen anew without a fold, on the way that all queries chose.
        """
        if self.spec == self.begun:
            return None
        proof = contrast(self.first, self.first + self.gains, self.sampled)
        low, _ = mean_interval(self.gains, codes([one.group for one in self.sampled]), self.request.doubt)
        if low is None or low <= 0:
            self.scores, self.spec = self.first, self.begun
            self.tries[1:] = [one.model_copy(update={"kept": False}) for one in self.tries[1:]]
        return proof

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
        return score(cross_rank(seen, self._fold(self.train).tolist(), growth), self.train, self.request.measure)

    @property
    def best(self) -> float:
        """The mean that is reached."""
        return float(self.scores.mean())

    def _choose(self, scores: Sequence[NDArray[np.float64]]) -> int:
        """Which of several values is best, the one that is there standing first: it stays unless another gains."""
        means = [float(one.mean()) if len(one) else 0.0 for one in scores]
        top = max(range(len(means)), key=lambda place: (means[place], -place))
        return top if means[top] > means[0] + self.request.gain else 0

    def _fold(self, judgments: Sequence[Judgment]) -> NDArray[np.int64]:
        """The fold of each query, whole clusters at a time, by seed."""
        groups = sorted({one.group for one in judgments})
        stream(self.request.seed, "folds").shuffle(groups)
        folds = {group: place % _FOLDS for place, group in enumerate(groups)}
        return np.array([folds[one.group] for one in judgments])

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
