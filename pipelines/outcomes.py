"""Outcomes of a workspace: the last one of each experiment and seed, for whoever asks later."""

from pathlib import Path

from workbench.core import DataError, nearest, read_record, write_record
from workbench.lab.outcome import Outcome


def keep_outcome(outcome: Outcome) -> Outcome:
    """Keep an outcome in its workspace, in place of an earlier one of the same experiment and seed."""
    name = f"{outcome.experiment}-seed{outcome.seed}.json"
    write_record(outcome.workspace / "outcomes" / name, outcome)
    return outcome


def kept_outcome(workspace: Path, name: str | None = None) -> Outcome:
    """The latest outcome of an experiment ("tool_calling", or "tool_calling-seed7"), or of any.

    Raises: DataError with the nearest known name if there is none.
    """
    files = sorted((workspace / "outcomes").glob("*.json"), key=lambda file: file.stat().st_mtime)
    if not files:
        raise DataError(f"workspace {str(workspace)!r}: holds no outcome; run an experiment first")
    wanted = [file for file in files if name is None or name in (file.stem, file.stem.rpartition("-seed")[0])]
    if not wanted:
        known = {file.stem.rpartition("-seed")[0] for file in files}
        raise DataError(f"outcome {name!r} ({workspace}): is not there; {nearest(str(name), known)}")
    return read_record(wanted[-1], Outcome)
