"""Documents found by their passages: who judges documents asks where a document stands, not which piece of it."""

from collections.abc import Mapping, Sequence

from workbench.core import Corpus
from workbench.retrieval.index import Hit, Index, IndexSpec, Vectors, checked
from workbench.retrieval.judgments import Judgment
from workbench.retrieval.view import ANYONE, View

_PASSAGES = 5
"""Passages looked at for each document asked for: where more of one document come first, fewer documents are found."""


class WholeIndex:
    """Another index, asked for documents and in one caller's view: each stands where its best passage does."""

    def __init__(self, inner: Index, wholes: Mapping[str, str], view: View = ANYONE) -> None:
        """`wholes` are those of the corpus, by `whole_ids`: one look at it does for every index over it."""
        self.inner = inner
        self.spec: IndexSpec = inner.spec
        self.corpus: Corpus = inner.corpus
        self.vectors: Vectors | None = inner.vectors
        self.digest: str = inner.digest
        self.view = view
        self._wholes = wholes

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """See `Index.search`; who does not say who asks, asks in the index's own view."""
        found: dict[str, Hit] = {}
        for hit in self.inner.search(checked(query, k), k * _PASSAGES, self.view if view == ANYONE else view):
            whole = self._wholes[hit.doc_id]
            found.setdefault(whole, hit.model_copy(update={"doc_id": whole}))
        return tuple(found.values())[:k]


def judge_wholes(judgments: Sequence[Judgment], wholes: Mapping[str, str]) -> tuple[Judgment, ...]:
    """Judgments of passages made those of their documents: the highest grade of a document's passages is its own."""
    judged = []
    for one in judgments:
        relevant: dict[str, int] = {}
        for doc_id, grade in one.relevant.items():
            whole = wholes.get(doc_id, doc_id)
            relevant[whole] = max(grade, relevant.get(whole, grade))
        judged.append(one.model_copy(update={"relevant": relevant}))
    return tuple(judged)


def whole_ids(corpus: Corpus) -> dict[str, str]:
    """For the id of each passage that of its document, and for any other document its own."""
    return {one.doc_id: one.whole_id for one in corpus.documents}
