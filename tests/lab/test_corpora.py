"""Traces of a tracking store as a source of a corpus."""

import json
import shutil
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import AssessmentSource, Feedback

from workbench.core import Case, Corpus, DataError, Episode, ExpectedAbstention, Failure, Prediction, Run, RunHeader
from workbench.datasets import read_corpus, read_declaration
from workbench.lab.corpora import read_traces
from workbench.tracking import log_traces, open_store
from workbench.tracking.answers import read_answers

CASES = tuple(
    Case(case_id=f"c{number}", request=f"How {number}?", expected=ExpectedAbstention(), cluster=f"c{number}")
    for number in range(4)
)


def load_corpus(path: Path) -> Corpus:
    """The corpus that a file declares, traces at hand."""
    return read_corpus(read_declaration(path), traces=read_traces)


@pytest.fixture
def place(tracking_template: Path, tmp_path: Path) -> Path:
    """A store with four traces: found right by one and in the end by another, found wrong, not looked at, failed."""
    shutil.copytree(tracking_template, tmp_path / "mlruns")
    store = open_store(tmp_path / "mlruns")
    run_id = store.client.create_run(store.client.create_experiment("tickets")).info.run_id
    failure = Failure(blame="agent", kind="format", message="no answer")
    episodes = tuple(
        Episode(case_id=case.case_id, prediction=Prediction(answer=f"So {number}."), milliseconds=1)
        for number, case in enumerate(CASES[:3])
    )
    failed = Episode(case_id="c3", prediction=None, milliseconds=1, failure=failure)
    run = Run(
        header=RunHeader(agent="a", agent_digest="d", evalset_digest="e", split="test", metrics=()),
        clusters={case.case_id: case.cluster for case in CASES},
        tags={case.case_id: () for case in CASES},
        episodes=(*episodes, failed),
        scores=(),
    )
    log_traces(store, run_id, CASES, run, model="scripted")
    by_request = {one.request: one.trace_id for one in read_answers(store, "tickets", reviewed=False, most=9)}
    mlflow.set_tracking_uri(store.uri)
    said = (("How 0?", "ann", True), ("How 0?", "bob", False), ("How 0?", "bob", True), ("How 1?", "ann", False))
    for request, reviewer, right in said:
        source = AssessmentSource(source_type="HUMAN", source_id=reviewer)
        mlflow.log_assessment(by_request[request], Feedback(name="answer_right", value=right, source=source))
    return tmp_path / "mlruns"


def declare(place: Path, **fields: str | bool) -> Path:
    source = {"name": "asked", "kind": "traces", "where": "mlruns", "experiment": "tickets"}
    rights = {"licence": "ours", "readers": ["staff"], "fresh_hours": 24}
    path = place.parent / "asked.yaml"
    path.write_text(json.dumps({"name": "asked", "sources": [{**source, **rights, **fields}]}), encoding="utf-8")
    return path


def test_answers_that_people_found_right_are_documents(place: Path) -> None:
    """Request and answer, titled by the request, at the time of the trace; the others are none."""
    (document,) = load_corpus(declare(place)).documents

    assert document.origin is not None
    assert ("How 0?\n\nSo 0.", "How 0?") == (document.text, document.title)
    assert {"reviewed": True} == document.origin.metadata
    assert document.origin.read_at.endswith("+00:00")
    assert load_corpus(declare(place)).digest == load_corpus(declare(place)).digest


def test_unreviewed_answers_are_read_where_that_is_asked(place: Path) -> None:
    """Each says of itself that nobody looked at it; a failed one is no answer."""
    documents = load_corpus(declare(place, reviewed=False)).documents

    found = {document.title: document.origin.metadata["reviewed"] for document in documents if document.origin}
    assert {"How 0?": True, "How 1?": False, "How 2?": False} == found
    assert 3 == len(read_answers(open_store(place), "tickets", reviewed=False, most=3))


def test_an_unknown_experiment_or_store_is_named(place: Path, tmp_path: Path) -> None:
    """With the place of the source; and no store is made where none was."""
    with pytest.raises(DataError, match="experiment 'tickts': is not in the store; did you mean \"tickets\""):
        load_corpus(declare(place, experiment="tickts"))
    with pytest.raises(DataError, match="holds no tracking store; correct where"):
        load_corpus(declare(place, where="none"))
    assert not (tmp_path / "none").exists()
