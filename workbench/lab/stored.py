"""Runs that a workspace holds, found by the names that people type, with the cases they are of."""

from pathlib import Path
from typing import NamedTuple

from workbench.core import Case, DataError, EvalSet, Run, RunHeader, nearest, read_record, read_run, short


class StoredRun(NamedTuple):
    """A run, and where it lies."""

    name: str
    folder: Path
    run: Run


def run_folders(workspace: Path) -> dict[str, Path]:
    """Where each run lies, by the name of its folder, or of its stage's; of a stage it is the run on the test."""
    stages = {file.parents[1].name: file.parent for file in sorted((workspace / "stages").glob("*/test/header.json"))}
    return stages | {file.parent.name: file.parent for file in sorted((workspace / "runs").glob("*/header.json"))}


def runs_held(workspace: Path, *, agent_digest: str, run_digest: str) -> tuple[StoredRun, ...]:
    """The run with these digests, if the workspace holds it; only runs of that agent are read."""
    for name, folder in run_folders(workspace).items():
        if read_record(folder / "header.json", RunHeader).agent_digest == agent_digest:
            run = read_run(folder)
            if run.digest == run_digest:
                return (StoredRun(name, folder, run),)
    return ()


def find_run(workspace: Path, name: str) -> StoredRun:
    """The run whose folder, or whose stage's folder, has this name or the only one that begins so.

    Of a stage it is the run on the test. Raises: DataError with the nearest known name.
    """
    folders = run_folders(workspace)
    found = [known for known in folders if known == name] or [known for known in folders if known.startswith(name)]
    if not folders:
        raise DataError(f"workspace {str(workspace)!r}: holds no run; run an experiment or a suite first")
    if len(found) != 1:
        several = f"begins {len(found)} names; " if found else "is not there; "
        raise DataError(f"run {name!r} ({workspace}): {several}{nearest(name, folders)}")
    return StoredRun(found[0], folders[found[0]], read_run(folders[found[0]]))


def cases_of(workspace: Path, stored: StoredRun) -> tuple[Case, ...]:
    """The cases that a run was made on.

    Raises: DataError if the eval set is not in the workspace, as for a run that was recorded elsewhere.
    """
    wanted = stored.run.header.evalset_digest
    beside = stored.folder / "evalset.json"
    files = [beside] if beside.exists() else sorted((workspace / "stages").glob("evalset-*/evalset.json"))
    for file in files:
        evalset = read_record(file, EvalSet)
        if evalset.digest == wanted:
            return tuple(evalset.split(stored.run.header.split))
    raise DataError(f"run {stored.name!r} ({stored.folder}): its eval set {short(wanted)} is not in the workspace")


def known_cases(workspace: Path, stored: StoredRun) -> tuple[Case, ...]:
    """The cases that a run was made on; none for one that was recorded elsewhere: nobody knows what it expected."""
    return () if (stored.folder / "recording.json").exists() else cases_of(workspace, stored)
