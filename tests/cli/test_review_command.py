"""Episodes go out for review and come back as agreement, decisions and cases, by what a person types."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from workbench.cli.review import app
from workbench.core import (
    Case,
    DataError,
    Episode,
    EvalSet,
    EvaluationError,
    ExpectedAbstention,
    Prediction,
    Run,
    RunHeader,
    Score,
    write_record,
    write_run,
)
from workbench.datasets.suite import read_suite

root = typer.Typer()
root.add_typer(app, name="review")
CASES = tuple(
    Case(case_id=f"c{n}", request=f"Do {n}.", expected=ExpectedAbstention(), cluster=f"c{n}") for n in range(6)
)


def invoke(*words: str) -> Result:
    return CliRunner().invoke(root, ["review", *words], catch_exceptions=False)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A run on a suite of six cases, three of them wrong by the grader."""
    evalset = EvalSet(name="six", train=(), val=(), test=CASES)
    header = RunHeader(
        agent="a", agent_digest="d", evalset_digest=evalset.digest, split="test", metrics=("task_success",)
    )
    run = Run(
        header=header,
        clusters={case.case_id: case.cluster for case in CASES},
        tags={case.case_id: () for case in CASES},
        episodes=tuple(
            Episode(case_id=case.case_id, prediction=Prediction(abstained=True), milliseconds=1) for case in CASES
        ),
        scores=tuple(Score(case_id=c.case_id, metric="task_success", value=n % 2) for n, c in enumerate(CASES)),
    )
    write_run(tmp_path / "runs" / "six-1", run)
    write_record(tmp_path / "runs" / "six-1" / "evalset.json", evalset)
    return tmp_path


def reviews(workspace: Path, *said: tuple[str, str, str]) -> Path:
    """A file of reviews: case, reviewer, opinion."""
    item = json.loads((workspace / "reviews" / "six-1" / "items.jsonl").read_text().splitlines()[0])
    lines = [
        {"run_digest": item["run_digest"], "case_id": case, "reviewer": who, "opinion": what, "failure": "too shy"}
        for case, who, what in said
    ]
    path = workspace / "said.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_from_a_sample_to_new_cases(workspace: Path) -> None:
    """Drawn, reviewed by two, decided, and what was found wrong is a regression case."""
    at = ("--workspace", str(workspace))
    drawn = json.loads(invoke("sample", "six", "--metric", "task_success", "--count", "6", *at, "--json").stdout)
    said = [(item["case_id"], who, "wrong" if item["case_id"] == "c1" else "right") for item in drawn for who in "ab"]

    text = invoke("import", "six", str(reviews(workspace, *said)), *at).stdout
    project = Path(__file__).parents[2]
    shutil.copytree(project / "data" / "first_tools", workspace / "data" / "first_tools")
    suite = workspace / "suites" / "first_tools" / "regression"
    shutil.copytree(project / "suites" / "first_tools" / "regression", suite)
    grown = invoke("cases", "six", str(suite), "--fixed", "2026-11-22", *at)

    assert "12 new reviews" in text
    assert "agreement (Krippendorff's alpha): 1.000" in text
    assert "right among all episodes: 0.833" in text
    assert 0 == grown.exit_code
    (new,) = [case for case in read_suite(suite).cases if case.case.case_id == "c1"]
    assert ("too shy", ("too shy",)) == (new.bug, new.covers.failure)


def test_reviews_of_what_was_not_sent_are_refused(workspace: Path) -> None:
    """And nothing of the file is kept."""
    at = ("--workspace", str(workspace))
    invoke("sample", "six", "--metric", "task_success", "--count", "2", "--seed", "1", *at)
    path = reviews(workspace, *((f"c{n}", "ann", "right") for n in range(6)))

    with pytest.raises(EvaluationError, match="no such episode was sent for review"):
        invoke("import", "six", str(path), *at)

    assert not (workspace / "reviews" / "six-1" / "reviews.jsonl").exists()


def test_a_second_sample_does_not_orphan_reviews(workspace: Path) -> None:
    """Opinions belong to the sample they were asked on."""
    at = ("--workspace", str(workspace))
    invoke("sample", "six", "--metric", "task_success", "--count", "6", *at)
    invoke("import", "six", str(reviews(workspace, ("c0", "ann", "right"))), *at)

    with pytest.raises(DataError, match="has reviews of another sample"):
        invoke("sample", "six", "--metric", "task_success", "--count", "3", *at)


def test_a_changed_mind_replaces_the_first(workspace: Path) -> None:
    """The last word of a reviewer counts once."""
    at = ("--workspace", str(workspace))
    invoke("sample", "six", "--metric", "task_success", "--count", "6", *at)
    invoke("import", "six", str(reviews(workspace, ("c0", "ann", "right"))), *at)

    found = json.loads(invoke("import", "six", str(reviews(workspace, ("c0", "ann", "wrong"))), *at, "--json").stdout)

    assert [("c0", "wrong")] == [(one["case_id"], one["opinion"]) for one in found["decisions"]]


def test_no_sample_no_reviews(workspace: Path) -> None:
    """The error says what to do first."""
    (workspace / "said.jsonl").touch()

    with pytest.raises(DataError, match="draw one with review sample"):
        invoke("import", "six", str(workspace / "said.jsonl"), "--workspace", str(workspace))
