"""`workbench index tune` says whether the index found is better, and writes it only then."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from workbench.cli.index_tune import tune
from workbench.core import Corpus, Document, write_records
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
