"""`workbench index tune NAME` tunes a live index, and `index build --spec` makes one as it says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from workbench.cli.main import app
from workbench.core import Document, Origin, read_record, write_records
from workbench.retrieval import IndexSpec, Judgment

COUNT = 24


def notes(readers: tuple[str, ...] = ("everyone",)) -> list[Document]:
    """Documents whose second half says what they are about, in names that only a `code` analyzer takes apart."""
    filler = "Lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod. " * 5
    return [
        Document(
            doc_id=f"note-{number}",
            text=f"{filler}\n\nHere is what topic{number} is: cardLimit{number % 3} and moreOf{number}.",
            origin=Origin(source="notes", readers=readers),
        )
        for number in range(COUNT)
    ]


def judged(path: Path) -> Path:
    """Queries in which names are written as words."""
    write_records(
        path,
        [
            Judgment(query_id=f"q{number}", query=f"more of {number}", relevant={f"note-{number}": 1})
            for number in range(COUNT)
        ],
    )
    return path


def run(folder: Path, *command: str) -> Result:
    """A command on the workspace of a folder."""
    return CliRunner().invoke(app, ["index", *command, "--workspace", str(folder / "mlruns")])


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a live index of passages whose words are not taken apart."""
    write_records(tmp_path / "notes.jsonl", notes())
    judged(tmp_path / "judged.jsonl")
    options = ["--retriever", "bm25", "--analyzer", "words", "--chunk", "200"]
    done = run(tmp_path, "build", "notes", str(tmp_path / "notes.jsonl"), *options)
    assert 0 == done.exit_code, done.output
    return tmp_path


def tuned(folder: Path, *options: str) -> Result:
    """Tune it by those judgments."""
    return run(folder, "tune", "notes", "--judgments", str(folder / "judged.jsonl"), *options)


def test_a_live_index_of_passages_is_tuned_by_judged_documents_and_built_anew(made: Path) -> None:
    """The analyzer that takes names apart wins; the file says so, and the new index finds what the old one did not."""
    out = made / "better.json"
    done = tuned(made, "--out", str(out))
    again = run(made, "build", "better", str(made / "notes.jsonl"), "--chunk", "200", "--spec", str(out))
    found = json.loads(run(made, "search", "better", "more of 7", "-k", "1", "--json").stdout)

    assert 0 == done.exit_code, done.output
    assert ": better" in done.stdout
    assert read_record(out, IndexSpec).analyzer in ("code", "code_english")
    assert {"chunk", "routes", "aspects", "ranker"}.isdisjoint(
        line.split()[0] for line in done.stdout.split("\n") if line
    )
    assert 0 == again.exit_code, again.output
    assert found[0]["hit"]["doc_id"].startswith("note-7@")


def test_no_better_writes_no_file(made: Path) -> None:
    """With one try only the start is measured."""
    done = tuned(made, "--tries", "1", "--out", str(made / "better.json"))

    assert 0 == done.exit_code, done.output
    assert "no better" in done.stdout
    assert not (made / "better.json").exists()


def test_what_the_caller_may_not_see_is_no_judgment(tmp_path: Path) -> None:
    """Documents of a group count only for that group: the others are told before anything is tried."""
    write_records(tmp_path / "notes.jsonl", notes(("staff",)))
    judged(tmp_path / "judged.jsonl")
    run(tmp_path, "build", "notes", str(tmp_path / "notes.jsonl"), "--retriever", "bm25")
    refused = tuned(tmp_path, "--tries", "2")
    done = tuned(tmp_path, "--tries", "2", "--group", "staff")

    assert 2 == refused.exit_code
    assert "judged relevant and not in what the caller sees of index 'notes'" in refused.output
    assert 0 == done.exit_code, done.output


def test_what_is_no_index_is_said_to_be_none(made: Path) -> None:
    """A misspelt name is told the nearest; a folder has no callers; a spec leaves nothing else to choose."""
    (made / "spec.json").write_text(IndexSpec().model_dump_json())
    misspelt = run(made, "tune", "nots", "--judgments", str(made / "judged.jsonl"))
    grouped = run(made, "tune", str(made), "--judgments", str(made / "judged.jsonl"), "--group", "staff")
    both = ("--spec", str(made / "spec.json"), "--retriever", "bm25")
    twofold = run(made, "build", "two", str(made / "notes.jsonl"), *both)
    unreached = ("--embedding", "provider/small", "--base-url", "http://127.0.0.1:9/v1")
    unasked = run(made, "build", "two", str(made / "notes.jsonl"), *both[:2], *unreached)

    assert [2, 2, 2, 2] == [one.exit_code for one in (misspelt, grouped, twofold, unasked)]
    assert "index 'nots'" in misspelt.output
    assert 'did you mean "notes"?' in misspelt.output
    assert "--group asks a live index" in grouped.output
    assert "leave out --retriever" in twofold.output
    assert "leave out --embedding" in unasked.output
