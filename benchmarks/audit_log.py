"""Is everything found that is done to an audit log of a million records, and what does the log cost?

    python -m benchmarks.audit_log [--quick] [--json FILE]

Simulation: entries as a gate writes them, of 50 tenants, drawn from one seed, in a log that is made for this. The
damage is done to the log itself, byte by byte, and it is `verify` that has to find it; what it is told besides is the
public key and the anchor, as kept elsewhere. Fair-comparison rules: one thread, one process; an append is timed one by
one, and the median is told, as well as the mean; verification is timed over the whole log, from the file. Each byte of
some lines is flipped and looked for in its own link and the next, by the function that makes the links and not by
`verify`, because a flip can show nowhere else; flips, deletions, swaps, doubles, cuts and forgeries all over
the log are looked for by `verify` in the whole file. That effects and records match one to one is measured
where there are effects: in
`benchmarks.kill_gate`. --quick: 50,000 records. Data: none but what is drawn here.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from benchmarks.figures import Figure, conclude
from workbench.core import stream
from workbench.safety import UNKNOWN, USER
from workbench.tools import LOG, AuditEntry, AuditKeys, ChainedLog, ToolError, verify
from workbench.tools.audit_chain import chained

SEED = 6
RECORDS, QUICK = 1_000_000, 50_000
TENANTS = 50
DAMAGES = 60
QUICK_DAMAGES = 120
LINES = 200
"""Lines of which each byte is flipped."""
Edit = tuple[int, int, bytes]
"""From where to where in the file, and what stands there instead."""


def main() -> int:
    """Make the log, damage it, and tell what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    records, damages = (QUICK, QUICK_DAMAGES) if options.quick else (RECORDS, DAMAGES)
    folder = Path(tempfile.mkdtemp(prefix="audit-"))
    try:
        figures = measure(folder, records, damages)
    finally:
        shutil.rmtree(folder)
    print(f"simulation; {records:,} records" + ("; quick: a smaller log" if options.quick else ""))
    return conclude(figures, options.json)


def measure(folder: Path, records: int, damages: int) -> list[Figure]:
    """All figures."""
    keys = AuditKeys(folder / "keys")
    public, anchor = keys.public.public_bytes_raw().hex(), folder / "anchor"
    log = ChainedLog(folder, keys, anchor=anchor)
    micros = [_timed(log, entry) for entry in entries(records)]
    log.close()
    start = time.perf_counter()
    found = verify(folder, public_key=public, anchor=anchor)
    rate = found.records / (time.perf_counter() - start)
    random = stream(SEED, "damage")
    flips, missed = _flip_bytes(folder / LOG, random)
    lost = sum(not _noticed(folder, public, anchor, kind, random) for kind in _kinds(damages))
    erased = _erase(folder, keys, anchor, public)
    return [
        Figure("records verified", found.records, f"= {records:,}", found.records == records and not found.doubts),
        Figure("records verified a second", rate, ">= 200,000", rate >= 200_000),
        Figure(f"flips missed, of {flips:,}: each byte of {LINES} lines", missed, "= 0", missed == 0),
        Figure(f"damages of the whole log missed, of {damages}", lost, "= 0", lost == 0),
        Figure("erasures that left a readable entry or broke the log", erased, "= 0", erased == 0),
        Figure("append, median microseconds", statistics.median(micros), "<= 15", statistics.median(micros) <= 15),
        Figure("append, 95th percentile", statistics.quantiles(micros, n=20)[-1]),
        Figure("append, mean", statistics.fmean(micros)),
        Figure("bytes a record", (folder / LOG).stat().st_size / records),
    ]


def entries(count: int) -> Iterator[AuditEntry]:
    """Entries as a gate writes them."""
    random = stream(SEED, "entries")
    labels = {"/order": USER, "/amount": USER, "/note": UNKNOWN}
    for number in range(count):
        yield AuditEntry.model_construct(
            kind="intent" if number % 2 == 0 else "outcome",
            at=f"2026-{1 + number * 12 // count:02}-23T11:30:00.123456+00:00",
            call_id=f"{number // 2:024x}",
            tenant=f"tenant-{random.randrange(TENANTS):02}",
            principal="ann",
            session="s-1",
            tool="refund",
            version="1",
            effect="write",
            arguments_digest=f"{number:064x}",
            arguments=f'{{"order": "W{number:08}", "amount": 12.5, "note": "late"}}',
            labels=labels,
            decision="allowed",
            policies=("refunds-are-for-agents",),
            approval_id="",
            attempt=1,
            result="" if number % 2 == 0 else "done",
            code="",
            output="" if number % 2 == 0 else '{"state": "refunded"}',
        )


