"""What KPIs are shown of, found by the names that people type."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from workbench.core import DataError, Run, Verdict, short
from workbench.evals import Evidence, read_evidence
from workbench.lab.stored import find_run, run_folders, runs_held


class Window(NamedTuple):
    """A time; None is open."""

    since: datetime | None
    until: datetime | None

    @classmethod
    def of(cls, since: datetime | None, until: datetime | None) -> Self:
        """As typed, which is in UTC."""
        return cls(since and since.replace(tzinfo=UTC), until and until.replace(tzinfo=UTC))

    @property
    def open(self) -> bool:
        """True if it leaves nothing out."""
        return self.since is None and self.until is None


def gather(workspace: Path, what: str | None, window: Window) -> Evidence:
    """The runs of an experiment, a stage or a package, with the workspace's records of use in a window.

    With a window and no name there is no run: only records of use carry times.
    Raises: DataError if nothing has that name; PackageError if a package is not sound.
    """
    if what is None and not window.open:
        return read_evidence(workspace).between(*window)
    runs, baseline = _runs(workspace, what)
    return read_evidence(workspace, runs=runs, baseline=baseline).between(*window)


def runs_behind(workspace: Path, verdict: Verdict) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """The challenger's run on which a verdict rests, and the champion's.

    Raises: DataError if the workspace does not hold the challenger's.
    """
    own = _held(workspace, verdict.agent_digest, verdict.run_digest)
    if not own:
        raise DataError(
            f"run {short(verdict.run_digest)!r} ({workspace}): the verdict rests on it and it is not there; "
            "name the workspace it was made in"
        )
    return own, _held(workspace, verdict.champion_digest, verdict.champion_run_digest)


def _runs(workspace: Path, what: str | None) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    if what is not None and (".agentpkg" in Path(what).name or what.endswith(".zip")):
        from workbench.packaging import verify_package

        return runs_behind(workspace, verify_package(Path(what)).verdict)
    if what is not None and any(name.startswith(what) for name in run_folders(workspace)):
        return (find_run(workspace, what).run,), ()
    from pipelines.outcomes import kept_outcome

    return runs_behind(workspace, kept_outcome(workspace, what).verdict)


def _held(workspace: Path, agent_digest: str, run_digest: str) -> tuple[Run, ...]:
    return tuple(held.run for held in runs_held(workspace, agent_digest=agent_digest, run_digest=run_digest))
