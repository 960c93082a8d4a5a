"""What an agent is given to answer from, whether the index is in memory or live."""

from datetime import UTC, datetime
from typing import Protocol

from workbench.retrieval.index import Index
from workbench.retrieval.live import LiveIndex, Passage
from workbench.retrieval.view import ANYONE, View


class PassageSource(Protocol):
    """Where passages are found."""

    def passages(self, query: str, k: int, view: View = ANYONE) -> tuple[Passage, ...]:
        """The best k documents that the view allows, best first, each with its text and whether it is stale now."""


class IndexPassages:
    """The passages of an index in memory."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._documents = {document.doc_id: document for document in index.corpus.documents}

    def passages(self, query: str, k: int, view: View = ANYONE, *, now: datetime | None = None) -> tuple[Passage, ...]:
        """See `PassageSource.passages`; stale or not at the time `now`, which has a time zone."""
        now, found = now or datetime.now(UTC), []
        for hit in self._index.search(query, k, view):
            document = self._documents[hit.doc_id]
            stale = document.origin is not None and document.origin.is_stale(now)
            found.append(Passage(hit=hit, document=document, stale=stale))
        return tuple(found)


def passages_of(index: Index | LiveIndex) -> PassageSource:
    """Where the passages of an index are found."""
    return index if isinstance(index, LiveIndex) else IndexPassages(index)
