"""An index whose first hits a cross-encoder reads and orders anew."""

from collections.abc import Sequence

import numpy as np

from workbench.core import Corpus
from workbench.retrieval.cross_encoder import CrossEncoder, CrossEncoderSpec
from workbench.retrieval.index import Hit, Index, IndexSpec, Vectors, checked, name_index, searchable
from workbench.retrieval.routed import RoutedIndex
from workbench.retrieval.view import ANYONE, View


class RerankedIndex:
    """Another index, of which the first hits are read beside the query; what is not read is not returned."""

    def __init__(self, inner: Index, spec: IndexSpec, encoder: CrossEncoder) -> None:
        assert spec.cross_encoder is not None, "the spec names the encoder"
        self.inner = inner
        self.spec = spec
        self.encoder = encoder
        self.asked: CrossEncoderSpec = spec.cross_encoder
        self.corpus: Corpus = inner.corpus
        self.vectors: Vectors | None = inner.vectors
        self.digest = name_index(inner.corpus, spec, model=inner.digest)
        self._places = {document.doc_id: place for place, document in enumerate(inner.corpus.documents)}

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """See `Index.search`: of the inner index's first, at least k, those that the encoder finds best, ties by id."""
        query = checked(query, k)
        first = self.inner.search(query, max(k, self.asked.depth), view) if query else ()
        if not first:
            return ()
        return tuple(reorder(query, first, [self._text(hit) for hit in first], self.encoder, self.asked)[:k])

    def _text(self, hit: Hit) -> str:
        """The passage that the vectors found, under its document's title; else the whole document."""
        document = self.corpus.documents[self._places[hit.doc_id]]
        if "passage_end" not in hit.parts:
            return searchable(document)
        passage = document.text[int(hit.parts["passage_start"]) : int(hit.parts["passage_end"])]
        return f"{document.title}\n{passage}".strip()


def reorder(
    query: str, hits: Sequence[Hit], texts: Sequence[str], encoder: CrossEncoder, asked: CrossEncoderSpec
) -> list[Hit]:
    """Hits in the order that a cross-encoder gives their texts, best first, ties by id."""
    scores = encoder.score(query, texts, tokens=asked.tokens)
    order = np.lexsort((np.array([hit.doc_id for hit in hits]), -scores))
    return [
        Hit(
            doc_id=hits[at].doc_id,
            score=float(scores[at]),
            parts=hits[at].parts | {"cross_encoder": float(scores[at]), "first_score": hits[at].score},
        )
        for at in order.tolist()
    ]


def innermost(index: Index) -> Index:
    """The index that searches, without the routes before it and the cross-encoder after it."""
    while isinstance(index, RoutedIndex | RerankedIndex):
        index = index.inner
    return index
