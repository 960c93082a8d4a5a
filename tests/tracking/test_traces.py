"""Traces are what MLflow itself would have written, worst first, beside their scores."""

import base64
import json
import sqlite3
from collections.abc import Collection

import pytest
import weather
from mlflow.entities import Assessment, AssessmentSource, Feedback, TraceInfo, TraceLocation, TraceState
from mlflow.entities.span import Span

from workbench.core import EvalSet, TrackingError
from workbench.tracking import (
    ExperimentLog,
    Store,
    log_experiment,
    log_run,
    log_traces,
)


def test_traces_come_back_with_spans_scores_tokens_and_cost(
    store: Store, experiment: ExperimentLog, evalset: EvalSet
) -> None:
    """Through MLflow's own search: the failed case first, then the wrong ones, linked to their run."""
    winner = log_run(store, log_experiment(store, experiment), weather.make_runlog("winner", "winner", 0.52))
    ids = log_traces(store, winner, evalset.test, weather.make_run(evalset.test), model="embedded", limit=4)
    experiment_id = store.client.get_run(winner).info.experiment_id
    traces = store.client.search_traces(locations=[experiment_id], run_id=winner, order_by=["timestamp_ms DESC"])

    assert [trace.info.tags["case"] for trace in traces] == ["case-0009", "case-0004", "case-0007", "case-0005"]
    assert list(ids) == [trace.info.trace_id for trace in traces]
    failed, wrong = traces[0], traces[1]
    assert failed.info.state == TraceState.ERROR
    assert [span.span_type for span in wrong.data.spans] == ["AGENT", "RETRIEVER", "CHAT_MODEL", "CHAIN"]
    assert wrong.data.spans[0].inputs == {"request": "What is the weather in Town 4? Tell me in celsius, please."}
    assert wrong.data.spans[0].outputs["call"]["name"] == "get_weather"
    assert wrong.info.token_usage == {"input_tokens": 410, "output_tokens": 20, "total_tokens": 430}
    assert wrong.info.cost == {"total_cost": 0.002}
    assessments = {item.name: item for item in wrong.info.assessments}
    assert (assessments["exact_call"].value, assessments["tool_choice"].value) == (0.0, 0.0)
    assert assessments["expected"].value == "abstained"
    unscored = next(item for item in failed.info.assessments if item.name == "exact_call")
    assert unscored.rationale == "infrastructure: timeout"
    assert None is unscored.value


def test_trace_rows_are_those_that_mlflow_writes(store: Store, experiment: ExperimentLog, evalset: EvalSet) -> None:
    """A trace that is read back and written through MLflow's own calls gives equal rows in every table."""
    winner = log_run(store, log_experiment(store, experiment), weather.make_runlog("winner", "winner", 0.52))
    run = weather.make_run(evalset.test[:2])
    ours = log_traces(store, winner, evalset.test[:2], run, model="m")[1]
    trace = store.client.get_trace(ours)
    theirs = "tr-" + "7" * 32
    spans = [Span.from_dict(_renamed(span.to_dict(), ours, theirs)) for span in trace.data.spans]
    info = trace.info
    tags = {k: v for k, v in info.tags.items() if k not in ("mlflow.artifactLocation", "mlflow.trace.spansLocation")}
    feedback: list[Assessment] = [
        Feedback(name=a.name, value=a.value, rationale=a.rationale, source=AssessmentSource("CODE", "workbench"))
        for a in info.assessments
        if a.name != "expected"
    ]
    store.rows.start_trace(
        TraceInfo(
            trace_id=theirs,
            trace_location=TraceLocation.from_experiment_id(info.experiment_id),
            request_time=info.request_time,
            state=info.state,
            request_preview=info.request_preview,
            response_preview=info.response_preview,
            execution_duration=info.execution_duration,
            trace_metadata=info.trace_metadata,
            tags=tags,
            assessments=feedback,
        )
    )
    store.rows.log_spans(info.experiment_id, spans)

    for table in ("trace_info", "trace_tags", "trace_request_metadata", "spans"):
        assert _rows(store, table, ours) == _rows(store, table, theirs) != []
    ignored = ("assessment_id", "created_timestamp", "last_updated_timestamp", "run_id")
    mine = [row for row in _rows(store, "assessments", ours, ignored) if row["name"] != "expected"]
    assert mine == _rows(store, "assessments", theirs, ignored) != []


def test_what_a_user_said_and_what_a_tool_refused_are_spans(
    store: Store, experiment: ExperimentLog, evalset: EvalSet
) -> None:
    """Each with its kind; a step that failed says why and leaves the trace itself sound."""
    winner = log_run(store, log_experiment(store, experiment), weather.make_runlog("winner", "winner", 0.52))
    run = weather.make_run(evalset.test[:2])
    first = run.episodes[0]
    assert first.prediction is not None
    said = first.prediction.steps[0].model_copy(update={"name": "say"})
    kinds = ("user", "agent", "tool")
    steps = [said.model_copy(update={"kind": kind, "error": "no such town" * (kind == "tool")}) for kind in kinds]
    prediction = first.prediction.model_copy(update={"steps": tuple(steps)})
    episodes = (first.model_copy(update={"prediction": prediction}), *run.episodes[1:])
    ids = log_traces(store, winner, evalset.test[:2], run.model_copy(update={"episodes": episodes}), model="m")
    trace = store.client.get_trace(ids[1])
    spans = trace.data.spans

    assert ["AGENT", "USER", "AGENT", "TOOL"] == [span.span_type for span in spans]
    assert ["OK", "OK", "OK", "ERROR"] == [str(span.status.status_code.value) for span in spans]
    assert "no such town" == spans[3].status.description
    assert TraceState.OK == trace.info.state


def _renamed(span: dict[str, object], ours: str, theirs: str) -> dict[str, object]:
    named: dict[str, object] = json.loads(json.dumps(span).replace(ours, theirs))
    return named | {"trace_id": base64.b64encode(bytes.fromhex(theirs.removeprefix("tr-"))).decode()}


def _rows(store: Store, table: str, identity: str, ignored: Collection[str] = ()) -> list[dict[str, object]]:
    """A trace's rows without its id; a span's content as a value, because the order of its fields is nobody's."""
    database = sqlite3.connect(store.folder / "mlflow.db")
    database.row_factory = sqlite3.Row
    column = "trace_id" if table in ("spans", "assessments") else "request_id"
    found = database.execute(f"select * from {table} where {column} = ?", (identity,)).fetchall()
    text = json.dumps([{k: row[k] for k in dict(row) if k not in {*ignored, column}} for row in found])
    rows: list[dict[str, object]] = json.loads(text.replace(identity, "it"))
    for row in rows:
        if "content" in row:
            row["content"] = {**json.loads(str(row["content"])), "trace_id": ""}
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def test_an_episode_whose_case_is_unknown_is_refused(store: Store, experiment: ExperimentLog, evalset: EvalSet) -> None:
    """Nothing is written then."""
    winner = log_run(store, log_experiment(store, experiment), weather.make_runlog("winner", "winner", 0.52))

    with pytest.raises(TrackingError, match="case 'case-0004': is in the run but not among its cases"):
        log_traces(store, winner, evalset.val, weather.make_run(evalset.test), model="m")
