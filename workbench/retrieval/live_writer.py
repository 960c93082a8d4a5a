"""Changes to a live index on their way into its next generation, while the writer's lock is held."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.core import Document
from workbench.retrieval.index import searchable
from workbench.retrieval.live import LiveIndex
from workbench.retrieval.live_access import Mask
from workbench.retrieval.live_draft import UNREAD, Draft, draft
from workbench.retrieval.live_generation import Part, Spot
from workbench.retrieval.live_manifest import SegmentEntry, publish, remove_orphans, write_states
from workbench.retrieval.live_segment import Kept, merge_segments, write_segment
from workbench.retrieval.live_vectors import Halves, halve

_BITS = 3
_FAN = 1 << _BITS
"""So many segments whose sizes lie between two powers of this become one."""
_LARGE = 32_768
"""A segment of so many documents is left to `compact`, unless most of it is deleted."""
_LARGEST = 524_288
"""Documents of a segment that `compact` writes: what it needs of memory follows from it."""


class Writer:
    """What is put and deleted until it is committed."""

    def __init__(self, index: LiveIndex) -> None:
        self.index = index
        self.generation = index.current()
        self.looked = 0
        self.counts: Counter[str] = Counter()
        self._gone: dict[int, Mask] = {}
        self._read: dict[int, NDArray[np.int64]] = {}
        self._new: list[tuple[Draft, Spot | None]] = []
        """Documents to write, and where a changed one stood."""
        remove_orphans(index.folder, self.generation.manifest)

    def delete(self, ids: Sequence[str]) -> None:
        """Delete what is there of some documents."""
        for spot in self.generation.find(ids):
            if spot is not None:
                self._bury(spot)
                self.counts["deleted"] += 1

    def put(self, documents: Sequence[Document]) -> None:
        """Put documents; of several with one id the last. Committed before the next are put."""
        drafts = [draft(document) for document in {one.doc_id: one for one in documents}.values()]
        spots = self.generation.find([one.document.doc_id for one in drafts])
        for one, spot in zip(drafts, spots, strict=True):
            if spot is None or self._is_buried(spot):
                self.counts["added"] += 1
                self._new.append((one, None))
            elif self.generation.parts[spot.part].segment.digests[spot.place].tobytes() != one.digest:
                self.counts["changed"] += 1
                self._new.append((one, spot))
                self._bury(spot)
            else:
                self._confirm(one, spot)
        self.looked += len(documents)

    def commit(self) -> None:
        """Publish what was put and deleted; then join segments, if there are many of like size."""
        if not (self._new or self._gone or self._read):
            return
        number = self.generation.manifest.next_number
        entries = self._write_states(f"t{number:07}")
        if self._new:
            name, drafts = f"s{number:07}", [one for one, _ in self._new]
            analyzer = self.generation.manifest.spec.analyzer
            words = write_segment(self.index.folder, name, drafts, analyzer, self._embed())
            entries.append(SegmentEntry(name=name, documents=len(drafts), living=len(drafts), words=words))
        self._publish(entries)
        self._gone, self._read, self._new = {}, {}, []
        while group := _worth_joining(self.generation.parts):
            self._join(group)

    def rewrite(self) -> None:
        """Put all that is alive into few segments, without anything else."""
        groups: list[list[str]] = []
        room = 0
        for part in self.generation.parts:
            if part.entry.living > room:
                groups.append([])
                room = _LARGEST
            groups[-1].append(part.entry.name)
            room -= part.entry.living
        for names in groups:
            group = [part for part in self.generation.parts if part.entry.name in names]
            if len(group) > 1 or group[0].gone is not None:
                self._join(group)

    def _confirm(self, one: Draft, spot: Spot) -> None:
        part = self.generation.parts[spot.part]
        if one.read in (UNREAD, int(part.read[spot.place])):
            self.counts["unchanged"] += 1
            return
        self.counts["confirmed"] += 1
        if spot.part not in self._read:
            self._read[spot.part] = part.read.copy()
        self._read[spot.part][spot.place] = one.read

    def _bury(self, spot: Spot) -> None:
        if spot.part not in self._gone:
            part = self.generation.parts[spot.part]
            self._gone[spot.part] = np.zeros(part.segment.size, np.bool_) if part.gone is None else part.gone.copy()
        self._gone[spot.part][spot.place] = True

    def _is_buried(self, spot: Spot) -> bool:
        return spot.part in self._gone and bool(self._gone[spot.part][spot.place])

    def _write_states(self, name: str) -> list[SegmentEntry]:
        """Write what becomes of the segments that are there; the entries of those that still hold something."""
        entries: list[SegmentEntry] = []
        states: dict[str, NDArray[np.generic]] = {}
        for number, part in enumerate(self.generation.parts):
            entry = part.entry
            if (gone := self._gone.get(number)) is not None:
                words = int(part.segment.lengths[~gone].sum())
                entry = entry.model_copy(update={"living": int((~gone).sum()), "words": words, "gone": name})
            if not entry.living:
                continue
            if gone is not None:
                states[f"{entry.name}.gone"] = np.packbits(gone)
            if (read := self._read.get(number)) is not None:
                entry = entry.model_copy(update={"confirmed": name})
                states[f"{entry.name}.confirmed"] = read
            entries.append(entry)
        if states:
            write_states(self.index.folder, name, states)
        return entries

    def _embed(self) -> Halves | None:
        """The vectors of what is new; a text that has not changed keeps its own."""
        spec, encoder = self.generation.manifest.spec, self.index.encoder
        if spec.retriever == "bm25" or encoder is None:
            return None
        known = {
            place: row for place, (one, spot) in enumerate(self._new) if (row := self._known(one, spot)) is not None
        }
        unknown = [place for place in range(len(self._new)) if place not in known]
        self.counts["embedded"] += len(unknown)
        texts = [searchable(self._new[place][0].document) for place in unknown]
        embedded = halve(encoder.embed(texts, most_tokens=spec.tokens)) if texts else None
        dimensions = len(next(iter(known.values()))) if embedded is None else embedded.shape[1]
        rows = np.empty((len(self._new), dimensions), dtype=np.float16)
        if embedded is not None:
            rows[unknown] = embedded
        for place, row in known.items():
            rows[place] = row
        return rows

    def _known(self, one: Draft, spot: Spot | None) -> Halves | None:
        if spot is None or searchable(self.generation.document(spot)) != searchable(one.document):
            return None
        vectors = self.generation.parts[spot.part].segment.vectors
        assert vectors is not None
        row: Halves = vectors.rows[spot.place]
        return row

    def _join(self, group: Sequence[Part]) -> None:
        """Make one segment of several, and publish it in their place."""
        manifest = self.generation.manifest
        name = f"s{manifest.next_number:07}"
        merge_segments(self.index.folder, name, [Kept(part.segment, part.living, part.read) for part in group])
        size, words = sum(part.entry.living for part in group), sum(part.entry.words for part in group)
        old = {part.entry.name for part in group}
        entries = [entry for entry in manifest.segments if entry.name not in old]
        self._publish([*entries, SegmentEntry(name=name, documents=size, living=size, words=words)])

    def _publish(self, entries: Sequence[SegmentEntry]) -> None:
        before = self.generation.manifest
        update = {
            "generation": before.generation + 1,
            "segments": tuple(entries),
            "next_number": before.next_number + 1,
        }
        publish(self.index.folder, before.model_copy(update=update))
        self.generation = self.index.current()


def _worth_joining(parts: Sequence[Part]) -> list[Part]:
    """Segments that should become one: enough of like size, or one that is mostly deleted; none if all is well."""
    for part in parts:
        if 2 * part.entry.living < part.entry.documents:
            return [part]
    tiers: dict[int, list[Part]] = {}
    for part in parts:
        if part.entry.living < _LARGE:
            tiers.setdefault((part.entry.living.bit_length() - 1) // _BITS, []).append(part)
    return next((group for _, group in sorted(tiers.items()) if len(group) >= _FAN), [])
