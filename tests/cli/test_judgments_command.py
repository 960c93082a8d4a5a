"""Queries are proposed, looked at by a person, and only what was confirmed is written."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from workbench.cli import judgments, review
from workbench.core import EVERYONE, ConfigError, DataError, Document, Origin, write_records
from workbench.retrieval import read_judgments

root = typer.Typer()
root.add_typer(judgments.app, name="judgments")
root.add_typer(review.app, name="review")
TEXTS = {
    "heron": "The blue heron waits by the river at dawn.",
    "pipes": "Copper pipes freeze when the winters are very cold.",
    "loan": "A loan is paid back with interest over some years.",
    "secret": "The board will sell the river house before the next winter.",
}


def invoke(*words: str) -> Result:
    return CliRunner().invoke(root, list(words), catch_exceptions=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Four documents, one of them for the board."""
    write_records(
        tmp_path / "pages.jsonl",
        [
            Document(
                doc_id=name,
                text=text,
                origin=Origin(source="s", readers=("board",) if name == "secret" else (EVERYONE,)),
            )
            for name, text in TEXTS.items()
        ],
    )
    return tmp_path / "pages.jsonl"


def test_only_what_a_person_confirms_becomes_a_judgment(tmp_path: Path, corpus: Path) -> None:
    """Of three proposed one is right, one wrong, one not looked at; what nobody asked for may not be read by all."""
    at, out = ("--workspace", str(tmp_path)), tmp_path / "judged.jsonl"
    proposed = json.loads(invoke("judgments", "generate", str(corpus), *at, "--json").stdout)
    run = next((tmp_path / "runs").iterdir()).name
    (item, *_) = [json.loads(line) for line in (tmp_path / "reviews" / run / "items.jsonl").read_text().splitlines()]
    said = {"known:heron": "right", "known:pipes": "wrong"}
    reviews = [
        {"run_digest": item["run_digest"], "case_id": case, "reviewer": "ann", "opinion": opinion}
        for case, opinion in said.items()
    ]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(one) + "\n" for one in reviews))
    with pytest.raises(DataError, match="has no opinion yet"):
        invoke("judgments", "confirm", run, "--out", str(out), *at)
    invoke("review", "import", run, str(tmp_path / "said.jsonl"), *at)
    done = invoke("judgments", "confirm", run, "--out", str(out), *at).stdout

    assert {"known:heron", "known:pipes", "known:loan"} == {one["query_id"] for one in proposed}
    assert not any(one["confirmed"] for one in proposed)
    assert "1 confirmed, 1 rejected, 1 undecided" in done
    assert [("known:heron", True, {"heron": 1})] == [
        (one.query_id, one.confirmed, one.relevant) for one in read_judgments(out)
    ]
    shown = invoke("judgments", "show", str(out)).stdout.splitlines()[-1]
    assert ["known_item", "1", "1", "1", "1.00"] == shown.split()


def test_a_group_has_its_documents_proposed(tmp_path: Path, corpus: Path) -> None:
    """Who names the board has its documents shown to reviewers."""
    found = invoke("judgments", "generate", str(corpus), "--group", "board", "--workspace", str(tmp_path), "--json")

    assert "known:secret" in {one["query_id"] for one in json.loads(found.stdout)}


def test_the_embedded_model_writes_no_questions(tmp_path: Path, corpus: Path) -> None:
    """It is refused before anything is made."""
    with pytest.raises(ConfigError, match="small base model"):
        invoke("judgments", "generate", str(corpus), "--model", "embedded", "--workspace", str(tmp_path))

    assert not (tmp_path / "runs").exists()
