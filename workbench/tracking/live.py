"""An execution while it goes on: its metrics step by step, and a run for each agent as soon as it is measured.

Everything that is told of one moment is written in one transaction. What an attempt that was cut left behind is taken
up by the next one: it has the same runs, and their history begins anew, since the attempt goes the same way again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import sqlalchemy
from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
from sqlalchemy.orm import Session

from workbench.core import TrackingError, boundary, canonical_json
from workbench.tracking.records import LiveRun, Look
from workbench.tracking.rows import (
    Place,
    find_place,
    follow,
    forget,
    insert_rows,
    points_of,
    set_rows,
    set_run,
    write_artifacts,
)
from workbench.tracking.runs import LIVE, PARENT, measured, now, rows_of
from workbench.tracking.store import Store

RUNNING, KILLED = "RUNNING", "KILLED"
ENDED = ("state", "dropped")
"""Tags that a run has when it has ended."""


@dataclass
class LiveRuns:
    """The runs inside one execution. For one thread."""

    store: Store
    parent: str
    place: Place
    known: dict[str, str]
    """The run of each agent that was ever followed here, by the agent's digest."""
    _open: set[str] = field(default_factory=set)
    """Agents whose runs go on."""
    _seen: set[str] = field(default_factory=set)

    @classmethod
    def begin(cls, store: Store, parent: str) -> Self:
        """Go on with an execution's run: earlier metrics are taken from it, and what still runs inside it is closed.

        Raises: TrackingError if the store refuses or does not know the run.
        """
        with boundary(TrackingError, f"run {parent!r}: can't be followed"):
            place = find_place(store, parent)
            if place is None:
                raise TrackingError(f"run {parent!r}: was never logged; log it before it is followed")
            with store.rows.ManagedSessionMaker(read_only=False) as session:
                known = _followed(session, parent)
                _kill(session, [*known.values()])
                forget(session, parent)
                set_run(session, parent, RUNNING, end=None)
        return cls(store, parent, place, known)

    def write(self, looks: Sequence[Look]) -> None:
        """Write what happened at these moments, in order and in one transaction.

        Raises: TrackingError if the store refuses; nothing of it is then written.
        """
        with boundary(TrackingError, f"run {self.parent!r}: can't be followed"):
            clean = [self.store.clean(look) for look in looks]
            with self.store.rows.ManagedSessionMaker(read_only=False) as session:
                for look in clean:
                    follow(session, self.parent, points_of(look.metrics, now(), look.step))
                    for run in look.runs:
                        self._write(session, run)

    def close(self, status: str) -> None:
        """End the execution's run; what still runs inside it was cut.

        Raises: TrackingError if the store refuses.
        """
        with (
            boundary(TrackingError, f"run {self.parent!r}: can't be closed"),
            self.store.rows.ManagedSessionMaker(read_only=False) as session,
        ):
            _kill(session, [self.known[agent] for agent in self._open])
            set_run(session, self.parent, status, end=now())

    def _write(self, session: Session, run: LiveRun) -> None:
        agent = run.log.agent_digest
        if agent not in self._open:
            self._show(session, run)
        run_id, status = self.known[agent], "FINISHED" if run.ended else RUNNING
        follow(session, run_id, points_of(run.metrics, now(), run.step))
        if run.ended:
            metrics, tags = measured(run.log)
            set_rows(session, run_id, points_of(metrics, now()), tags)
            set_run(session, run_id, status, end=now())
            self._open.discard(agent)

    def _show(self, session: Session, run: LiveRun) -> None:
        """Begin the run of an agent, or go on with it."""
        log, agent = run.log, run.log.agent_digest
        if agent in self.known:
            if agent not in self._seen:
                forget(session, self.known[agent], ENDED)
            set_run(session, self.known[agent], RUNNING, end=None)
        else:
            rows = rows_of(log, self.parent, RUNNING, LIVE)
            spec = canonical_json(log.params) + b"\n"
            files = {name: text.encode() for name, text in log.texts.items()}
            write_artifacts(self.place.artifacts(rows.run_id), {"spec.json": spec, **files})
            insert_rows(session, self.place, rows)
            self.known[agent] = rows.run_id
        self._open.add(agent)
        self._seen.add(agent)


def _followed(session: Session, parent: str) -> dict[str, str]:
    """The runs inside an execution that were followed, by the digest of their agent."""
    tag, runs = SqlTag.__table__.c, SqlRun.__table__.c
    inside = sqlalchemy.select(tag.run_uuid).where(tag.key == PARENT, tag.value == parent)
    (mark,) = LIVE.items()
    marked = sqlalchemy.select(tag.run_uuid).where(tag.key == mark[0], tag.value == mark[1])
    active = sqlalchemy.select(runs.run_uuid).where(runs.lifecycle_stage == "active")
    asked = sqlalchemy.select(tag.value, tag.run_uuid).where(
        tag.key == "agent_digest", *(tag.run_uuid.in_(one) for one in (inside, marked, active))
    )
    return {str(agent): str(run_id) for agent, run_id in session.execute(asked.order_by(tag.run_uuid.desc()))}


def _kill(session: Session, run_ids: Sequence[str]) -> None:
    runs = SqlRun.__table__
    running = sqlalchemy.update(runs).where(runs.c.run_uuid.in_(run_ids), runs.c.status == RUNNING)
    session.execute(running.values(status=KILLED, end_time=now()))
