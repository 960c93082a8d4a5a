"""Vectors of a segment: half-precision rows, and over many of them a flat index that is quick to search.

A few rows are compared one by one: that takes less time than a flat index takes to open. Rows are rounded before they
are first used, so that a merged segment holds the same bits as one that is built anew. All segments are asked at once:
which rows are looked at does not depend on how they are spread over segments, so neither does what is found.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.retrieval.flat import Flat, choose_rows, code, write_flat
from workbench.retrieval.index import Vectors
from workbench.retrieval.live_access import Mask
from workbench.retrieval.live_manifest import sync_folder

Halves = NDArray[np.float16]
FEWEST = 4_096
"""Documents from which on a segment has a flat index."""


class Near(NamedTuple):
    """Documents of a segment that are near to a query, best first, ties by position."""

    places: NDArray[np.int64]
    cosines: NDArray[np.float32]
    """Rounded to six digits."""


class SegmentVectors:
    """The vectors of a segment, opened. Safe under threads."""

    def __init__(self, folder: Path, rows: Halves | None) -> None:
        """`rows` are given where there is no flat index, which has rows of its own."""
        self._flat = None if rows is not None else Flat.open(folder / "flat")
        self.rows: Halves = (
            rows if rows is not None else np.asarray(np.load(folder / "flat" / "f16.npy", mmap_mode="r"))
        )
        self._lock = threading.Lock()
        self._doubles: NDArray[np.float64] | None = None
        self._codes: NDArray[np.uint64] | None = None if self._flat is None else self._flat.codes

    @property
    def codes(self) -> NDArray[np.uint64]:
        """Of all rows, as `choose_rows` asks for them."""
        with self._lock:
            if self._codes is None:
                self._codes = code(self.rows)
            return self._codes

    def rank(self, places: NDArray[np.int64], query: Vectors, k: int) -> Near:
        """The k nearest of some documents; fewer if they are."""
        if self._flat is not None:
            return Near(*self._flat.rank(places, query, k))
        cosines = self.cosines(query, places)
        order = np.argsort(-cosines, kind="stable")[:k]
        return Near(places[order], cosines[order])

    def cosines(self, query: Vectors, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """The cosine of each of some documents with a query, rounded to six digits."""
        few = self._opened()[places] if self._flat is None else self.rows[places].astype(np.float64)
        return np.round(few @ query.astype(np.float64), 6).astype(np.float32)

    def _opened(self) -> NDArray[np.float64]:
        with self._lock:
            if self._doubles is None:
                self._doubles = self.rows.astype(np.float64)
            return self._doubles


def near(segments: Sequence[SegmentVectors], allowed: Sequence[Mask], query: Vectors, k: int) -> list[Near]:
    """For each segment the documents among the k nearest of all that are allowed, and maybe others that are farther."""
    chosen = choose_rows(segments, allowed, query, k)
    return [segment.rank(places, query, k) for segment, places in zip(segments, chosen, strict=True)]


def halve(vectors: Vectors) -> Halves:
    """Rows as a segment keeps them."""
    return vectors.astype(np.float16)


def write_vectors(folder: Path, rows: Halves) -> None:
    """Write the flat index of a segment, and have it on the disk."""
    (folder / "flat").mkdir()
    write_flat(folder / "flat", rows.astype(np.float32))
    for path in sorted((folder / "flat").iterdir()):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_folder(folder / "flat")
