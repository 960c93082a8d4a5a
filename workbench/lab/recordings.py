"""Runs that were recorded elsewhere, taken into a workspace: compared, gated and reviewed like any other."""

import re
from pathlib import Path
from typing import NamedTuple

from workbench.core import Run, short, write_record, write_run
from workbench.datasets import Recorded, read_recorded

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


class Imported(NamedTuple):
    """A recorded run, and the folder it was written to."""

    folder: Path
    run: Run


def import_recording(path: Path, kind: str, workspace: Path) -> tuple[Recorded, tuple[Imported, ...]]:
    """Read a file of recorded runs and keep each as `runs/<agent>-<digest>`; again is the same folders.

    Source, licence and attribution stay beside each run. Raises: DataError if the file can't be read as that kind;
    then nothing is kept.
    """
    recorded = read_recorded(path, kind=kind)
    card = recorded.model_copy(update={"runs": (), "requests": {}})
    kept = []
    for run in recorded.runs:
        name = _UNSAFE.sub("_", run.header.agent).strip("_") or "agent"
        folder = workspace / "runs" / f"{name}-{short(run.digest)}"
        write_record(folder / "recording.json", card)
        write_run(folder, run)
        kept.append(Imported(folder, run))
    return recorded, tuple(kept)
