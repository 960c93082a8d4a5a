"""Which knobs of an index spec an index that lives can do: what it can't, it refuses before anything is made."""

from collections.abc import Collection

from workbench.core import RetrievalError
from workbench.retrieval.index import IndexSpec

STORE_KNOBS = frozenset(
    {
        "retriever",
        "analyzer",
        "k1",
        "b",
        "fusion",
        "weight",
        "rrf_k",
        "depth",
        "tokens",
        "embedding",
        "cross_encoder",
    }
)
"""What every store does."""
LIVE_KNOBS = STORE_KNOBS | {"expansion", "expansion_documents", "expansion_weight", "feedback", "feedback_weight"}
"""What an index in a folder does: it has the words and the vectors of what it found at hand."""
_REMEDIES = {
    "chunk": "cut documents into passages before they are put here",
    "overlap": "cut documents into passages before they are put here",
    "routes": "give callers a view with conditions",
}
_ELSEWHERE = "an index in memory does it, and one in a folder what it can"


def check_knobs(where: str, spec: IndexSpec, done: Collection[str]) -> None:
    """Refuse a spec that sets what is not among `done`: it would have no effect. A new knob is refused till it has one.

    Raises: RetrievalError.
    """
    if spec.retriever == "bm25" and spec.embedding is not None:
        raise RetrievalError(
            f"{where}: an index of words has no use for embedding model {spec.embedding.model!r}; leave it out, or "
            "choose retriever dense or hybrid"
        )
    ignored = sorted(spec.model_dump(exclude_defaults=True).keys() - done)
    if ignored:
        remedy = _REMEDIES.get(ignored[0], _ELSEWHERE)
        raise RetrievalError(f"{where}: does not do {ignored[0]!r} of an index spec; leave it out, and {remedy}")
