"""`workbench index`: what a person types to build, refresh, search and explain."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from workbench.cli import index
from workbench.cli.main import Workbench
from workbench.core import EVERYONE, Document, Origin, write_records

app = typer.Typer(cls=Workbench)
app.add_typer(index.app, name="index")

Invoke = Callable[..., Result]


def _document(doc_id: str, text: str, *readers: str, year: int = 2024) -> Document:
    origin = Origin(
        source="kb",
        path=f"{doc_id}.md",
        readers=readers,
        trust="reviewed",
        read_at="2020-01-01T00:00:00Z",
        fresh_hours=24,
        metadata={"year": year},
    )
    return Document(doc_id=doc_id, text=text, origin=origin)


VPN = _document("vpn", "Reset the token of the tunnel in the portal. Then sign in anew.", EVERYONE)
PAY = _document("pay", "Reset of salaries, for managers.", "hr", year=2023)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """The file that an index is made of."""
    write_records(tmp_path / "documents.jsonl", [VPN, PAY])
    return tmp_path / "documents.jsonl"


@pytest.fixture
def invoke(tmp_path: Path, documents: Path) -> Invoke:
    """Commands on a workspace that has the index `kb`."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["index", *words, "--workspace", str(tmp_path / "mlruns")])

    built = run("build", "kb", str(documents), "--retriever", "bm25")
    assert built.exit_code == 0, built.output
    return run


def test_a_caller_sees_what_is_theirs(invoke: Invoke) -> None:
    """A group opens more; a condition narrows it; nobody sees what everyone may."""
    found = [
        [one["hit"]["doc_id"] for one in json.loads(invoke("search", "kb", "reset", "--json", *options).stdout)]
        for options in ((), ("--as", "ann", "--group", "hr"), ("--group", "hr", "--where", "year<=2023"))
    ]

    assert [["vpn"], ["pay", "vpn"], ["pay"]] == [sorted(one) for one in found]


def test_stale_passages_are_marked(invoke: Invoke) -> None:
    """What is older than its source allows says so, with where it is from and how far it is trusted."""
    assert "reviewed, stale" in invoke("search", "kb", "reset").stdout
    assert "kb:vpn.md" in invoke("search", "kb", "reset").stdout


def test_a_refresh_follows_the_corpus(invoke: Invoke, documents: Path) -> None:
    """What is gone from the corpus is gone from the index, what is new is found."""
    write_records(documents, [VPN, _document("new", "A printer", EVERYONE)])
    done = json.loads(invoke("refresh", "kb", "--compact", "--json").stdout)

    assert (1, 1, 1) == (done["added"], done["deleted"], done["unchanged"])
    assert "nothing is found" in invoke("search", "kb", "salaries", "--group", "hr").stdout
    assert "new" in invoke("search", "kb", "printer").stdout


def test_words_explain_a_score(invoke: Invoke) -> None:
    """What the words add is what the hit has."""
    found = json.loads(invoke("explain", "kb", "reset the token", "--json").stdout)
    (hit,) = found["hits"]

    assert pytest.approx(hit["hit"]["parts"]["bm25"]) == sum(word["score"] for word in hit["words"])
    assert (2, 1) == (found["documents"], found["visible"])
    assert "0.1823" in invoke("explain", "kb", "reset").stdout  # ln(1 + (2 - 2 + 0.5) / (2 + 0.5))


def test_passages_say_where_they_were_cut(invoke: Invoke, documents: Path) -> None:
    """A document is cut as asked, and each passage names the whole and its characters."""
    invoke("build", "cut", str(documents), "--retriever", "bm25", "--chunk", "45")
    (found,) = json.loads(invoke("search", "cut", "anew", "--json").stdout)
    origin = found["document"]["origin"]

    assert "vpn" == origin["whole"]
    assert VPN.text[origin["start"] : origin["end"]] == found["document"]["text"]


def test_stats_tell_the_stale_share(invoke: Invoke) -> None:
    """Both documents are older than a day."""
    assert "100.0%" in invoke("stats", "kb").stdout


def test_mistakes_say_what_to_do(invoke: Invoke, documents: Path) -> None:
    """An unknown name, a name twice, a condition that is none: one line, and exit code 2."""
    for words, expected in (
        (("search", "kbb", "reset"), 'did you mean "kb"'),
        (("build", "kb", str(documents), "--retriever", "bm25"), "is there already"),
        (("search", "kb", "reset", "--where", "year"), "FIELD=VALUE"),
        (("build", "other", "missing.jsonl", "--retriever", "bm25"), "is missing"),
        (("search", "other", "reset"), "is not in the workspace"),
        (("build", "Not A Name", str(documents)), "is no name"),
    ):
        result = invoke(*words)
        assert 2 == result.exit_code
        assert expected in result.stderr


def test_an_index_lies_in_a_store(invoke: Invoke, documents: Path, tmp_path: Path) -> None:
    """Built, searched in a caller's view and refreshed there; what only a folder does is refused in one line."""
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    url = f"lance://{tmp_path / 'shared'}"
    assert 0 == invoke("build", "far", str(documents), "--retriever", "bm25", "--store", url).exit_code
    write_records(documents, [PAY, _document("new", "A printer", EVERYONE)])
    done = json.loads(invoke("refresh", "far", "--json").stdout)

    assert (1, 1, 1) == (done["added"], done["deleted"], done["unchanged"])
    assert "nothing is found" in invoke("search", "far", "salaries").stdout
    assert "pay" in invoke("search", "far", "salaries", "--group", "hr").stdout
    assert "does not explain" in invoke("explain", "far", "printer").stderr
    assert "is there already, in lance" in invoke("build", "far", str(documents), "--retriever", "bm25").stderr


def test_a_secret_is_written_nowhere(invoke: Invoke, documents: Path, tmp_path: Path) -> None:
    """A URL with a password is refused, without showing it, before anything is made."""
    url = "postgresql://app:s3cret@127.0.0.1:1/docs"
    result = invoke("build", "far", str(documents), "--retriever", "bm25", "--store", url)

    assert 2 == result.exit_code
    assert "${NAME}" in result.stderr
    assert "s3cret" not in result.output
    assert not (tmp_path / "mlruns" / "indexes" / "far").exists()
