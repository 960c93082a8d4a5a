"""What a database has to do to keep a live index: read one moment in one view, publish one change as a whole.

Access is the engine's: what a view hides is in no ranking that it gives. All else is the same for every engine, and
stands in `shared`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol

from workbench.core import EVERYONE, Document, Record
from workbench.retrieval.candidates import Ranking
from workbench.retrieval.index import IndexSpec, Vectors
from workbench.retrieval.live import LiveStats
from workbench.retrieval.live_draft import UNREAD, Draft
from workbench.retrieval.view import View


class Content(Record):
    """What an index is, whatever it holds; written when it is made, and never changed."""

    format: int = 1
    name: str
    """The corpus's."""
    spec: IndexSpec
    model: str = ""
    """The digest of the embedding model; empty for an index of words alone."""
    dimensions: int = 0
    """How many numbers a vector has; 0 for an index of words alone."""
    probe: tuple[float, ...] = ()
    """What a provider's embedding model answered once, where the spec names one."""


class Known(NamedTuple):
    """What is remembered of a living document."""

    digest: bytes
    said: bytes
    """The digest of its searchable text."""
    read: int
    """See `Draft.read`."""


class Row(NamedTuple):
    """A document on its way into a store."""

    draft: Draft
    said: bytes
    words: Mapping[str, int]
    """Each of its words, and how often."""
    vector: Vectors | None
    """Of half precision, as the local index keeps it; None in an index of words."""

    @property
    def length(self) -> int:
        """Its words, with repeats."""
        return sum(self.words.values())


class Change(NamedTuple):
    """What becomes visible at once."""

    put: Sequence[Row]
    """In place of those of the same ids."""
    deleted: Sequence[str]
    """All are there."""
    confirmed: Mapping[str, int]
    """When documents that are the same were read at their source."""


class Reader(Protocol):
    """One moment of a store in one view: nothing changes meanwhile, and what is hidden is not there."""

    @property
    def generation(self) -> int:
        """It rises with every change."""

    def match(self, words: Sequence[str], depth: int, only: Sequence[str] = ()) -> Ranking:
        """The best by BM25, above 0, best first, ties by id; among some ids, if any are named."""

    def near(self, vector: Vectors, depth: int, only: Sequence[str] = ()) -> Ranking:
        """The nearest, by cosines of six digits, best first, ties by id; among some ids, if any are named."""

    def documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """The documents of ids that were found."""


class Writer(Protocol):
    """The one that writes."""

    def ids(self) -> set[str]:
        """Of all that is alive."""

    def known(self, ids: Sequence[str]) -> Mapping[str, Known]:
        """What is remembered of those of them that are alive."""

    def vectors(self, ids: Sequence[str]) -> Mapping[str, Vectors]:
        """The rows of living documents."""

    def publish(self, change: Change) -> None:
        """Make a change visible, all of it at once, and for good."""


class Engine(Protocol):
    """A database that keeps one index. Safe under threads.

    Every call raises RetrievalError if the database can't be reached or refuses.
    """

    @property
    def where(self) -> str:
        """For people, without secrets."""

    def check(self, spec: IndexSpec) -> None:
        """Nothing is asked of the database. Raises: RetrievalError for a knob that this engine can't turn."""

    def make(self, content: Content) -> None:
        """Make an index without documents. Raises: RetrievalError if there is one already."""

    def content(self) -> Content:
        """Raises: RetrievalError if there is no index."""

    def reading(self, view: View) -> AbstractContextManager[Reader]:
        """Look at the moment that is published now."""

    def writing(self) -> AbstractContextManager[Writer]:
        """Write alone. Raises: RetrievalError if another does."""

    def stats(self, content: Content, now: datetime) -> LiveStats:
        """What the index is made of."""

    def close(self) -> None:
        """Let go of connections."""


def readers_of(document: Document) -> tuple[str, ...]:
    """Who may read a document; one without origin is everyone's."""
    return (EVERYONE,) if document.origin is None else document.origin.readers


def principals_of(view: View) -> list[str]:
    """Who asks, sorted."""
    return sorted({EVERYONE, *view.principals})


def expires(document: Document, read: int) -> float:
    """When a document becomes stale, in microseconds since 1970; infinity if it never does.

    Zero if it has a rule and no time it was read at: its age is unknown.
    """
    origin = document.origin
    if origin is None or origin.fresh_hours is None:
        return math.inf
    return 0.0 if read == UNREAD else read + origin.fresh_hours * 3_600_000_000


def sort_ranking(found: Iterable[tuple[str, float]], depth: int) -> Ranking:
    """The best of what an engine found, scores to six digits, best first, ties by id.

    >>> sort_ranking([("b", 0.5), ("a", 0.50000001), ("c", 1)], 2)
    [('c', 1), ('a', 0.5)]
    """
    return sorted(((doc_id, round(score, 6)) for doc_id, score in found), key=lambda one: (-one[1], one[0]))[:depth]
