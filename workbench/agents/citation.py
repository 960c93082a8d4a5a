"""A passage as an answer and a trace show it: where it is from, how far it is trusted, how it was found."""

from pydantic import Field

from workbench.core import Prediction, Record, Trust
from workbench.retrieval import Passage

RETRIEVED = "retrieve_passages"
"""The step that found them."""


class Citation(Record):
    """A passage that was found for a request."""

    id: str
    score: float = Field(allow_inf_nan=False)
    parts: dict[str, float]
    """See `Hit.parts`."""
    source: str = ""
    """The source's name in its corpus; empty for what the project made itself, as are the fields below."""
    path: str = ""
    whole: str = ""
    """The document that it is a passage of."""
    start: int = 0
    end: int = 0
    """Characters [start, end) of the whole document's text."""
    licence: str = ""
    trust: Trust | None = None
    read_at: str = ""
    """When it was last read at its source, ISO 8601."""
    stale: bool = False
    """It had outlived its freshness rule when it was found."""


def cite(passage: Passage) -> Citation:
    """A passage without its text."""
    hit, origin = passage.hit, passage.document.origin
    found = Citation(id=hit.doc_id, score=hit.score, parts=hit.parts, stale=passage.stale)
    if origin is None:
        return found
    told = ("source", "path", "whole", "start", "end", "licence", "trust", "read_at")
    return found.model_copy(update={name: getattr(origin, name) for name in told})


def citations(prediction: Prediction) -> tuple[Citation, ...]:
    """The passages that a prediction was made from, best first; none if its steps were left out."""
    for step in prediction.steps:
        if step.name == RETRIEVED:
            hits = step.outputs.get("hits")
            return tuple(Citation.model_validate(hit) for hit in hits) if isinstance(hits, list) else ()
    return ()
