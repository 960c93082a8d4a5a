"""`workbench corpus`: what a person types."""

import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from workbench.cli import corpus
from workbench.cli.main import Workbench

app = typer.Typer(cls=Workbench)
app.add_typer(corpus.app, name="corpus")


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, ["corpus", *words])


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of documents, and the folder that commands are typed in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "vpn.md").write_text("# VPN\n\nAsk jo@example.org.\n", encoding="utf-8")
    return tmp_path


def add(*more: str) -> Result:
    return invoke("add", "helpdesk", "docs", "--licence", "CC0-1.0", "--readers", "staff,admins", *more)


def test_a_source_is_added_checked_and_shown(workspace: Path) -> None:
    """The file is made; where it points is relative to it."""
    added = add("--trust", "reviewed", "--set", "fresh_hours=24")
    checked, shown = invoke("check", "helpdesk"), invoke("show", "helpdesk")

    assert (0, "") == (added.exit_code, added.stderr)
    assert "where: ../docs\n" in (workspace / "corpora" / "helpdesk.yaml").read_text(encoding="utf-8")
    assert (0, 0) == (checked.exit_code, shown.exit_code)
    assert "personal data in 1 of 1 documents, open to admins, staff: e-mail 1" in checked.stdout
    assert "docs      folder  1          27          0        CC0-1.0  reviewed  admins, staff" in shown.stdout
    assert 1 == json.loads(invoke("show", "helpdesk", "--json").stdout)["sources"][0]["documents"]


def test_a_file_keeps_its_comments(workspace: Path) -> None:
    """A second source is appended as the first is written; and a name that is taken changes nothing."""
    add()
    file = workspace / "corpora" / "helpdesk.yaml"
    file.write_text("# Who asks: Ann.\n" + file.read_text(encoding="utf-8") + "  # the end\n", encoding="utf-8")
    before = file.read_text(encoding="utf-8")
    second, again = add("--name", "other"), add("--name", "other")

    after = file.read_text(encoding="utf-8")
    assert 0 == second.exit_code
    assert after.startswith(before)
    assert "  - name: other\n    kind: folder\n" in after
    assert (2, "source 'other' is declared twice; rename one\n") == (again.exit_code, again.stderr[-45:])
    assert after == file.read_text(encoding="utf-8")


def test_what_can_not_be_read_is_not_added(workspace: Path) -> None:
    """Nothing is written, and one line says why."""
    result = invoke("add", "helpdesk", "dcs", "--licence", "x", "--readers", "everyone")

    assert 2 == result.exit_code
    assert "error: source 'dcs': holds no document: file 'dcs' is missing" in result.stderr
    assert not (workspace / "corpora").exists()


def test_a_file_that_goes_on_after_its_sources_is_left_alone(workspace: Path) -> None:
    """The person gets the lines to put in."""
    add()
    file = workspace / "corpora" / "helpdesk.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "description: ours\n", encoding="utf-8")
    result = add("--name", "other")

    assert 2 == result.exit_code
    assert "put this below sources yourself" in result.stderr
    assert "- name: other" in result.stderr


def test_a_source_that_is_older_than_it_may_be_ends_with_1(workspace: Path) -> None:
    """Its documents are named; fresh again, it is fine."""
    add("--set", "fresh_hours=1")
    os.utime(workspace / "docs" / "vpn.md", (0, 0))
    old = invoke("check", "helpdesk")
    os.utime(workspace / "docs" / "vpn.md")

    assert 1 == old.exit_code
    assert "stale: 1 of 1 documents are older than 1 hours; the oldest, 'docs/vpn.md', is of 1970-01-01" in old.stdout
    assert 0 == invoke("check", "helpdesk").exit_code


def test_what_must_be_put_right_ends_with_2(workspace: Path) -> None:
    """Each file with the place of its source, and what to do; a text under two ids is to be known."""
    add()
    (workspace / "docs" / "bad.txt").write_bytes(b"\xff")
    (workspace / "docs" / "copy.md").write_text("# VPN\nAsk jo@example.org.", encoding="utf-8")
    result = invoke("check", "helpdesk")

    assert 2 == result.exit_code
    where = "source 'docs' (corpora/helpdesk.yaml:3)"
    says = "unreadable: line 1: is not UTF-8 (byte 0); convert the file, as with iconv"
    assert f"problem  {where}: {says}\n         bad.txt\n" in result.stdout
    assert f"{where}: duplicate: the text of another document ('docs/vpn.md' is 'docs/copy.md')" in result.stdout
    assert "problems: 1; next: uv run workbench corpus check helpdesk" in invoke("show", "helpdesk").stdout


def test_an_unknown_corpus_gets_the_nearest() -> None:
    """By the files that are there."""
    add()

    assert 'did you mean "helpdesk"?' in invoke("check", "helpdsk").stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--set", "files"], "setting 'files': has no value; write FIELD=VALUE"),
        (["--set", "licence=x"], "setting 'licence=x': is given twice"),
        (["--kind", "foldr"], "sources.0.kind: 'foldr' is unknown; did you mean \"folder\"?"),
        (["--trust", "trustd"], "sources.0.trust: "),
    ],
)
def test_a_wrong_option_ends_with_one_line(words: list[str], says: str) -> None:
    """Which says what to write."""
    result = add(*words)

    assert 2 == result.exit_code
    assert says in result.stderr
