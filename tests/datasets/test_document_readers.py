"""A document names its readers where its source lets it; one that names nobody is closed, and the check says so."""

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from workbench.core import EVERYONE, DataError
from workbench.datasets.source import read_declaration
from workbench.datasets.source_checks import check_corpus
from workbench.datasets.source_reading import Reading, read_sources

OWNED = {"licence": "MIT", "readers": ["admins"]}


def read(folder: Path, **source: object) -> Reading:
    """A corpus of one source."""
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump({"name": "c", "sources": [{"name": "s", **OWNED, **source}]}))
    return read_sources(read_declaration(path))


def readers(reading: Reading) -> Mapping[str, tuple[str, ...]]:
    """The readers of each document, by its text."""
    return {one.text.strip(): one.origin.readers for one in reading.corpus.documents if one.origin is not None}


def test_front_matter_rows_and_columns_name_readers(tmp_path: Path) -> None:
    """Each beside the owners; the field is no metadata of a text; what names nobody, or no names, is the owners'."""
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "a.md").write_text("---\nallowed: [sales, board]\nyear: 2024\n---\nalpha\n")
    (pages / "b.md").write_text("beta\n")
    (pages / "c.md").write_text("---\nallowed: {everyone: true}\n---\ngamma\n")
    (tmp_path / "rows.jsonl").write_text(
        '{"id": 1, "text": "one", "allowed": "sales, board"}\n{"id": 2, "text": "two"}\n'
        '{"id": 3, "text": "three", "allowed": ["everyone", 7]}\n{"id": 4, "text": "four", "allowed": "everyone"}\n'
    )
    (tmp_path / "rows.csv").write_text("id,text,allowed\n1,eins,sales\n2,zwei,\n")
    columns = {"readers": "allowed"}
    found = read(tmp_path, kind="folder", where="pages", columns=columns)
    rows = readers(read(tmp_path, kind="file", where="rows.jsonl", columns=columns))
    table = readers(read(tmp_path, kind="file", where="rows.csv", columns={"id": "id", **columns}))

    assert {"alpha": ("admins", "board", "sales"), "beta": ("admins",), "gamma": ("admins",)} == readers(found)
    assert ("s/b.md", "s/c.md") == found.closed
    assert [{"year": 2024}, {}, {}] == [one.origin.metadata for one in found.corpus.documents if one.origin]
    closed = ("admins",)
    assert {"one": ("admins", "board", "sales"), "two": closed, "three": closed, "four": ("admins", EVERYONE)} == rows
    assert {"eins": ("admins", "sales"), "zwei": closed} == table


def test_a_path_and_a_query_name_readers(tmp_path: Path) -> None:
    """A folder's name by the pattern of paths; a column of a database."""
    (tmp_path / "pages" / "sales").mkdir(parents=True)
    (tmp_path / "pages" / "sales" / "a.txt").write_text("alpha")
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("CREATE TABLE t (id, text, allowed)")
        connection.execute("INSERT INTO t VALUES (1, 'one', 'sales'), (2, 'two', NULL)")
    placed = {"path_metadata": "{team}/**", "columns": {"readers": "team"}}
    columns = {"id": "id", "text": "text", "readers": "allowed"}
    asked = read(tmp_path, kind="sql", where="sqlite:///t.db", query="SELECT * FROM t", columns=columns)

    assert {"alpha": ("admins", "sales")} == readers(read(tmp_path, kind="folder", where="pages", **placed))
    assert {"one": ("admins", "sales"), "two": ("admins",)} == readers(asked)
    assert ("s#2",) == asked.closed


def test_the_check_says_what_is_closed(tmp_path: Path) -> None:
    """A problem with the documents it is about; none where the source's readers count for all."""
    (tmp_path / "rows.jsonl").write_text('{"id": 1, "text": "one", "allowed": "sales"}\n{"id": 2, "text": "two"}\n')
    reading = read(tmp_path, kind="file", where="rows.jsonl", columns={"readers": "allowed"})
    declared = read_declaration(tmp_path / "c.yaml")
    found = check_corpus(declared, reading, now=datetime.now(UTC), count_personal=lambda _text: {})

    (problem,) = found.of("problem")
    assert ("s/rows.jsonl#2",) == problem.paths
    assert "closed: 1 of 2 documents name no reader in 'allowed'; only admins may read them" in problem.message
    assert () == read(tmp_path, kind="file", where="rows.jsonl").closed


def test_owners_are_not_everyone_and_a_table_has_the_column(tmp_path: Path) -> None:
    """Else a forgotten field would open a document, and a misspelt column close them all in silence."""
    (tmp_path / "rows.csv").write_text("id,text,allowed\n1,eins,sales\n")
    with pytest.raises(DataError, match="would open them all"):
        read(tmp_path, kind="file", where="rows.csv", columns={"readers": "allowed"}, readers=[EVERYONE])
    (omission,) = read(tmp_path, kind="file", where="rows.csv", columns={"readers": "alowed"}).omissions

    assert "has no column 'alowed'" in omission.reason
