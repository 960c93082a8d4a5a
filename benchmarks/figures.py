"""Figures beside their targets, as the retrieval benchmarks print them, and how such a benchmark ends."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.evals import render_table


@dataclass(frozen=True)
class Figure:
    """Something measured beside what it must be; no target is for information."""

    name: str
    value: float
    target: str = ""
    met: bool | None = None


def memory_kib(field: str) -> int:
    """A field of this process's memory, such as "VmRSS", in KiB. Source: proc(5)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def conclude(figures: Sequence[Figure], file: Path | None, *, digits: int = 3) -> int:
    """Print the table, write the figures to a file if one is named; the exit code: 0 if every target is met, else 1."""
    words = {True: "met", False: "MISSED", None: ""}
    rows = [
        (one.name, f"{one.value:,.{digits}f}".rstrip("0").rstrip("."), one.target, words[one.met]) for one in figures
    ]
    print(render_table(("figure", "measured", "target", ""), rows))
    met = all(one.met is not False for one in figures)
    if file is not None:
        file.write_text(json.dumps({"met": met, "figures": [asdict(one) for one in figures]}, indent=1) + "\n")
    return 0 if met else 1
