"""Tune an index that lies in a folder, and put the better one beside it."""

from collections.abc import Sequence
from pathlib import Path

from workbench.optimize.retrieval_tuning import Tuned, TuneRequest, split_judgments, tune_index
from workbench.retrieval import (
    Index,
    IndexSpec,
    Judgment,
    Ranker,
    build_index,
    check_judgments,
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
) -> Tuned:
    """Tune the index of a folder on a part of the judgments; write the one found to `out` if it is better.

    An index of words alone has no vectors, and keeps none: only its words are tuned.
    Raises: RetrievalError if the folder holds no index, or judgments don't fit its corpus; OptimizeError as
    `split_judgments` and `tune_index`.
    """
    start = read_index(folder)
    check_judgments(judgments, start.corpus)
    train, rest = split_judgments(judgments, share=held_out, seed=request.seed)
    tokenizer = folder / "tokenizer.json"
    last = [start]

    def build(spec: IndexSpec, ranker: Ranker | None = None) -> Index:
        known = tokenizer if tokenizer.exists() else None
        last[0] = build_index(start.corpus, spec, tokenizer=known, like=last[0], ranker=ranker)
        return last[0]

    tuned = tune_index(train, rest, start=start.spec.model_copy(update={"ranker": ""}), build=build, request=request)
    if out is not None and tuned.held_out.better:
        write_index(out, build(tuned.spec, tuned.ranker))
    return tuned
