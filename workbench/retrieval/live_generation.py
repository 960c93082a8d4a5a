"""A generation of a live index, opened: segments, and what has become of their documents since they were written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.core import DataError, Document, RetrievalError
from workbench.retrieval.live_access import Mask
from workbench.retrieval.live_manifest import SEGMENTS, Manifest, SegmentEntry, read_state
from workbench.retrieval.live_names import ABSENT, hash_names
from workbench.retrieval.live_segment import Segment
from workbench.retrieval.view import View


class Spot(NamedTuple):
    """Where a living document stands."""

    part: int
    place: int


class Found(NamedTuple):
    """Documents of a segment that an answer may need, best first, ties by position, which is by id."""

    places: NDArray[np.int64]
    values: NDArray[np.floating]


@dataclass(frozen=True)
class Part:
    """A segment as a generation sees it."""

    entry: SegmentEntry
    segment: Segment
    gone: Mask | None
    """The deleted; None if none is."""
    read: NDArray[np.int64]
    """When each document was last read at its source."""

    def allowed(self, view: View) -> Mask:
        """What the view may see of it, alive. Read-only."""
        mask = self.segment.access.mask(view)
        return mask if self.gone is None else mask & ~self.gone

    @property
    def living(self) -> NDArray[np.int64]:
        """Positions of what is alive, in order."""
        return np.arange(self.segment.size) if self.gone is None else np.flatnonzero(~self.gone)


class Generation:
    """All that a query reads. It never changes, so an answer comes from one generation whole."""

    def __init__(self, manifest: Manifest, parts: Sequence[Part]) -> None:
        self.manifest = manifest
        self.parts = tuple(parts)
        self.documents = sum(entry.living for entry in manifest.segments)
        self.words = sum(entry.words for entry in manifest.segments)

    @property
    def average_length(self) -> float:
        """Words of a living document, on average."""
        return self.words / self.documents if self.documents else 0.0

    def find(self, ids: Sequence[str]) -> list[Spot | None]:
        """Where each living document stands; None for an id that none has."""
        spots: list[Spot | None] = [None] * len(ids)
        hashes = hash_names(ids)
        for number, part in enumerate(self.parts):
            places = part.segment.ids.find(ids, hashes)
            for asked in np.flatnonzero(places != ABSENT).tolist():
                place = int(places[asked])
                if part.gone is None or not part.gone[place]:
                    spots[asked] = Spot(number, place)
        return spots

    def doc_id(self, spot: Spot) -> str:
        """The id of the document that stands there."""
        return self.parts[spot.part].segment.ids.name(spot.place)

    def document(self, spot: Spot) -> Document:
        """The document that stands there."""
        part = self.parts[spot.part]
        return part.segment.document(spot.place, int(part.read[spot.place]))

    def best(self, found: Sequence[Found], depth: int) -> list[tuple[Spot, float]]:
        """The best of what was found in each segment, best first, ties by id."""
        values = np.concatenate([one.values for one in found])
        # Names are only read of what can be among the best.
        least = np.partition(values, len(values) - depth)[len(values) - depth] if len(values) > depth else -math.inf
        spots = [
            (-value, Spot(number, place))
            for number, one in enumerate(found)
            for place, value in zip(one.places.tolist(), one.values.tolist(), strict=True)
            if value >= least
        ]
        ordered = sorted((value, self.doc_id(spot), spot) for value, spot in spots)
        return [(spot, -value) for value, _, spot in ordered[:depth]]


def open_generation(folder: Path, manifest: Manifest, before: Generation | None = None) -> Generation:
    """Open a generation; what it shares with one that is open is not opened again.

    Raises: RetrievalError if a file is missing or cut short; FileNotFoundError never comes out.
    """
    known = {} if before is None else {part.entry.name: part for part in before.parts}
    try:
        parts = [_open_part(folder, entry, known.get(entry.name)) for entry in manifest.segments]
    except (OSError, DataError) as cause:
        raise RetrievalError(f"live index {str(folder)!r}: can't be read: {cause}; build it again") from cause
    return Generation(manifest, parts)


def _open_part(folder: Path, entry: SegmentEntry, known: Part | None) -> Part:
    if known is not None and known.entry == entry:
        return known
    segment = Segment(folder / SEGMENTS / entry.name) if known is None else known.segment
    gone, read = None, segment.read
    if entry.gone:
        bits = read_state(folder, entry.gone, f"{entry.name}.gone").astype(np.uint8, copy=False)
        gone = np.unpackbits(bits, count=segment.size).astype(np.bool_)
    if entry.confirmed:
        read = read_state(folder, entry.confirmed, f"{entry.name}.confirmed").astype(np.int64, copy=False)
    return Part(entry, segment, gone, read)
