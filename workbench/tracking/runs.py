"""Runs: one for each execution of an experiment, and inside it one for each agent that was measured."""

import time
from collections.abc import Mapping, Sequence

import polars as pl
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
)
from pydantic import JsonValue

from workbench.core import SPLITS, TrackingError, boundary, canonical_json, digest_json, short
from workbench.tracking import page
from workbench.tracking.measures import flatten, ledger_metrics, ledger_tags, report_metrics, report_tags
from workbench.tracking.records import DataLog, ExperimentLog, RunLog
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

_SUFFIXES = ("_low", "_high")
_PARAMS_AT_ONCE = 100  # MLflow takes no more


def log_experiment(store: Store, log: ExperimentLog) -> str:
    """Begin an execution, or find the one that has the same content; the id of its run.

    Raises: TrackingError if the store refuses.
    """
    clean = store.clean(log)
    with boundary(TrackingError, f"experiment {log.name!r}: can't be logged"), store.lock:
        experiment_id = _experiment(store, clean)
        marks = {"digest": log.digest, "role": "execution"}
        found = _find(store, experiment_id, marks)
        if found is not None and found.info.status == "FINISHED":
            return str(found.info.run_id)
        name = f"{clean.name} seed {clean.seed} {short(log.digest)}"
        tags = marks | {"mlflow.note.content": clean.question}
        run_id = str(found.info.run_id) if found else _create(store, experiment_id, name, tags)
        _batch(store, run_id, params=_settings(clean))
        _log_data(store, run_id, clean.data)
        _write_spec(store, run_id, clean.model_dump(mode="json"))
        return run_id


def log_run(store: Store, parent: str, log: RunLog) -> str:
    """Log what was measured of one agent as a run inside an execution; its id. The same log twice is one run.

    Raises: TrackingError if the store refuses or does not know `parent`.
    """
    clean = store.clean(log)
    with boundary(TrackingError, f"run {log.name!r}: can't be logged"), store.lock:
        experiment_id = store.client.get_run(parent).info.experiment_id
        marks = {"digest": _identity(log), "mlflow.parentRunId": parent}
        found = _find(store, experiment_id, marks)
        if found is not None and found.info.status == "FINISHED":
            return str(found.info.run_id)
        tags = marks | {"role": clean.role, "agent_digest": clean.agent_digest}
        run_id = str(found.info.run_id) if found else _create(store, experiment_id, clean.name, tags)
        metrics, more = _measured(clean)
        _batch(store, run_id, params=clean.params, metrics=metrics, tags=more)
        _log_data(store, run_id, clean.data)
        _write_spec(store, run_id, clean.params)
        store.client.set_terminated(run_id, "FINISHED")
        return run_id


def finish(store: Store, run_id: str, *, failed: bool = False) -> None:
    """Close an execution's run.

    Raises: TrackingError if the store does not know it.
    """
    with boundary(TrackingError, f"run {run_id!r}: can't be closed"):
        store.client.set_terminated(run_id, "FAILED" if failed else "FINISHED")


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


def _measured(log: RunLog) -> tuple[dict[str, float], dict[str, str]]:
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    for report in sorted(log.reports, key=lambda report: SPLITS.index(report.split), reverse=True):  # test first
        metrics |= report_metrics(report)
        tags |= report_tags(report)
    if log.usage:
        metrics |= ledger_metrics(log.usage)
        tags |= ledger_tags(log.usage)
    return metrics, tags | {"mlflow.note.content": page.note_run(log)}


def _rows(run: Run) -> list[tuple[str | float | None, ...]]:
    tags, metrics = run.data.tags, run.data.metrics
    names = [
        name
        for name in sorted(metrics)
        if not any(name.endswith(s) and name.removesuffix(s) in metrics for s in _SUFFIXES)
    ]
    head = (run.info.run_id, tags.get("mlflow.parentRunId"), run.info.run_name, tags.get("role"))
    marks = (tags.get("agent_digest"), tags.get("verdict"))
    return [
        (*head, *marks, name, metrics[name], metrics.get(f"{name}_low"), metrics.get(f"{name}_high")) for name in names
    ] or [(*head, *marks, None, None, None, None)]


def _experiment(store: Store, log: ExperimentLog) -> str:
    found = store.client.get_experiment_by_name(log.name)
    if found is not None:
        return str(found.experiment_id)
    location = (store.folder / "artifacts" / digest_json(log.name)[:12]).as_uri()
    tags = {"mlflow.note.content": log.question}
    return str(store.client.create_experiment(log.name, artifact_location=location, tags=tags))


def _find(store: Store, experiment_id: str, tags: Mapping[str, str]) -> Run | None:
    wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    found: Sequence[Run] = store.client.search_runs([experiment_id], filter_string=wanted, max_results=1)
    return found[0] if found else None


def _all(store: Store, experiment_id: str) -> list[Run]:
    runs: list[Run] = []
    token = None
    while True:
        page = store.client.search_runs([experiment_id], max_results=1000, page_token=token)
        runs.extend(page)
        token = page.token
        if not token:
            return runs


def _create(store: Store, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
    source = {"mlflow.user": "workbench", "mlflow.source.name": "workbench", "mlflow.source.type": "LOCAL"}
    run = store.client.create_run(
        experiment_id, tags={**source, **tags}, run_name=name, start_time=int(time.time() * 1000)
    )
    return str(run.info.run_id)


def _batch(
    store: Store,
    run_id: str,
    *,
    params: Mapping[str, JsonValue],
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    # The run's own start as time: logging again after a crash writes the same rows, not a second history.
    start = store.client.get_run(run_id).info.start_time
    points = [Metric(name, float(value), start, 0) for name, value in (metrics or {}).items()]
    store.client.log_batch(run_id, metrics=points, tags=[RunTag(name, value) for name, value in (tags or {}).items()])
    flat = [Param(name, value) for name, value in flatten(params).items()]
    for first in range(0, len(flat), _PARAMS_AT_ONCE):
        store.client.log_batch(run_id, params=flat[first : first + _PARAMS_AT_ONCE])


def _settings(log: ExperimentLog) -> dict[str, JsonValue]:
    data = {f"data.{item.split}": f"{item.name} {short(item.cases_digest)} ({item.cases} cases)" for item in log.data}
    return {"seed": log.seed, "lm": log.lm, **data, **log.params}


def _log_data(store: Store, run_id: str, data: Sequence[DataLog]) -> None:
    inputs = [
        DatasetInput(
            Dataset(
                name=item.name,
                digest=short(item.cases_digest),
                source_type="workbench",
                source=canonical_json({"sources": list(item.sources)}).decode(),
                profile=canonical_json(
                    {"cases": item.cases, "clusters": item.clusters, "digest": item.cases_digest}
                ).decode(),
            ),
            tags=[InputTag("mlflow.data.context", item.split)],
        )
        for item in data
    ]
    if inputs:
        store.client.log_inputs(run_id, inputs)


def _write_spec(store: Store, run_id: str, spec: JsonValue) -> None:
    store.client.log_text(run_id, canonical_json(spec).decode() + "\n", "spec.json")
