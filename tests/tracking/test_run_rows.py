"""A run is written as MLflow itself would write it, whole or not at all."""

import json
import sqlite3
from collections.abc import Collection
from pathlib import Path

import pytest
import weather
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from workbench.core import EvalSet, TrackingError
from workbench.tracking import ExperimentLog, RunLog, Store, describe_data, finish, log_experiment, log_run

TABLES = ("runs", "tags", "params", "metrics", "latest_metrics", "inputs", "input_tags")


def test_run_rows_are_those_that_mlflow_writes(store: Store, experiment: ExperimentLog, evalset: EvalSet) -> None:
    """A run that is read back and written through MLflow's own calls gives equal rows in every table."""
    log = weather.make_runlog("winner", "winner", 0.52).model_copy(update={"data": describe_data(evalset)})
    ours = store.client.get_run(log_run(store, log_experiment(store, experiment), log))
    info, data = ours.info, ours.data
    run = store.client.create_run(info.experiment_id, info.start_time, dict(data.tags), info.run_name)
    theirs = str(run.info.run_id)
    metrics = [Metric(name, value, info.start_time, 0) for name, value in data.metrics.items()]
    params = [Param(name, value) for name, value in data.params.items()]
    store.client.log_batch(theirs, metrics, params, [RunTag("mlflow.user", "workbench")])
    assert ours.inputs is not None
    inputs = [DatasetInput(_copy(item.dataset), _context(item.tags)) for item in ours.inputs.dataset_inputs]
    store.client.log_inputs(theirs, inputs)
    store.client.set_terminated(theirs, "FINISHED", info.end_time)

    for table in TABLES:
        assert _rows(store, table, str(info.run_id)) == _rows(store, table, theirs) != []
    assert 3 == len(_query(store, "select * from datasets", ()))


def _copy(dataset: Dataset) -> Dataset:
    return Dataset(dataset.name, dataset.digest, dataset.source_type, dataset.source, dataset.schema, dataset.profile)


def _context(tags: Collection[InputTag]) -> list[InputTag]:
    return [InputTag(tag.key, tag.value) for tag in tags]


def _rows(store: Store, table: str, run_id: str) -> list[dict[str, object]]:
    """A run's rows without its id and the ids of its inputs, which are drawn."""
    column = {"inputs": "destination_id", "input_tags": "input_uuid"}.get(table, "run_uuid")
    wanted = "= ?" if column != "input_uuid" else "in (select input_uuid from inputs where destination_id = ?)"
    found = _query(store, f"select * from {table} where {column} {wanted}", (run_id,))
    rows: list[dict[str, object]] = json.loads(json.dumps(found).replace(run_id, "it"))
    plain = [{name: value for name, value in row.items() if name != "input_uuid"} for row in rows]
    return sorted(plain, key=lambda row: json.dumps(row, sort_keys=True))


def _query(store: Store, query: str, values: tuple[str, ...]) -> list[dict[str, object]]:
    database = sqlite3.connect(store.folder / "mlflow.db")
    database.row_factory = sqlite3.Row
    return [dict(row) for row in database.execute(query, values)]


def test_a_run_that_can_not_be_written_whole_is_not_there(store: Store, experiment: ExperimentLog) -> None:
    """The database refuses the last of its tables: none has a row of it; then it is logged whole, once."""
    parent = log_experiment(store, experiment)
    log = weather.make_runlog("winner", "winner", 0.52)
    before = [_query(store, f"select * from {table}", ()) for table in TABLES]
    database = sqlite3.connect(store.folder / "mlflow.db")
    database.execute("create trigger full before insert on latest_metrics begin select raise(abort, 'full'); end")
    database.commit()

    with pytest.raises(TrackingError, match=r"run 'winner': can't be logged: .*full"):
        log_run(store, parent, log)
    assert before == [_query(store, f"select * from {table}", ()) for table in TABLES]

    database.execute("drop trigger full")
    database.commit()
    run = store.client.get_run(log_run(store, parent, log))
    assert ("FINISHED", 0.52) == (run.info.status, run.data.metrics["test/exact_call"])
    assert log_run(store, parent, log) == run.info.run_id


def test_a_run_that_a_person_deleted_is_logged_anew(store: Store, experiment: ExperimentLog) -> None:
    """MLflow only hides it; what is logged again is another run."""
    parent = log_experiment(store, experiment)
    log = weather.make_runlog("winner", "winner", 0.52)
    first = log_run(store, parent, log)
    store.client.delete_run(first)
    second = log_run(store, parent, log)

    assert first != second == log_run(store, parent, log)


def test_an_execution_that_was_never_logged_is_named(store: Store) -> None:
    """Neither a run inside it nor its end can be."""
    with pytest.raises(TrackingError, match="run 'winner': its execution 'nobody' was never logged"):
        log_run(store, "nobody", weather.make_runlog("winner", "winner", 0.52))
    with pytest.raises(TrackingError, match="run 'nobody': was never logged"):
        finish(store, "nobody")


def test_the_spec_lies_beside_the_run(store: Store, experiment: ExperimentLog) -> None:
    """As an artifact that MLflow finds, with every setting."""
    log = RunLog(name="a", role="candidate", agent_digest="d" * 64, params={"k": 5})
    run_id = log_run(store, log_experiment(store, experiment), log)

    assert ["spec.json"] == [item.path for item in store.client.list_artifacts(run_id)]
    assert {"k": 5} == json.loads(Path(store.client.download_artifacts(run_id, "spec.json")).read_text())
