"""What KPIs are computed from: runs, and the records of what happens to an agent in use."""

from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AwareDatetime, Field

from workbench.core import Record, Run, read_records


class Release(Record):
    """An agent that was put into use."""

    release: str = Field(min_length=1)
    at: AwareDatetime
    failed: bool | None = None
    """True if it was rolled back or repaired at once; None as long as nobody can tell."""


class Incident(Record):
    """Something that went wrong in use, once."""

    incident: str = Field(min_length=1)
    at: AwareDatetime
    release: str = ""
    """The release that caused it; empty if none did, or nobody knows."""


class UsageEvent(Record):
    """A request that a person made, or a team that was given the agent."""

    at: AwareDatetime
    kind: Literal["request", "enabled"] = "request"
    user: str = ""
    """A pseudonym, the same for the same person."""
    team: str = ""


class Rating(Record):
    """What one person says of one answer."""

    at: AwareDatetime
    rater: str = Field(min_length=1)
    """A pseudonym, the same for the same person."""
    agent_digest: str = ""
    """Of the agent whose answer it is; empty if not known, and then it labels no run's answer."""
    case_id: str = ""
    repeat: int = 0
    stars: int | None = Field(default=None, ge=1, le=5)
    """How satisfied the person is; None if not asked."""
    grounded: bool | None = None
    """Whether the answer's sources bear it out; None if not asked."""


At = TypeVar("At", Release, Incident, UsageEvent, Rating)


class Evidence(Record):
    """Everything that KPIs can be computed from. None means that no record is kept; empty, that nothing happened."""

    runs: tuple[Run, ...] = ()
    """Of one agent."""
    baseline: tuple[Run, ...] = ()
    """Of what it is held against, on the same cases."""
    releases: tuple[Release, ...] | None = None
    incidents: tuple[Incident, ...] | None = None
    usage: tuple[UsageEvent, ...] | None = None
    ratings: tuple[Rating, ...] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    """The window of the records: from `since` on, before `until`; None is open."""

    def between(self, since: datetime | None, until: datetime | None) -> "Evidence":
        """The evidence of a window: records of another time are left out; runs carry no time and stay."""
        return self.model_copy(
            update={
                "releases": _within(self.releases, since, until),
                "incidents": _within(self.incidents, since, until),
                "usage": _within(self.usage, since, until),
                "ratings": _within(self.ratings, since, until),
                "since": since,
                "until": until,
            }
        )


def read_evidence(folder: Path, *, runs: tuple[Run, ...] = (), baseline: tuple[Run, ...] = ()) -> Evidence:
    """Runs, with the records that a folder keeps: releases, incidents, usage and ratings, each in a .jsonl.

    Raises: DataError with file and line for what does not fit.
    """
    return Evidence(
        runs=runs,
        baseline=baseline,
        releases=_read(folder / "releases.jsonl", Release),
        incidents=_read(folder / "incidents.jsonl", Incident),
        usage=_read(folder / "usage.jsonl", UsageEvent),
        ratings=_read(folder / "ratings.jsonl", Rating),
    )


def _read(path: Path, kind: type[At]) -> tuple[At, ...] | None:
    return tuple(read_records(path, kind)) if path.exists() else None


def _within(records: tuple[At, ...] | None, since: datetime | None, until: datetime | None) -> tuple[At, ...] | None:
    if records is None:
        return None
    return tuple(
        record for record in records if (since is None or record.at >= since) and (until is None or record.at < until)
    )
