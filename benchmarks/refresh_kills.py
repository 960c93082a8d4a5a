"""Kill -9 the writer of a live index again and again, and watch what it has the disk sync.

A part of `benchmarks.refresh`. A supervising process forks a child for each start, which goes on where the last one
was stopped: update number n puts some of a few hundred passages anew and deletes others, always the same for the same
n. "begun n" and "done n" are appended to a file before and after each, so what was acknowledged is known from outside.
After a kill the whole index is read: it has to be as it was after the last update that was done, or, if another one
was begun, as after that one; and it has to answer as an index that is made anew of the same passages.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import forked
from benchmarks.passages import DrawnVectors, passages, queries
from workbench.core import Document, RetrievalError, stream
from workbench.retrieval import IndexSpec, LiveIndex, View, compact, create_live, update
from workbench.retrieval.live_manifest import Manifest, read_manifest

SEED = 12
POOL = 400
PUT, DELETED = 12, 4
EVERY = 25
"""Updates between which the index is compacted, so that kills hit that, too."""
MOST_UPDATES = 4
LONGEST_SECONDS = 0.15
"""A child is killed within one of its first updates, so long after it began at most."""
LOOK_SECONDS = 0.002
EVERYONE_READS = View(principals=tuple(f"g{number:03}" for number in range(200)))
SPEC = IndexSpec(retriever="hybrid")


@dataclass
class Killed:
    """What became of an index that was killed often."""

    wanted: int
    kills: int = 0
    acknowledged: int = 0
    cut: int = 0
    """Kills that came between the beginning and the end of an update."""
    corrupt: int = 0
    lost: int = 0
    wrong: int = 0


@dataclass
class Synced:
    """What a writer had the disk sync."""

    how: str
    published: int
    calls: int
    missed: int


def kill_often(folder: Path, wanted: int) -> Killed:
    """Kill a writer so often, and look after each kill."""
    place, told, random = folder / "killed", folder / "killed.log", stream(SEED, "kills")
    create_live(place, "killed", SPEC, model=DrawnVectors.digest)
    queries()  # read once, before any child is forked
    next(passages(0, 1))
    killed = Killed(wanted)
    while killed.kills < wanted:
        until = _last(told, "done") + random.randrange(MOST_UPDATES)
        child = forked.start(partial(_write, place, told))
        while _last(told, "begun") <= until and not forked.ended(child):
            time.sleep(LOOK_SECONDS)
        time.sleep(random.uniform(0, LONGEST_SECONDS))
        killed.kills += forked.kill(child)
        begun, done = _last(told, "begun"), _last(told, "done")
        killed.cut += begun > done
        killed.acknowledged = done
        _look(place, killed, (done, begun))
    _compare(place, folder / "anew", killed)
    return killed


def _write(place: Path, told: Path) -> None:
    """Go on updating for ever."""
    tell = forked.appender(told)
    index = LiveIndex(place, encoder=DrawnVectors())
    number = _last(told, "done") + 1
    while True:
        put, deleted = _turn(number)
        tell(f"begun {number}")
        update(index, put, deleted=deleted)
        tell(f"done {number}")
        if number % EVERY == 0:
            compact(index)
        number += 1


def _turn(number: int) -> tuple[list[Document], list[str]]:
    """What an update puts and deletes."""
    random = stream(SEED, "turn", str(number))
    chosen = random.sample(range(POOL), PUT + DELETED)
    put = [next(passages(one, 1, version=number)) for one in chosen[:PUT]]
    return put, [next(passages(one, 1)).doc_id for one in chosen[PUT:]]


def _state(number: int) -> dict[str, Document]:
    """What an index holds after so many updates."""
    living: dict[str, Document] = {}
    for one in range(max(1, number - 400), number + 1):  # a passage is put or deleted anew every 25 updates or so
        put, deleted = _turn(one)
        for name in deleted:
            living.pop(name, None)
        living |= {document.doc_id: document for document in put}
    return living


def _look(place: Path, killed: Killed, updates: tuple[int, int]) -> None:
    try:
        index = LiveIndex(place, encoder=DrawnVectors())
        ids = [name for part in index.current().parts for name in part.segment.ids.all()]
        held = {one.doc_id: one for one in index.get(sorted(set(ids))) if one is not None}
        index.search(queries()[0], 10, EVERYONE_READS)
    except (RetrievalError, ValueError, KeyError) as error:
        print(f"after kill {killed.kills}: {error}", file=sys.stderr)
        killed.corrupt += 1
        return
    if not any(held == _state(number) for number in dict.fromkeys(updates)):
        killed.lost += 1


def _compare(place: Path, anew: Path, killed: Killed) -> None:
    """Count answers that differ from those of an index that is made anew."""
    index = LiveIndex(place, encoder=DrawnVectors())
    ids = sorted({name for part in index.current().parts for name in part.segment.ids.all()})
    create_live(anew, "killed", SPEC, model=DrawnVectors.digest)
    other = LiveIndex(anew, encoder=DrawnVectors())
    update(other, [one for one in index.get(ids) if one is not None])
    asked = queries()[:50]
    killed.wrong = sum(index.search(one, 10, EVERYONE_READS) != other.search(one, 10, EVERYONE_READS) for one in asked)


def _last(told: Path, what: str) -> int:
    return max((int(line.split()[1]) for line in forked.lines(told) if line.startswith(what)), default=0)


def watch_syncs(folder: Path) -> Synced:
    """Watch a writer with strace, where it is installed; else count what it asks of `os.fsync`, which sees no order."""
    place, log = folder / "watched", folder / "strace.log"
    command = [sys.executable, "-m", "benchmarks.refresh_kills", str(place)]
    traced = ["strace", "-f", "-y", "-o", str(log), "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"]
    if shutil.which("strace") is None:
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return Synced("os.fsync, counted", read_manifest(place).generation, int(said), 0)
    subprocess.run([*traced, *command], check=True, capture_output=True)
    return _judge(place, log.read_text().splitlines())


def _judge(place: Path, lines: Sequence[str]) -> Synced:
    """Was everything that the last manifest names synced before a rename that published it, and the folder after?"""
    synced: set[str] = set()
    calls = published = missed = 0
    waiting = False
    for line in lines:
        if found := re.search(r"(?:fsync|fdatasync)\(\d+<(.+?)>\)\s+= 0", line):
            calls += 1
            synced.add(found.group(1))
            waiting = waiting and found.group(1) != str(place)
        elif re.search(r'rename\w*\(.*manifest\.json"', line) and line.endswith("= 0"):
            published += 1
            missed += waiting  # the folder was not synced after the rename before
            waiting = True
    manifest = read_manifest(place)
    named = [path for path in _named(place, manifest) if str(path) not in synced]
    return Synced("strace", published, calls, missed + waiting + len(named))


def _named(place: Path, manifest: Manifest) -> list[Path]:
    segments = [place / "segments" / entry.name for entry in manifest.segments]
    files = [path for folder in segments for path in (folder, *folder.rglob("*"))]
    used = {state for entry in manifest.segments for state in (entry.gone, entry.confirmed) if state}
    states = [place / "states" / f"{state}.npz" for state in sorted(used)]
    return [*files, *states, place / "segments", place / "states"]


def _watched(place: Path) -> None:
    """What is done under strace: updates, one of them with a deletion."""
    create_live(place, "watched", SPEC, model=DrawnVectors.digest)
    index = LiveIndex(place, encoder=DrawnVectors())
    first = list(passages(0, 5_000))
    update(index, first)
    update(index, passages(5_000, 50), deleted=[first[0].doc_id])
    update(index, passages(5_050, 50))


def _counted(place: Path) -> int:
    """How often a writer calls `os.fsync`."""
    calls, real = 0, os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        real(descriptor)

    os.fsync = fsync  # type: ignore[assignment]
    _watched(place)
    return calls


if __name__ == "__main__":
    print(_counted(Path(sys.argv[1])))
