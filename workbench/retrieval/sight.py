"""Which documents of a corpus a view shows, as positions that scores can be cut to."""

import numpy as np
from numpy.typing import NDArray

from workbench.core import Corpus
from workbench.retrieval.memory import Memory
from workbench.retrieval.view import View

Positions = NDArray[np.int64]
_REMEMBERED = 256
"""Views whose positions are kept: the callers of an hour."""


class Sight:
    """What each view shows of a corpus that doesn't change."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._known = Memory[Positions](_REMEMBERED)

    def positions(self, view: View) -> Positions:
        """The positions of the documents that a view allows, rising."""
        # Not by the view itself: to Python a view of 1 equals one of True, and the two see different documents.
        return self._known.recall(view.digest, lambda: self._look(view))

    def _look(self, view: View) -> Positions:
        allowed = [place for place, document in enumerate(self._corpus.documents) if view.allows(document)]
        return np.array(allowed, dtype=np.int64)
