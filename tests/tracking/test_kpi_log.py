"""KPIs stand beside a run in the store: numbers as metrics, what is unmeasured with its reason."""

import json
from pathlib import Path

import polars as pl
import pytest
import weather

from workbench.core import EvalSet, TrackingError
from workbench.evals.kpi import measure_kpis
from workbench.evals.kpi_evidence import Evidence
from workbench.tracking import ExperimentLog, Store, log_experiment, log_run, open_store
from workbench.tracking.kpis import log_kpis


def test_kpis_are_metrics_reasons_and_tables(store: Store, experiment: ExperimentLog, evalset: EvalSet) -> None:
    """Through MLflow's own client; logged twice it is there once."""
    run = weather.make_run(evalset.test)
    lines = measure_kpis(Evidence(runs=(run,)))
    run_id = log_run(store, log_experiment(store, experiment), weather.make_runlog("winner", "winner", 0.52))
    log_kpis(store, run_id, lines, run)
    log_kpis(store, run_id, lines, run)
    data = store.client.get_run(run_id).data

    by_name = {line.name: line for line in lines}
    latency = by_name["latency_p50"]
    expected = {
        "kpi/latency_p50": latency.estimate,
        "kpi/latency_p50_coverage": latency.coverage,
        "test/exact_call": 0.52,
    }
    assert expected == {name: data.metrics[name] for name in expected}
    assert by_name["deflection"].reason == data.tags["unmeasured.kpi.deflection"]
    assert "kpi/deflection" not in data.metrics
    assert 1 == len(store.client.get_metric_history(run_id, "kpi/latency_p50"))
    kept = json.loads(Path(store.client.download_artifacts(run_id, "kpis.json")).read_text())
    assert [line.model_dump(mode="json") for line in lines] == kept
    scores = pl.read_csv(store.client.download_artifacts(run_id, "scores.csv"))
    assert (run.frame()["value"].to_list(), len(run.scores)) == (scores["value"].to_list(), scores.height)


def test_kpis_of_a_run_that_was_never_logged_are_refused(store: Store) -> None:
    """The run comes first."""
    with pytest.raises(TrackingError, match="run 'nobody': was never logged; log it before its KPIs"):
        log_kpis(store, "nobody", (), weather.make_run((weather.make_case(1),)))


def test_no_secret_gets_into_the_table_of_scores(
    monkeypatch: pytest.MonkeyPatch, folder: Path, experiment: ExperimentLog
) -> None:
    """Neither by a reason nor by a case's name."""
    monkeypatch.setenv("ACME_API_KEY", "kq7-hunter2-hunter2")
    store = open_store(folder)
    run = weather.make_run((weather.make_case(1), weather.make_case(2)))
    scores = tuple(score.model_copy(update={"reason": "saw kq7-hunter2-hunter2"}) for score in run.scores)
    run_id = log_run(store, log_experiment(store, experiment), weather.make_runlog("winner", "winner", 0.52))
    log_kpis(store, run_id, (), run.model_copy(update={"scores": scores}))
    table = Path(store.client.download_artifacts(run_id, "scores.csv")).read_text()

    assert "hunter2" not in table
    assert "saw [secret]" in table
