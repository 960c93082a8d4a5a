"""A run as the rows by which MLflow stores it, written in one transaction: it is there whole or not at all.

The rows are those that MLflow 3.17's own calls write; a test holds them against each other. MLflow's calls take a
transaction for each kind of row, and read the run before each.
"""

import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy
from mlflow.entities import Metric, Param, RunTag
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.dbmodels.models import (
    SqlDataset,
    SqlExperiment,
    SqlInput,
    SqlInputTag,
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from mlflow.utils.uri import append_to_uri_path
from mlflow.utils.validation import _validate_batch_log_data
from pydantic import JsonValue
from sqlalchemy.orm import Session

from workbench.core import canonical_json, short
from workbench.tracking.records import DataLog
from workbench.tracking.spans import Row
from workbench.tracking.store import Store

Content = Iterator[tuple[sqlalchemy.Table, list[Row]]]

_SOURCE = {"mlflow.user": "workbench", "mlflow.source.name": "workbench", "mlflow.source.type": "LOCAL"}


@dataclass(frozen=True)
class RunRows:
    """Everything that a run has when it is first seen."""

    run_id: str
    name: str
    status: str
    """MLflow's word: RUNNING or FINISHED."""
    start: int
    """Milliseconds since 1970; also the time of every metric."""
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    data: Sequence[DataLog] = ()


@dataclass(frozen=True)
class Place:
    """Where a run stands."""

    experiment_id: int
    location: str
    """Of the experiment's artifacts."""
    start: int = 0
    """When the run began, in milliseconds since 1970."""

    def artifacts(self, run_id: str) -> str:
        """Where the artifacts of a run of the same experiment lie."""
        return str(append_to_uri_path(self.location, run_id, "artifacts"))  # type: ignore[no-untyped-call]


def find_run(store: Store, tags: Mapping[str, str], *, finished: bool = False) -> str | None:
    """The id of a run that has these tags and was not deleted, the first by id; None if there is none."""
    runs, tag = SqlRun.__table__.c, SqlTag.__table__.c
    asked = sqlalchemy.select(runs.run_uuid).where(runs.lifecycle_stage == "active").order_by(runs.run_uuid)
    if finished:
        asked = asked.where(runs.status == "FINISHED")
    for name, value in tags.items():
        asked = asked.where(
            runs.run_uuid.in_(sqlalchemy.select(tag.run_uuid).where(tag.key == name, tag.value == value))
        )
    with store.rows.ManagedSessionMaker(read_only=True) as session:
        found = session.scalars(asked.limit(1)).first()
    return None if found is None else str(found)


def find_place(store: Store, run_id: str) -> Place | None:
    """Where a run stands; None if there is none."""
    runs, experiments = SqlRun.__table__.c, SqlExperiment.__table__.c
    asked = (
        sqlalchemy.select(runs.experiment_id, experiments.artifact_location, runs.start_time)
        .join_from(SqlRun.__table__, SqlExperiment.__table__, runs.experiment_id == experiments.experiment_id)
        .where(runs.run_uuid == run_id)
    )
    with store.rows.ManagedSessionMaker(read_only=True) as session:
        found = session.execute(asked).one_or_none()
    return None if found is None else Place(int(found[0]), str(found[1]), int(found[2]))


def insert_run(store: Store, place: Place, rows: RunRows) -> None:
    """Write a run in the experiment of `place`, all of it or nothing."""
    with store.rows.ManagedSessionMaker(read_only=False) as session:
        insert_rows(session, place, rows)


def insert_rows(session: Session, place: Place, rows: RunRows) -> None:
    """Write a run as part of a larger transaction."""
    for table, content in (*_own(place, rows), *_inputs(session, place, rows)):
        if content:
            session.execute(sqlalchemy.insert(table), content)


def write_artifacts(location: str, files: Mapping[str, bytes]) -> None:
    """Write files by name to where a run's artifacts lie."""
    repository = get_artifact_repository(location)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.write_bytes(content)
            repository.log_artifact(str(path))  # type: ignore[no-untyped-call]


def set_tag(store: Store, run_id: str, name: str, value: str) -> None:
    """Set one tag of a run without reading all of the run first."""
    add_rows(store, run_id, 0, {}, {name: value})


def add_rows(store: Store, run_id: str, start: int, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    """Add metrics, taken at `start`, and tags to a run, in place of those of the same names."""
    with store.rows.ManagedSessionMaker(read_only=False) as session:
        set_rows(session, run_id, points_of(metrics, start), tags)


def close_run(store: Store, run_id: str, status: str, end: int) -> bool:
    """Set a run's status and end, in milliseconds since 1970; False if there is no such run."""
    with store.rows.ManagedSessionMaker(read_only=False) as session:
        return set_run(session, run_id, status, end=end)


def set_run(session: Session, run_id: str, status: str, *, end: int | None) -> bool:
    """Set a run's status and end, None while it goes on; False if there is no such run."""
    runs = SqlRun.__table__
    change = sqlalchemy.update(runs).where(runs.c.run_uuid == run_id).values(status=status, end_time=end)
    return int(session.connection().execute(change).rowcount) == 1


def set_rows(session: Session, run_id: str, metrics: Sequence[Metric], tags: Mapping[str, str]) -> None:
    """Add metrics and tags to a run, in place of those of the same names with all their earlier values."""
    points, _, marks = _checked([*metrics], [], [RunTag(name, value) for name, value in tags.items()])
    for table, content in _measured(run_id, points, marks):
        _replace(session, table, run_id, content)


def follow(session: Session, run_id: str, metrics: Sequence[Metric]) -> None:
    """Add a further value of each metric to a run; the earlier ones stay as its history."""
    points, _, _ = _checked([*metrics], [], [])
    (history, values), (latest, _), _ = _measured(run_id, points, [])
    if values:
        session.execute(sqlalchemy.insert(history).prefix_with("OR IGNORE"), values)
        _replace(session, latest, run_id, values)


def forget(session: Session, run_id: str, tags: Sequence[str] = ()) -> None:
    """Take all metrics from a run, and the tags of these names."""
    for table in (SqlMetric.__table__, SqlLatestMetric.__table__):
        session.execute(sqlalchemy.delete(table).where(table.c.run_uuid == run_id))
    session.execute(sqlalchemy.delete(SqlTag.__table__).where(SqlTag.run_uuid == run_id, SqlTag.key.in_(tags)))


def _replace(session: Session, table: sqlalchemy.Table, run_id: str, content: list[Row]) -> None:
    if content:
        names = [str(row["key"]) for row in content]
        session.execute(sqlalchemy.delete(table).where(table.c.run_uuid == run_id, table.c.key.in_(names)))
        session.execute(sqlalchemy.insert(table), content)


def _checked(
    metrics: list[Metric], params: list[Param], tags: list[RunTag]
) -> tuple[list[Metric], list[Param], list[RunTag]]:
    """As MLflow would take them: what is too long is cut, what it does not allow is refused."""
    taken: tuple[list[Metric], list[Param], list[RunTag]]
    taken = _validate_batch_log_data(metrics, params, tags)  # type: ignore[no-untyped-call]
    return taken


def _own(place: Place, rows: RunRows) -> Content:
    points, params, tags = _checked(
        points_of(rows.metrics, rows.start),
        [Param(name, value) for name, value in rows.params.items()],
        [RunTag(name, value) for name, value in {**_SOURCE, **rows.tags, "mlflow.runName": rows.name}.items()],
    )
    yield SqlRun.__table__, [_run(place, rows)]
    yield SqlParam.__table__, [{"run_uuid": rows.run_id, "key": param.key, "value": param.value} for param in params]
    yield from _measured(rows.run_id, points, tags)


def points_of(metrics: Mapping[str, float], at: int, step: int = 0) -> list[Metric]:
    """Metrics as taken at a time, in milliseconds since 1970, and a step."""
    return [Metric(name, float(value), at, step) for name, value in metrics.items()]


def _measured(run_id: str, points: Sequence[Metric], tags: Sequence[RunTag]) -> Content:
    mine: Row = {"run_uuid": run_id, "is_nan": False}
    values = [
        mine | {"key": one.key, "value": one.value, "timestamp": one.timestamp, "step": one.step} for one in points
    ]
    yield SqlMetric.__table__, values
    yield SqlLatestMetric.__table__, values
    yield SqlTag.__table__, [{"run_uuid": run_id, "key": tag.key, "value": tag.value} for tag in tags]


def _run(place: Place, rows: RunRows) -> Row:
    return {
        "run_uuid": rows.run_id,
        "name": rows.name,
        "artifact_uri": place.artifacts(rows.run_id),
        "experiment_id": place.experiment_id,
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "user_id": "workbench",
        "status": rows.status,
        "start_time": rows.start,
        "end_time": rows.start if rows.status == "FINISHED" else None,
        "deleted_time": None,
        "source_version": "",
        "lifecycle_stage": "active",
    }


def _inputs(session: Session, place: Place, rows: RunRows) -> Content:
    """Data sets that the experiment does not have yet, and the links from this run to all it used."""
    if not rows.data:
        return
    table = SqlDataset.__table__.c
    asked = sqlalchemy.select(table.name, table.digest, table.dataset_uuid).where(
        table.experiment_id == place.experiment_id, table.name.in_({item.name for item in rows.data})
    )
    known = {(name, digest): identity for name, digest, identity in session.execute(asked)}
    new = {_named(item): item for item in rows.data if _named(item) not in known}
    known |= {named: uuid.uuid4().hex for named in new}
    links = {_named(item): (uuid.uuid4().hex, item) for item in reversed(rows.data)}  # the first of equal ones stays
    yield SqlDataset.__table__, [_dataset(place, item, known[named]) for named, item in new.items()]
    yield SqlInput.__table__, [_link(identity, known[named], rows.run_id) for named, (identity, _) in links.items()]
    context = "mlflow.data.context"
    tags: list[Row] = [
        {"input_uuid": identity, "name": context, "value": item.split} for identity, item in links.values()
    ]
    yield SqlInputTag.__table__, tags


def _named(item: DataLog) -> tuple[str, str]:
    return item.name, short(item.cases_digest)


def _dataset(place: Place, item: DataLog, identity: str) -> Row:
    profile: dict[str, JsonValue] = {"cases": item.cases, "clusters": item.clusters, "digest": item.cases_digest}
    return {
        "dataset_uuid": identity,
        "experiment_id": place.experiment_id,
        "name": item.name,
        "digest": short(item.cases_digest),
        "dataset_source_type": "workbench",
        "dataset_source": canonical_json({"sources": list(item.sources)}).decode(),
        "dataset_schema": None,
        "dataset_profile": canonical_json(profile).decode(),
    }


def _link(identity: str, dataset: str, run_id: str) -> Row:
    return {
        "input_uuid": identity,
        "source_type": "DATASET",
        "source_id": dataset,
        "destination_type": "RUN",
        "destination_id": run_id,
        "step": 0,
    }
