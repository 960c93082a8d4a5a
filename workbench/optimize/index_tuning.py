"""Tune an index that lies in a folder, and put the better one beside it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from workbench.optimize.index_space import index_space
from workbench.optimize.retrieval_tuning import TUNING, Tuned, TuneRequest, split_judgments, tune_index
from workbench.retrieval import (
    Index,
    IndexSpec,
    Judgment,
    Ranker,
    build_index,
    check_judgments,
    describe_cross_encoder,
    read_index,
    write_index,
)


def tune_folder(
    folder: Path,
    judgments: Sequence[Judgment],
    *,
    request: TuneRequest,
    held_out: float,
    out: Path | None = None,
    cross_encoder: Path | None = None,
) -> Tuned:
    """Tune the index of a folder on a part of the judgments; write the one found to `out` if it is better.

    Without a space of its own the request searches `index_space` of the corpus, with the cross-encoder of a folder if
    one is named. An index of words alone has no vectors, and keeps none: only its words are tuned.
    Raises: RetrievalError if the folder holds no index, or judgments don't fit its corpus; OptimizeError as
    `split_judgments` and `tune_index`.
    """
    start = read_index(folder)
    check_judgments(judgments, start.corpus)
    train, rest = split_judgments(judgments, share=held_out, seed=request.seed)
    tokenizer = folder / "tokenizer.json"
    model = tokenizer if tokenizer.exists() else None
    known = {_embedded(start.spec): start}

    def build(spec: IndexSpec, ranker: Ranker | None = None) -> Index:
        like = known.get(_embedded(spec), start)
        known[_embedded(spec)] = build_index(start.corpus, spec, tokenizer=model, like=like, ranker=ranker)
        return known[_embedded(spec)]

    if request.space is TUNING:
        encoder = None if cross_encoder is None else describe_cross_encoder(cross_encoder)
        request = replace(request, space=index_space(start.corpus, start.spec, cross_encoder=encoder))
    tuned = tune_index(train, rest, start=start.spec.model_copy(update={"ranker": ""}), build=build, request=request)
    if out is not None and tuned.held_out.better:
        write_index(out, build(tuned.spec, tuned.ranker))
    return tuned


def _embedded(spec: IndexSpec) -> tuple[int, int, int]:
    """What a corpus is embedded anew for."""
    return spec.tokens, spec.chunk, spec.overlap