def _timed(log: ChainedLog, entry: AuditEntry) -> float:
    start = time.perf_counter()
    log.append(entry)
    return (time.perf_counter() - start) * 1e6


def _flip_bytes(path: Path, random: Random) -> tuple[int, int]:
    """How many bytes were flipped, and how many flips the links around them don't show."""
    size, flips, missed = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        for _ in range(LINES):
            file.seek(random.randrange(size - 10_000))
            file.readline()
            before, own, after = file.readline(), file.readline(), file.readline()
            for place in range(len(own)):
                touched = bytearray(own)
                touched[place] ^= 1 << random.randrange(8)
                flips += 1
                missed += _links_hold(before[-65:-1], bytes(touched) + after)
    return flips, missed


def _links_hold(digits: bytes, data: bytes) -> bool:
    """Whether each line is the one that follows from what stands before it."""
    for line in data.split(b"\n")[:-1]:
        if chained(digits, line[:-65]) != line + b"\n":
            return False
        digits = line[-64:]
    return True


def _kinds(damages: int) -> Iterator[str]:
    kinds = ("flip", "delete", "swap", "double", "cut", "cut at a checkpoint", "forge", "foreign")
    for number in range(damages):
        yield kinds[number % len(kinds)]


def _noticed(folder: Path, public: str, anchor: Path, kind: str, random: Random) -> bool:
    """Damage a copy of the log's end or all of it, and see whether that is found; the log is as before afterwards."""
    path = folder / LOG
    size = path.stat().st_size
    # A cut at the last checkpoint would be no cut: that kind stays before the last tenth.
    place = random.randrange(1_000, size * 9 // 10 if kind == "cut at a checkpoint" else size - 20_000)
    with path.open("rb") as file:
        file.seek(place)
        start = place + len(file.readline())
        lines = [file.readline() for _ in range(6)]
        if kind == "cut at a checkpoint":
            while not lines[0].startswith(b"c "):
                start += len(lines[0])
                lines = [*lines[1:], file.readline()] if len(lines) > 1 else [file.readline()]
                assert lines[0], "a checkpoint follows every 1,024 lines"
        file.seek(start)
        rest = file.read()
    changed = _damage(kind, rest, lines, random)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(changed)
        file.truncate()
    try:
        verify(folder, public_key=public, anchor=anchor)
        return False
    except ToolError:
        return True
    finally:
        with path.open("r+b") as file:
            file.seek(start)
            file.write(rest)
            file.truncate()


def _damage(kind: str, rest: bytes, lines: list[bytes], random: Random) -> bytes:
    """The rest of a log, which begins with these lines, after something was done to it."""
    first, second = lines[0], lines[1]
    place, bit = random.randrange(len(first)), 1 << random.randrange(8)
    digits = first[-65:-1]
    done = {
        "flip": lambda: rest[:place] + bytes([rest[place] ^ bit]) + rest[place + 1 :],
        "delete": lambda: rest[len(first) :],
        "swap": lambda: second + first + rest[len(first) + len(second) :],
        "double": lambda: first + rest,
        "cut": lambda: rest[:place],
        "cut at a checkpoint": lambda: first,
        "forge": lambda: first + _chained_anew(digits, rest[len(first) + len(second) :]),
        "foreign": lambda: first + chained(digits, lines[3][:-65]) + rest[len(first) :],
    }
    return done[kind]()


def _chained_anew(digits: bytes, rest: bytes) -> bytes:
    """The lines as they would follow other digits, which anybody can work out: only signatures need a key."""
    told = []
    for line in rest.splitlines():
        told.append(chained(digits, line[:-65]))
        digits = told[-1][-65:-1]
    return b"".join(told)


def _erase(folder: Path, keys: AuditKeys, anchor: Path, public: str) -> int:
    """Erase a tenant, and look for what is left."""
    log = ChainedLog(folder, keys, anchor=anchor)
    log.erase("tenant-07")
    log.close()
    left = sum(key.tenant == "tenant-07" for key in keys.all())
    return left + bool(verify(folder, public_key=public, anchor=anchor).doubts)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
