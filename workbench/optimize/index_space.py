"""What is worth trying on a corpus: the knobs that any has, and those that its documents give reason for."""

from collections import Counter, defaultdict

from pydantic import JsonValue

from workbench.core import Corpus, Document
from workbench.optimize.retrieval_tuning import TUNING, IndexSpace
from workbench.retrieval import CrossEncoderSpec, IndexSpec

CHUNKS = (400, 900)
"""Sizes of passages that are tried, in characters: a paragraph, and about what the embedding model reads."""
LENGTHS = (96, 256)
"""How much of a text the vectors read, in tokens: the default, and the most that the model was trained on."""
MOST_CHARACTERS = 5_000_000
"""Corpora of more are not embedded again for a tuning. Each size of passage and each other length embeds the corpus
once more, four times in all: the tuning takes at most four times what building the index took, besides the queries."""
_CHARACTERS_OF_A_TOKEN = 4
_FEWEST_VALUES, _MOST_VALUES = 2, 500
"""Different values of a field that queries may name: one can't narrow, and hundreds are no field to filter by."""
_MOST_FIELDS = 6
"""Each is a try, and tries are counted."""


def index_space(corpus: Corpus, start: IndexSpec, *, cross_encoder: CrossEncoderSpec | None = None) -> IndexSpace:
    """The values to try for each knob, in the order in which they are tried: what decides most comes first.

    Routes: each metadata field of 2 to 500 values by itself, then all together; of many the six that most documents
    have. Passages and lengths only where documents are longer, and the corpus small enough to be embedded again; an
    index of words has neither. A cross-encoder, if there is one, comes last: it costs the most at each query.
    """
    space: dict[str, list[JsonValue]] = {}
    if routes := _routes(corpus):
        space["routes"] = routes
    characters = sum(len(document.text) for document in corpus.documents)
    if start.retriever != "bm25" and characters <= MOST_CHARACTERS:
        longest = max(len(document.text) for document in corpus.documents)
        if lengths := [
            size
            for size in LENGTHS
            if size != start.tokens and longest > min(size, start.tokens) * _CHARACTERS_OF_A_TOKEN
        ]:
            space["tokens"] = [*lengths]
        if chunks := [size for size in CHUNKS if longest > size]:
            space["chunk"] = [*chunks]
    space |= TUNING
    if cross_encoder is not None:
        space["cross_encoder"] = [cross_encoder.model_dump(mode="json")]
    return space


def _routes(corpus: Corpus) -> list[JsonValue]:
    values: defaultdict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for document in corpus.documents:
        for field, value in _metadata(document).items():
            if not isinstance(value, bool):
                values[field].add(str(value))
                counts[field] += 1
    useful = [field for field, known in sorted(values.items()) if _FEWEST_VALUES <= len(known) <= _MOST_VALUES]
    fields = sorted(sorted(useful, key=lambda field: -counts[field])[:_MOST_FIELDS])
    single: list[JsonValue] = [[{"field": field}] for field in fields]
    return [*single, [{"field": field} for field in fields]] if len(fields) > 1 else single


def _metadata(document: Document) -> dict[str, str | int | float | bool]:
    return {} if document.origin is None else document.origin.metadata
