"""Runs: one for each execution of an experiment, and inside it one for each agent that was measured."""

import time
import uuid
from collections.abc import Mapping
from types import MappingProxyType

import polars as pl
from mlflow.entities import Run
from pydantic import JsonValue

from workbench.core import SPLITS, TrackingError, boundary, canonical_json, digest_json, short
from workbench.tracking import page
from workbench.tracking.measures import flatten, ledger_metrics, ledger_tags, report_metrics, report_tags
from workbench.tracking.records import ExperimentLog, RunLog
from workbench.tracking.rows import (
    Place,
    RunRows,
    add_rows,
    close_run,
    find_place,
    find_run,
    insert_run,
    write_artifacts,
)
from workbench.tracking.store import Store

RUNS = pl.Schema(
    {
        "run_id": pl.String,
        "parent_id": pl.String,
        "name": pl.String,
        "role": pl.String,
        "agent_digest": pl.String,
        "verdict": pl.String,
        "metric": pl.String,
        "estimate": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
    }
)
"""A row for each metric of each run; null are the bounds where there is no interval, and an execution's parent."""

PARENT = "mlflow.parentRunId"
LIVE = {"followed": "yes"}
"""The tag of runs that were shown before they ended."""
_SUFFIXES = ("_low", "_high")


def log_experiment(store: Store, log: ExperimentLog) -> str:
    """Begin an execution, or find the one that has the same content; the id of its run.

    Raises: TrackingError if the store refuses.
    """
    clean = store.clean(log)
    with boundary(TrackingError, f"experiment {log.name!r}: can't be logged"), store.lock:
        marks = {"digest": log.digest, "role": "execution"}
        found = find_run(store, marks)
        if found is not None:
            return found
        rows = RunRows(
            run_id=uuid.uuid4().hex,
            name=f"{clean.name} seed {clean.seed} {short(log.digest)}",
            status="RUNNING",
            start=now(),
            tags={**marks, "mlflow.note.content": clean.question},
            params=flatten(_settings(clean)),
            data=clean.data,
        )
        return write(store, _experiment(store, clean), rows, clean.model_dump(mode="json"))


def log_run(store: Store, parent: str, log: RunLog) -> str:
    """Log what was measured of one agent as a run inside an execution; its id. The same log twice is one run.

    A run that was followed while it was measured becomes that run.
    Raises: TrackingError if the store refuses or does not know `parent`.
    """
    clean = store.clean(log)
    with boundary(TrackingError, f"run {log.name!r}: can't be logged"), store.lock:
        marks = {"digest": _identity(log), PARENT: parent}
        found = find_run(store, marks, finished=True)  # what began and never ended was written by an earlier version
        if found is not None:
            return found
        live = find_run(store, {PARENT: parent, "agent_digest": log.agent_digest, **LIVE, "role": log.role})
        if live is not None:
            metrics, tags = measured(clean)
            add_rows(store, live, now(), metrics, {**tags, **marks})
            close_run(store, live, "FINISHED", now())
            return live
        place = find_place(store, parent)
        if place is None:
            raise TrackingError(f"run {log.name!r}: its execution {parent!r} was never logged; log it first")
        rows = rows_of(clean, parent, "FINISHED", marks)
        return write(store, place, rows, clean.params, clean.texts)


def finish(store: Store, run_id: str, *, failed: bool = False) -> None:
    """Close an execution's run.

    Raises: TrackingError if the store does not know it.
    """
    with boundary(TrackingError, f"run {run_id!r}: can't be closed"):
        if not close_run(store, run_id, "FAILED" if failed else "FINISHED", now()):
            raise TrackingError(f"run {run_id!r}: was never logged; log it before it is closed")


def read_runs(store: Store, experiment: str) -> pl.DataFrame:
    """Every run of an experiment as a table of schema `RUNS`, newest first, metrics by name.

    Raises: TrackingError if there is no such experiment.
    """
    with boundary(TrackingError, f"experiment {experiment!r}: can't be read"):
        found = store.client.get_experiment_by_name(experiment)
        if found is None:
            raise TrackingError(f"experiment {experiment!r} ({store.folder}): was never logged; run it first")
        rows = [row for run in _all(store, found.experiment_id) for row in _rows(run)]
    return pl.DataFrame(rows, schema=RUNS, orient="row")


def _identity(log: RunLog) -> str:
    # Not what it cost: a resumed run finds calls in the store that the first attempt paid for.
    return digest_json([log.name, log.role, log.agent_digest, *(report.run_digest for report in log.reports)])


def rows_of(log: RunLog, parent: str, status: str, marks: Mapping[str, str]) -> RunRows:
    """A new run inside an execution, with the tags that it is found by."""
    metrics, tags = measured(log)
    return RunRows(
        run_id=uuid.uuid4().hex,
        name=log.name,
        status=status,
        start=now(),
        tags={**marks, PARENT: parent, "role": log.role, "agent_digest": log.agent_digest, **tags},
        params=flatten(log.params),
        metrics=metrics,
        data=log.data,
    )


def measured(log: RunLog) -> tuple[dict[str, float], dict[str, str]]:
    """The metrics and tags of what is known of an agent."""
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    for report in sorted(log.reports, key=lambda report: SPLITS.index(report.split), reverse=True):  # test first
        metrics |= report_metrics(report)
        tags |= report_tags(report)
    if log.usage:
        metrics |= ledger_metrics(log.usage)
        tags |= ledger_tags(log.usage)
    return metrics, tags | log.tags | {"mlflow.note.content": page.note_run(log)}


def _rows(run: Run) -> list[tuple[str | float | None, ...]]:
    tags, metrics = run.data.tags, run.data.metrics
    names = [
        name
        for name in sorted(metrics)
        if not any(name.endswith(s) and name.removesuffix(s) in metrics for s in _SUFFIXES)
    ]
    head = (run.info.run_id, tags.get(PARENT), run.info.run_name, tags.get("role"))
    marks = (tags.get("agent_digest"), tags.get("verdict"))
    return [
        (*head, *marks, name, metrics[name], metrics.get(f"{name}_low"), metrics.get(f"{name}_high")) for name in names
    ] or [(*head, *marks, None, None, None, None)]


def _experiment(store: Store, log: ExperimentLog) -> Place:
    found = store.client.get_experiment_by_name(log.name)
    if found is not None:
        return Place(int(found.experiment_id), str(found.artifact_location))
    location = (store.folder / "artifacts" / digest_json(log.name)[:12]).as_uri()
    tags = {"mlflow.note.content": log.question}
    created = store.client.create_experiment(log.name, artifact_location=location, tags=tags)
    return Place(int(created), location)


def write(
    store: Store, place: Place, rows: RunRows, spec: JsonValue, texts: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Write a new run; its id. The artifacts come first: whoever finds the run finds it whole."""
    files = {name: text.encode() for name, text in texts.items()}
    write_artifacts(place.artifacts(rows.run_id), {"spec.json": canonical_json(spec) + b"\n", **files})
    insert_run(store, place, rows)
    return rows.run_id


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def _all(store: Store, experiment_id: str) -> list[Run]:
    runs: list[Run] = []
    token = None
    while True:
        page = store.client.search_runs([experiment_id], max_results=1000, page_token=token)
        runs.extend(page)
        token = page.token
        if not token:
            return runs


def _settings(log: ExperimentLog) -> dict[str, JsonValue]:
    data = {f"data.{item.split}": f"{item.name} {short(item.cases_digest)} ({item.cases} cases)" for item in log.data}
    return {"seed": log.seed, "lm": log.lm, **data, **log.params}
