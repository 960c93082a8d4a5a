"""Which documents of a corpus a view shows, as positions that scores can be cut to."""

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from workbench.core import Corpus
from workbench.retrieval.view import View

Positions = NDArray[np.int64]
_REMEMBERED = 256
"""Views whose positions are kept: the callers of an hour."""


class Sight:
    """What each view shows of a corpus that doesn't change."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._lock = Lock()
        self._known: OrderedDict[str, Positions] = OrderedDict()

    def positions(self, view: View) -> Positions:
        """The positions of the documents that a view allows, rising."""
        key = view.digest  # views that differ by 1 and True are equal, and show different documents
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return known
        allowed = [place for place, document in enumerate(self._corpus.documents) if view.allows(document)]
        found = np.array(allowed, dtype=np.int64)
        found.setflags(write=False)
        with self._lock:
            self._known[key] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found
