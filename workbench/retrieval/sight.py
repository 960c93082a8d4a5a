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
        self._known: OrderedDict[View, Positions] = OrderedDict()

    def positions(self, view: View) -> Positions:
        """The positions of the documents that a view allows, rising."""
        with self._lock:
            if (known := self._known.get(view)) is not None:
                self._known.move_to_end(view)
                return known
        allowed = [place for place, document in enumerate(self._corpus.documents) if view.allows(document)]
        found = np.array(allowed, dtype=np.int64)
        found.setflags(write=False)
        with self._lock:
            self._known[view] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found
