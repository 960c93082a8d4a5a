"""Tune an index that is there: one in a folder, or a live one in the memory that it is frozen to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from workbench.optimize.index_space import index_space
from workbench.optimize.retrieval_tuning import TUNING, Tuned, TuneRequest, split_judgments, tune_index
from workbench.retrieval import (
    ANYONE,
    LIVE_KNOBS,
    Embedding,
    Index,
    IndexSpec,
    Judgment,
    LiveIndex,
    Ranker,
    View,
    WholeIndex,
    build_index,
    build_with,
    check_judgments,
    describe_cross_encoder,
    freeze,
    judge_wholes,
    read_index,
    whole_ids,
    write_index,
)


def tune_folder(
    folder: Path,
    judgments: Sequence[Judgment],
    *,
    request: TuneRequest,
    held_out: float,
    out: Path | None = None,
) -> Tuned:
    """Tune the index of a folder on a part of the judgments; write the one found to `out` if it is better.

    Without a space of its own the request searches `index_space` of the corpus. An index of words alone has no vectors,
    and keeps none: only its words are tuned.
    Raises: RetrievalError if the folder holds no index, or judgments don't fit its corpus; OptimizeError as
    `split_judgments` and `tune_index`.
    """
    start = read_index(folder)
    check_judgments(judgments, {one.doc_id for one in start.corpus.documents}, f"corpus {start.corpus.name!r}")
    train, rest = split_judgments(judgments, share=held_out, seed=request.seed)
    tokenizer = folder / "tokenizer.json"
    model = tokenizer if tokenizer.exists() else None

    def make(spec: IndexSpec, like: Index, ranker: Ranker | None) -> Index:
        return build_index(start.corpus, spec, tokenizer=model, like=like, ranker=ranker)

    build = _Builder(start, make)
    first = start.spec.model_copy(update={"ranker": ""})
    tuned = tune_index(train, rest, start=first, build=build, request=_spaced(request, start))
    if out is not None and tuned.held_out.better:
        write_index(out, build(tuned.spec, tuned.ranker))
    return tuned


def tune_live(
    index: LiveIndex,
    judgments: Sequence[Judgment],
    *,
    embedding: Embedding | None,
    request: TuneRequest,
    held_out: float,
    view: View = ANYONE,
) -> Tuned:
    """Tune what a live index holds now, by the knobs that a live index has, as a caller with that view sees it.

    It is tuned in memory, with the vectors that it has; the index stays as it is. Where it holds passages, documents
    are judged: each stands where its best passage does. `embedding` is the model of its queries; an index of words
    needs none, and only its words are tuned.

    Raises: RetrievalError if it holds nothing, or a document is judged that the caller does not see; OptimizeError as
    `split_judgments` and `tune_index`.
    """
    start = freeze(index, embedding=embedding)
    wholes = whole_ids(start.corpus)
    judged = judge_wholes(judgments, wholes)
    seen = {wholes[one.doc_id] for one in start.corpus.documents if view.allows(one)}
    check_judgments(judged, seen, f"what the caller sees of index {start.corpus.name!r}")
    train, rest = split_judgments(judged, share=held_out, seed=request.seed)
    spaced = _spaced(request, start)
    space = {knob: values for knob, values in spaced.space.items() if knob in LIVE_KNOBS}

    def make(spec: IndexSpec, like: Index, ranker: Ranker | None) -> Index:
        return build_with(start.corpus, spec, embedding, like=like, ranker=ranker)

    build = _Builder(start, make)
    return tune_index(
        train,
        rest,
        start=start.spec,
        build=lambda spec, ranker=None: WholeIndex(build(spec, ranker), wholes, view),
        request=replace(spaced, space=space, ranker=None),
    )


class _Make(Protocol):
    def __call__(self, spec: IndexSpec, like: Index, ranker: Ranker | None) -> Index: ...


@dataclass
class _Builder:
    """Builds indexes of one corpus, each like the last one that was embedded as it is to be."""

    start: Index
    make: _Make
    _known: dict[tuple[int, int, int], Index] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known[_embedded(self.start.spec)] = self.start

    def __call__(self, spec: IndexSpec, ranker: Ranker | None = None) -> Index:
        """The index as the spec says."""
        key = _embedded(spec)
        self._known[key] = self.make(spec, self._known.get(key, self.start), ranker)
        return self._known[key]


def _spaced(request: TuneRequest, start: Index) -> TuneRequest:
    """The request with a space for the corpus, unless it has one of its own."""
    if request.space is not TUNING:
        return request
    encoder = None if request.cross_encoder is None else describe_cross_encoder(request.cross_encoder)
    return replace(request, space=index_space(start.corpus, start.spec, cross_encoder=encoder))


def _embedded(spec: IndexSpec) -> tuple[int, int, int]:
    """What a corpus is embedded anew for."""
    return spec.tokens, spec.chunk, spec.overlap
