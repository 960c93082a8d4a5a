"""`workbench index tune` says whether the index found is better, and writes it only then."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from workbench.cli.index_tune import tune
from workbench.core import Corpus, Document, RetrievalError, write_records
from workbench.retrieval import IndexSpec, build_index, write_index
from workbench.retrieval.judgments import Judgment


def test_no_better_writes_nothing(tmp_path: Path) -> None:
    """An index that already finds everything first can't be improved: exit 0, no folder."""
    words = ("heron", "copper", "loan", "winter", "river", "money", "burst", "fish")
    documents = tuple(Document(doc_id=word, text=f"all about the {word}") for word in words)
    write_index(tmp_path / "index", build_index(Corpus(name="c", documents=documents), IndexSpec(retriever="bm25")))
    judged = [Judgment(query_id=word, query=word, relevant={word: 1}) for word in words]
    write_records(tmp_path / "judged.jsonl", judged)
    app = typer.Typer()
    app.command()(tune)
    judgments = ["--judgments", str(tmp_path / "judged.jsonl"), "--tries", "3", "--out", str(tmp_path / "new")]
    done = CliRunner().invoke(app, [str(tmp_path / "index"), *judgments])

    assert 0 == done.exit_code
    assert "no better" in done.output
    assert not (tmp_path / "new").exists()


def test_without_a_number_every_knob_is_tried(tmp_path: Path) -> None:
    """As many tries as `TuneRequest` has it; and a cross-encoder is looked for where it was said to lie."""
    documents = tuple(Document(doc_id=word, text=f"the {word} {word}s") for word in ("heron", "loan", "river", "fish"))
    write_index(tmp_path / "index", build_index(Corpus(name="c", documents=documents), IndexSpec(retriever="bm25")))
    judged = [Judgment(query_id=one.doc_id, query=one.doc_id, relevant={one.doc_id: 1}) for one in documents]
    write_records(tmp_path / "judged.jsonl", judged)
    app = typer.Typer()
    app.command()(tune)
    command = [str(tmp_path / "index"), "--judgments", str(tmp_path / "judged.jsonl")]
    done = CliRunner().invoke(app, command)
    refused = CliRunner().invoke(app, [*command, "--cross-encoder", str(tmp_path / "nowhere")])

    assert 0 == done.exit_code
    assert {"analyzer", "k1", "b", "expansion"} <= {
        line.split()[0] for line in done.stdout.splitlines() if line.strip()
    }
    assert isinstance(refused.exception, RetrievalError)
    assert "has no file 'model.onnx'" in str(refused.exception)
