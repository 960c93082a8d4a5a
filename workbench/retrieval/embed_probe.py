"""A provider's model under watch: the same text is asked now and then, and an answer that moved is another model.

A name says nothing of what stands behind it: a provider can put another model there. Its vectors would then be compared
with those of the one that made the index, and nothing would fail but the answers.
"""

import threading
import time
from collections.abc import Sequence

import numpy as np

from workbench.core import RetrievalError
from workbench.retrieval.embed import EmbedSpec, Encoder
from workbench.retrieval.index import Vectors

PROBE = "The quick brown fox jumps over the lazy dog. 0 1 2 3 4 5 6 7 8 9; naïve café, straße."
LEAST_COSINE = 0.999
"""Providers answer the same text with differences far smaller than this; another model is far from it."""
_EVERY_SECONDS = 3600.0
_MOST_TOKENS = 256


class Watched:
    """An `Embedding` that is probed before its first use and then once an hour. Safe under threads.

    `kept` is what it answered when an index was made with it; without it, what it answers first is kept.
    """

    def __init__(
        self,
        inner: Encoder,
        spec: EmbedSpec,
        kept: Vectors | None = None,
        *,
        every_seconds: float = _EVERY_SECONDS,
    ) -> None:
        """Nothing is asked yet."""
        self.inner = inner
        self.spec = spec
        self.digest = inner.digest
        self.dimensions = spec.dimensions
        self._kept = kept
        self._every_seconds = every_seconds
        self._asked: float | None = None
        self._lock = threading.Lock()

    @property
    def probe(self) -> Vectors:
        """The row of `PROBE`, as an index keeps it.

        Raises: RetrievalError if it can't be had, or the model is another one by now.
        """
        self._watch()
        assert self._kept is not None, "a probe that was asked is kept"
        return self._kept

    def check(self) -> None:
        """Ask it now, if it was not asked within the hour. Raises: as `probe`."""
        self._watch()

    def embed(self, texts: Sequence[str], *, most_tokens: int = 256) -> Vectors:
        """See `Embedding.embed`."""
        self._watch()
        return self.inner.embed(texts, most_tokens=most_tokens)

    def embed_query(self, query: str) -> Vectors:
        """See `Embedding.embed_query`."""
        self._watch()
        return self.inner.embed_query(query)

    def _watch(self) -> None:
        with self._lock:
            if self._asked is not None and time.monotonic() - self._asked < self._every_seconds:
                return
            found = self.inner.embed([PROBE], most_tokens=_MOST_TOKENS)[0]
            if self._kept is None:
                self._kept = found
            elif (cosine := _cosine(self._kept, found)) < LEAST_COSINE:
                raise RetrievalError(
                    f"embedding model {self.spec.model!r} ({self.spec.base_url}): is another one than the index was "
                    f"made with: the cosine of its answers to one text is {cosine:.3f}; build the index again"
                )
            self._asked = time.monotonic()


def _cosine(kept: Vectors, found: Vectors) -> float:
    return float(kept.astype(np.float64) @ found.astype(np.float64)) if kept.shape == found.shape else 0.0


def watched(inner: Encoder, spec: EmbedSpec, where: str, kept: Vectors | None = None) -> Watched:
    """The model that an index's spec names, under watch.

    Raises: RetrievalError if it is another one.
    """
    if inner.digest != spec.identity:
        raise RetrievalError(
            f"{where}: is made with embedding model {spec.model!r} ({spec.base_url}, {spec.dimensions} dimensions), "
            "and was given another; give that one, or build the index again"
        )
    if isinstance(inner, Watched):
        return inner if kept is None else Watched(inner.inner, spec, kept)
    return Watched(inner, spec, kept)
