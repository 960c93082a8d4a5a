"""Live indexes: does a refresh cost what changed, is it seen at once, and is the answer that of an index built anew?

    python -m benchmarks.refresh [--quick] [--kills N] [--json FILE]

- Cost: 1,000 new passages are put into an index of a million and into one of ten thousand, in turns, so that both
  meet the same neighbours on the machine. Cost is processor time, of which the median is taken; wall-clock time and
  the mean, with the joining of segments that some updates do besides, stand beside it. Both indexes have words,
  vectors, readers and metadata. Vectors are drawn: what embedding costs is the same at any size.
- Visible: from the beginning of the update until a reader that was opened before has found a passage of it; the
  slowest. The reader opens the new generation within that time.
- Exactly as rebuilt: an index lives through rounds of additions, changes of text, of readers, and deletions; another
  is made of what is left at once. Hits, with scores and all their parts, have to be equal to the last bit, for many
  queries by several callers; also after the first is compacted.
- Kill -9: see `benchmarks.refresh_kills`. What was acknowledged is there, what was not is there whole or not at all.
- fsync: `strace` watches a process that updates an index. Every file and folder that a manifest names is synced before
  the rename that publishes it, and the index's folder after it, before the update returns.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, conclude, memory_kib
from benchmarks.passages import GROUPS, LICENCE, DrawnVectors, passages, queries
from benchmarks.refresh_kills import Killed, Synced, kill_often, watch_syncs
from workbench.core import Document, WorkbenchError, stream
from workbench.retrieval import ANYONE, Condition, IndexSpec, LiveIndex, View, compact, create_live, update

SEED = 11
ADDED = 1_000
MOST_RATIO = 1.5
MOST_SECONDS = 1.0
MOST_GIGABYTES = 3.0
VIEWS = (
    ANYONE,
    View(principals=tuple(f"g{number:03}" for number in range(GROUPS))),
    View(principals=("g001", "g150")),
    View(principals=("g000", "g001", "g002"), where=(Condition(field="year", at_least=2010, at_most=2015),)),
)


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    small: int = 10_000
    large: int = 1_000_000
    updates: int = 17
    """More than a multiple of eight, so that segments are joined."""
    rebuilt: int = 20_000
    rounds: int = 30
    queries: int = 200
    kills: int = 200


QUICK = Sizes(small=1_000, large=20_000, updates=9, rebuilt=2_000, rounds=12, queries=40, kills=12)


@dataclass
class _Grown:
    """An index that grows, and what each update cost."""

    index: LiveIndex
    reader: LiveIndex
    size: int
    cpu: list[float]
    wall: list[float]
    visible: list[float]

    def grow(self) -> None:
        """Put a thousand more."""
        new = list(passages(self.size, ADDED))
        self.size += ADDED
        everyone = VIEWS[1]
        cpu, wall = time.process_time(), time.perf_counter()
        update(self.index, new)
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)
        found = self.reader.search(new[-1].text, 1, everyone)
        self.visible.append(time.perf_counter() - wall)
        assert [hit.doc_id for hit in found] == [new[-1].doc_id]


def build(folder: Path, documents: int, *, retriever: str = "hybrid") -> LiveIndex:
    """An index of so many passages."""
    index = _empty(folder, retriever)
    began = time.perf_counter()

    def say(done: int) -> None:
        print(f"  {done:,} of {documents:,}, {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)

    update(index, passages(0, documents), progress=say if documents > 100_000 else None)
    return index


def _empty(folder: Path, retriever: str) -> LiveIndex:
    words = retriever == "bm25"
    spec = IndexSpec(retriever="bm25" if words else "hybrid")
    create_live(folder, folder.name, spec, model="" if words else DrawnVectors.digest)
    return LiveIndex(folder, encoder=None if words else DrawnVectors())


def measure_cost(folder: Path, sizes: Sizes) -> list[Figure]:
    """What a thousand more cost, in a small index and in a large one."""
    cpu, began = time.process_time(), time.perf_counter()
    large = build(folder / "large", sizes.large)
    built = time.process_time() - cpu, time.perf_counter() - began
    indexes = [build(folder / "small", sizes.small), large]
    grown = [
        _Grown(index, LiveIndex(index.folder, encoder=DrawnVectors()), size, [], [], [])
        for index, size in zip(indexes, (sizes.small, sizes.large), strict=True)
    ]
    for _ in range(sizes.updates):
        for one in grown:
            one.grow()
    small, big = grown
    ratio = statistics.median(big.cpu) / statistics.median(small.cpu)
    visible = max(big.visible)
    return [
        Figure(f"build of {sizes.large:,}: processor seconds", built[0]),
        Figure("  wall-clock seconds", built[1]),
        Figure(f"+{ADDED:,} at {sizes.small:,}: processor seconds, median", statistics.median(small.cpu)),
        Figure(f"+{ADDED:,} at {sizes.large:,}: processor seconds, median", statistics.median(big.cpu)),
        Figure("  ratio", ratio, f"at most {MOST_RATIO}", ratio <= MOST_RATIO),
        Figure("  ratio of means, with joining", statistics.mean(big.cpu) / statistics.mean(small.cpu)),
        Figure("  ratio of medians by the clock", statistics.median(big.wall) / statistics.median(small.wall)),
        Figure(f"visible at {sizes.large:,}: seconds, slowest", visible, f"less than {MOST_SECONDS:g}", visible < 1),
        Figure("  median", statistics.median(big.visible)),
        *_query_times(large),
    ]


def _query_times(index: LiveIndex) -> list[Figure]:
    figures = []
    for name, view in zip(("anyone", "all groups", "two groups", "three groups and years"), VIEWS, strict=True):
        seconds = []
        for query in queries()[:30]:
            began = time.process_time()
            index.search(query, 10, view)
            seconds.append(time.process_time() - began)
        figures.append(Figure(f"a query by {name}: processor milliseconds, median", statistics.median(seconds) * 1000))
    return figures


def measure_equality(folder: Path, sizes: Sizes) -> list[Figure]:
    """How many answers of a refreshed index differ from those of one that is made anew."""
    figures = []
    for kind in ("bm25", "hybrid"):
        refreshed, living = _live_through(folder / f"{kind}-refreshed", kind, sizes)
        rebuilt = _empty(folder / f"{kind}-rebuilt", kind)
        update(rebuilt, living.values())
        segments = len(refreshed.current().parts)
        differ = count_differences(refreshed, rebuilt, sizes.queries)
        compact(refreshed)
        compacted = count_differences(refreshed, rebuilt, sizes.queries)
        asked = sizes.queries * len(VIEWS)
        what = f"{kind}: of {asked:,} answers, other than rebuilt"
        figures += [
            Figure(f"{what} ({segments} segments)", differ, "0", differ == 0),
            Figure(f"{what}, compacted", compacted, "0", compacted == 0),
        ]
    return figures


def _live_through(folder: Path, kind: str, sizes: Sizes) -> tuple[LiveIndex, dict[str, Document]]:
    """An index after many rounds, and what is left in it."""
    index, random = _empty(folder, kind), stream(SEED, kind)
    living = {one.doc_id: one for one in passages(0, sizes.rebuilt)}
    update(index, living.values())
    for turn in range(1, sizes.rounds + 1):
        count = sizes.rebuilt // 100
        added = list(passages(sizes.rebuilt + turn * count, count))
        numbers = random.sample(range(sizes.rebuilt), count)
        changed = [next(passages(number, 1, version=turn)) for number in numbers]
        closed = [_reader_removed(living[name]) for name in random.sample(sorted(living), count)]
        deleted = random.sample(sorted(living), count)
        update(index, [*added, *changed, *closed], deleted=deleted)
        for name in deleted:
            del living[name]
        living |= {one.doc_id: one for one in (*added, *changed, *closed)}
    return index, living


def _reader_removed(document: Document) -> Document:
    assert document.origin is not None
    return document.model_copy(update={"origin": document.origin.model_copy(update={"readers": ("g150",)})})


def count_differences(one: LiveIndex, other: LiveIndex, count: int) -> int:
    """Answers of two indexes that are not the same, bit by bit."""
    return sum(
        one.search(query, 20, view) != other.search(query, 20, view) for query in queries()[:count] for view in VIEWS
    )


def crash_figures(killed: Killed, synced: Synced) -> list[Figure]:
    """Kills and fsyncs as lines of the table."""
    return [
        Figure("kill -9", killed.kills, f"{killed.wanted}", killed.kills == killed.wanted),
        Figure("  acknowledged updates", killed.acknowledged),
        Figure("  kills that cut an update short", killed.cut),
        Figure("  corrupt afterwards", killed.corrupt, "0", killed.corrupt == 0),
        Figure("  acknowledged and lost", killed.lost, "0", killed.lost == 0),
        Figure("  answers other than rebuilt", killed.wrong, "0", killed.wrong == 0),
        Figure(f"generations published under {synced.how}", synced.published),
        Figure("  fsync calls", synced.calls, "more than 0", synced.calls > 0),
        Figure("  named by a manifest before they were synced", synced.missed, "0", synced.missed == 0),
    ]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refresh", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="20,000 passages instead of a million, under a minute")
    parser.add_argument("--kills", type=int, metavar="N", help="kill so often; the target is for 200")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else Sizes()
    try:
        queries()
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        figures = crash_figures(kill_often(Path(folder), options.kills or sizes.kills), watch_syncs(Path(folder)))
        figures += measure_equality(Path(folder), sizes)
        figures += measure_cost(Path(folder), sizes)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    figures += [
        Figure("memory at most, GB", gigabytes, f"less than {MOST_GIGABYTES:g}", gigabytes < MOST_GIGABYTES),
        Figure("  at the end without the pages of mapped files, GB", memory_kib("RssAnon") / 1e6),
    ]
    print(f"synthetic passages of real words, drawn vectors; {LICENCE}")
    return conclude(figures, options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
