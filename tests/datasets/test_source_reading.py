"""Sources as people declare them, and the documents they become."""

import gzip
import json
import os
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dulwich import porcelain
from pydantic import JsonValue

from benchmarks.shared_data import shared
from workbench.core import Corpus, DataError, digest_bytes
from workbench.datasets.parse import Row
from workbench.datasets.source import TraceSource, read_declaration
from workbench.datasets.source_reading import Reading, read_corpus, read_sources

MAY_2024 = datetime(2024, 5, 1, tzinfo=UTC)


def declare(folder: Path, *sources: Mapping[str, JsonValue]) -> Path:
    """A declaration in a folder of its own; JSON is YAML."""
    rights = {"licence": "CC0-1.0", "readers": ["everyone"]}
    path = folder / "corpora" / "small.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"name": "small", "sources": [{**rights, **one} for one in sources]}), encoding="utf-8")
    return path


def read(folder: Path, *sources: Mapping[str, JsonValue]) -> Reading:
    return read_sources(read_declaration(declare(folder, *sources)))


def write(path: Path, content: str | bytes, at: datetime = MAY_2024) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def texts(corpus: Corpus) -> dict[str, str]:
    return {document.doc_id: document.text for document in corpus.documents}


def kinds(reading: Reading) -> list[tuple[str, str]]:
    return [(omission.kind, omission.path) for omission in reading.omissions]


DOCS: Mapping[str, JsonValue] = {"name": "docs", "kind": "folder", "where": "../docs"}


def test_a_document_knows_where_it_comes_from(tmp_path: Path) -> None:
    """Source, path, digest, time, rights; metadata of file, path and declaration, and the declaration has the last
    word."""
    content = "---\ntitle: Setup\nteam: someone else\nlang: en\n---\n# VPN\n"
    write(tmp_path / "docs" / "vpn" / "2024" / "setup.md", content)
    reading = read(
        tmp_path,
        {
            **DOCS,
            "path_metadata": "{product}/{year}/*",
            "metadata": {"team": "it"},
            "readers": ["staff", "admins"],
            "trust": "reviewed",
            "fresh_hours": 24,
        },
    )

    (document,) = reading.corpus.documents
    origin = document.origin
    assert origin is not None
    assert ("docs/vpn/2024/setup.md", "Setup", "# VPN\n") == (document.doc_id, document.title, document.text)
    assert ("docs", "vpn/2024/setup.md", "2024-05-01T00:00:00+00:00") == (origin.source, origin.path, origin.read_at)
    assert digest_bytes(content.encode()) == origin.sha256
    assert {"team": "it", "lang": "en", "product": "vpn", "year": 2024} == origin.metadata
    assert ("CC0-1.0", "reviewed", ("admins", "staff"), 24) == (
        *(origin.licence, origin.trust, origin.readers, origin.fresh_hours),
    )


def test_the_same_sources_are_the_same_corpus_whenever_they_are_read(tmp_path: Path) -> None:
    """The order is that of paths, not of the disk; a changed file changes its own document and no other."""
    for name in ("b.txt", "a.txt", "B.txt", "z/a.txt"):
        write(tmp_path / "docs" / name, name)
    first, second = read(tmp_path, DOCS).corpus, read(tmp_path, DOCS).corpus
    write(tmp_path / "docs" / "a.txt", "changed")
    third = read(tmp_path, DOCS).corpus

    assert ["docs/B.txt", "docs/a.txt", "docs/b.txt", "docs/z/a.txt"] == [one.doc_id for one in first.documents]
    assert first.digest == second.digest
    changed = [one.doc_id for one, other in zip(first.documents, third.documents, strict=True) if one != other]
    assert ["docs/a.txt"] == changed


def test_one_bad_file_loses_no_other(tmp_path: Path) -> None:
    """Each is named with what is wrong, and the good ones are documents."""
    write(tmp_path / "docs" / "good.txt", "good")
    write(tmp_path / "docs" / "latin.txt", "caf\xe9".encode("latin-1"))
    write(tmp_path / "docs" / "broken.pdf", "no pdf")
    write(tmp_path / "docs" / "broken.docx", "no zip")
    write(tmp_path / "docs" / "empty.md", "\n \n")
    write(tmp_path / "docs" / "photo.png", b"\x89PNG")
    write(tmp_path / "docs" / "rows.jsonl", '{"id": "a", "text": "one"}\n{"id": \n{"text": "three"}\n{"id": "d"}\n')
    reading = read(tmp_path, DOCS)

    assert {"docs/good.txt": "good", "docs/rows.jsonl#a": "one", "docs/rows.jsonl#2": "three"} == texts(reading.corpus)
    assert [
        ("empty", "empty.md"),
        ("no parser", "photo.png"),
        ("unreadable", "broken.docx"),
        ("unreadable", "broken.pdf"),
        ("unreadable", "latin.txt"),
        ("unreadable", "rows.jsonl#d"),
        ("unreadable", "rows.jsonl#line 2"),
    ] == sorted(kinds(reading))
    reasons = {omission.path: omission.reason for omission in reading.omissions}
    assert "line 1: is not UTF-8 (byte 3); convert the file, as with iconv" == reasons["latin.txt"]
    assert "row 3: has no field 'text'; known: id" == reasons["rows.jsonl#d"]


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    """Links to files and to folders are refused, hidden files are left out, and a pipe hangs nobody."""
    write(tmp_path / "secret" / "key.txt", "secret")
    write(tmp_path / "docs" / "own.txt", "own")
    write(tmp_path / "docs" / ".env.txt", "hidden")
    write(tmp_path / "docs" / ".git" / "x.txt", "hidden")
    (tmp_path / "docs" / "file.txt").symlink_to(tmp_path / "secret" / "key.txt")
    (tmp_path / "docs" / "folder").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "docs" / "pipe.txt")
    reading = read(tmp_path, DOCS)

    assert {"docs/own.txt": "own"} == texts(reading.corpus)
    assert [("refused", "file.txt"), ("refused", "folder"), ("refused", "pipe.txt")] == sorted(kinds(reading))


def test_a_pattern_chooses_files(tmp_path: Path) -> None:
    """One star stays within a name, two go over folders, and what is skipped is skipped; a dot must be asked for."""
    for name in ("a.md", "b.txt", "deep/er/c.md", "drafts/d.md", ".hidden/e.md"):
        write(tmp_path / "docs" / name, name)

    def found(files: list[str], skip: list[str]) -> list[str]:
        return [*texts(read(tmp_path, {**DOCS, "files": [*files], "skip": [*skip]}).corpus).values()]

    assert ["a.md"] == found(["*.md"], [])
    assert ["a.md", "deep/er/c.md"] == found(["**/*.md"], ["drafts/**"])
    assert ["deep/er/c.md"] == found(["deep/**"], [])
    assert [".hidden/e.md"] == found([".hidden/*"], [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"readers": None}, "sources.0.readers: "),
        ({"licence": ""}, "sources.0.licence: "),
        ({"kind": "foldr"}, "sources.0.kind: 'foldr' is unknown; did you mean \"folder\"?"),
        ({"lisence": "x"}, 'sources.0.lisence: is no field here; did you mean "licence"?'),
        ({"files": ["../x"]}, "sources.0.files: pattern '../x' leaves the folder"),
        ({"trust": "trustd"}, "sources.0.trust: "),
        ({"path_metadata": "{a}/{a}"}, "sources.0.path_metadata: pattern '{a}/{a}' needs different names"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_field(
    tmp_path: Path, change: Mapping[str, JsonValue], says: str
) -> None:
    """File, line, field, and the nearest name."""
    path = declare(tmp_path, {**DOCS, **change})

    with pytest.raises(DataError) as caught:
        read_declaration(path)

    assert f"corpus ({path}:1): {says}" in str(caught.value)


def test_readers_have_no_default(tmp_path: Path) -> None:
    """Who does not say who may read a source has no corpus."""
    path = declare(tmp_path, DOCS)
    path.write_text(path.read_text(encoding="utf-8").replace(', "readers": ["everyone"]', ""), encoding="utf-8")

    with pytest.raises(DataError, match=r"sources\.0\.readers: is missing"):
        read_declaration(path)


def test_files_are_refused_when_they_are_too_large_even_packed(tmp_path: Path) -> None:
    """A packed file counts as it is unpacked, and no more than the limit is unpacked."""
    write(tmp_path / "docs" / "large.txt", "x" * 2_000_000)
    write(tmp_path / "docs" / "bomb.jsonl.gz", gzip.compress(b" " * 50_000_000))
    write(tmp_path / "docs" / "small.jsonl.gz", gzip.compress(b'{"text": "one"}'))
    reading = read(tmp_path, {**DOCS, "most_megabytes": 1})

    assert {"docs/small.jsonl.gz#1": "one"} == texts(reading.corpus)
    reasons = {omission.path: omission.reason for omission in reading.omissions}
    assert "has 1.9 MB and the limit is 1 MB; split it, or raise most_megabytes" == reasons["large.txt"]
    assert "is larger than 1 MB when unpacked; split it, or raise most_megabytes" == reasons["bomb.jsonl.gz"]


def test_a_row_s_id_can_be_the_document_s(tmp_path: Path) -> None:
    """So that judgments name it. The same row twice is one document; another text under its id is not taken."""
    rows = ({"_id": "a", "text": "one"}, {"_id": "a", "text": "one"}, {"_id": "a", "text": "two"})
    write(tmp_path / "rows.jsonl", "\n".join(map(json.dumps, rows)))
    reading = read(tmp_path, {"name": "rows", "kind": "file", "where": "../rows.jsonl", "ids": "own"})

    assert {"a": "one"} == texts(reading.corpus)
    assert [("repeated", "rows.jsonl#a"), ("clash", "rows.jsonl#a")] == kinds(reading)


def test_a_corpus_without_one_of_its_sources_is_none(tmp_path: Path) -> None:
    """Else its documents would look withdrawn; a look at all sources still sees the others."""
    write(tmp_path / "docs" / "a.txt", "a")
    path = declare(tmp_path, DOCS, {**DOCS, "name": "gone", "where": "../gone"})
    declared = read_declaration(path)

    assert {"docs/a.txt": "a"} == texts(read_sources(declared).corpus)
    with pytest.raises(DataError) as caught:
        read_corpus(declared)
    says = "source 'gone': folder '{}' is missing; correct where: it is relative to the corpus's file"
    assert f"corpus 'small' ({path}:1): {says.format(tmp_path / 'gone')}" == str(caught.value)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: the second changes one of two files."""
    folder = tmp_path / "repo"
    write(folder / "kept.md", "# Kept\n")
    write(folder / "changed.md", "# Old\n")
    (folder / "link.md").symlink_to("/etc/hostname")
    repo = porcelain.init(folder)
    for time, text in ((1_700_000_000, "# Old\n"), (1_700_003_600, "# New\n")):
        write(folder / "changed.md", text)
        porcelain.add(repo, [str(folder / name) for name in ("kept.md", "changed.md", "link.md")])
        porcelain.commit(
            repo, b"change", author=b"a <a@b>", committer=b"a <a@b>", commit_timestamp=time, commit_timezone=0
        )
    write(folder / "changed.md", "not committed")
    repo.close()
    return folder


GIT: Mapping[str, JsonValue] = {"name": "repo", "kind": "git", "where": "../repo"}


def test_a_repository_is_read_as_it_was_committed(tmp_path: Path, repository: Path) -> None:
    """Each file has the commit that last changed it and its time, so a commit elsewhere changes nothing of it."""
    reading = read(tmp_path, GIT)
    found = {one.doc_id: one for one in reading.corpus.documents}
    kept, changed = found["repo/kept.md"].origin, found["repo/changed.md"].origin

    assert kept is not None
    assert changed is not None
    assert {"repo/changed.md": "# New\n", "repo/kept.md": "# Kept\n"} == texts(reading.corpus)
    assert ("2023-11-14T22:13:20+00:00", "2023-11-14T23:13:20+00:00") == (kept.read_at, changed.read_at)
    assert kept.path.startswith("kept.md@")
    assert kept.path.partition("@")[2] != changed.path.partition("@")[2]
    assert [("refused", "link.md")] == kinds(reading)


def test_a_revision_is_a_branch_or_a_commit(tmp_path: Path, repository: Path) -> None:
    """An unknown one gets the nearest."""
    kept = read(tmp_path, {**GIT, "files": "kept.md"}).corpus.documents[0].origin
    assert kept is not None
    first = read(tmp_path, {**GIT, "revision": kept.path.partition("@")[2]})
    wrong = read(tmp_path, {**GIT, "revision": "mastr"})

    assert "# Old\n" == texts(first.corpus)["repo/changed.md"]
    assert "revision 'mastr' is not in the repository; did you mean \"master\"?" == wrong.omissions[0].reason


SQL: Mapping[str, JsonValue] = {
    "name": "faq",
    "kind": "sql",
    "where": "sqlite:///../faq.db",
    "query": "SELECT key, question, answer, at, area FROM faq WHERE answer <> '50%:x'",
    "columns": {"id": "key", "title": "question", "text": ["question", "answer"], "changed": "at", "metadata": "area"},
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two answered questions, the later id first."""
    path = tmp_path / "faq.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE faq (key, question, answer, at, area)")
        rows = [("k2", "Why?", "So.", "2024-05-01 12:00:00", "x"), ("k1", "How?", "Thus.", "2024-05-02", "y")]
        connection.executemany("INSERT INTO faq VALUES (?, ?, ?, ?, ?)", rows)
    return path


def test_rows_of_a_query_are_documents_by_id(tmp_path: Path, database: Path) -> None:
    """With their own times and metadata; the address of the database stands in none."""
    reading = read(tmp_path, SQL)

    assert {"faq#k1": "How?\n\nThus.", "faq#k2": "Why?\n\nSo."} == texts(reading.corpus)
    origin = reading.corpus.documents[1].origin
    assert origin is not None
    assert ("k2", "2024-05-01T12:00:00+00:00", {"area": "x"}) == (origin.path, origin.read_at, origin.metadata)
    assert "faq.db" not in reading.corpus.model_dump_json()


def test_a_query_can_not_write(tmp_path: Path, database: Path) -> None:
    """Neither by its form, nor in a form that looks like a question; and no database is made where none was."""
    with pytest.raises(DataError, match="must be one SELECT, without a second statement"):
        read(tmp_path, {**SQL, "query": "DELETE FROM faq"})
    write_all = "WITH x AS (SELECT 1) INSERT INTO faq SELECT 1, 2, 3, 4, 5"
    tried = read(tmp_path, {**SQL, "query": write_all})
    missing = read(tmp_path, {**SQL, "where": "sqlite:///../none.db"})

    assert "attempt to write a readonly database" in tried.omissions[0].reason
    assert "is missing" in missing.omissions[0].reason
    assert not (tmp_path / "none.db").exists()


def test_a_password_stands_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the declaration, not in an error, and without its variable nothing is tried."""
    address = "postgresql://me:hunter2@127.0.0.1:1/db"
    with pytest.raises(DataError, match="holds a password; take it out, and name the environment variable") as caught:
        read(tmp_path, {**SQL, "where": address})
    monkeypatch.delenv("FAQ_PASSWORD", raising=False)
    unset = read(tmp_path, {**SQL, "where": "postgresql://me@127.0.0.1:1/db", "password_from": "FAQ_PASSWORD"})
    monkeypatch.setenv("FAQ_PASSWORD", "hunter2")
    refused = read(tmp_path, {**SQL, "where": "postgresql://me@127.0.0.1:1/db", "password_from": "FAQ_PASSWORD"})

    assert "environment variable 'FAQ_PASSWORD' is not set" in unset.omissions[0].reason
    assert refused.omissions[0].reason.startswith("database: ")
    assert "hunter2" not in str(caught.value) + refused.model_dump_json()


def test_only_databases_that_can_be_kept_from_writing_are_asked(tmp_path: Path) -> None:
    """Another kind is refused before a connection."""
    reading = read(tmp_path, {**SQL, "where": "mysql://me@127.0.0.1:1/db"})

    assert "database: 'mysql' can't be kept from writing here" in reading.omissions[0].reason


def test_traces_are_read_by_whoever_can(tmp_path: Path) -> None:
    """This room asks for rows; without a reader the source is unreachable and says so."""
    traces = {"name": "asked", "kind": "traces", "where": "../mlruns", "experiment": "tickets"}
    declared = read_declaration(declare(tmp_path, traces))

    def reader(source: TraceSource, folder: Path) -> list[Row]:
        place = str(source.place(folder))
        return [{"id": "tr-1", "text": "How?\n\nThus.", "title": "How?", "changed": "2024-05-01", "store": place}]

    (document,) = read_corpus(declared, traces=reader).documents
    assert document.origin is not None
    assert ("asked#tr-1", {"store": str(tmp_path / "mlruns")}) == (document.doc_id, document.origin.metadata)
    assert (
        "traces are read from a tracking store, and none is at hand here" in read_sources(declared).omissions[0].reason
    )


def test_an_interrupted_reading_stops(tmp_path: Path) -> None:
    """Ctrl-C is no bad file."""
    write(tmp_path / "docs" / "a.txt", "a")

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_sources(read_declaration(declare(tmp_path, DOCS)), advance=interrupt)


@pytest.fixture
def real() -> Path:
    """The real data, if it is beside the project."""
    try:
        return shared("wixqa").parent
    except DataError as cause:
        pytest.skip(str(cause))


def test_real_articles_and_abstracts_are_read(tmp_path: Path, real: Path) -> None:
    """WixQA's 173 articles out of its questions, and BEIR's SciFact packed as it comes: 5,183 abstracts by the ids of
    its judgments. Source of the counts: the data's own README."""
    reading = read(
        tmp_path,
        {
            "name": "articles",
            "kind": "file",
            "where": str(real / "wixqa" / "wixqa_sample.jsonl"),
            "columns": {"rows": "contexts", "id": "id", "metadata": "article_type"},
        },
        {"name": "scifact", "kind": "file", "where": str(real / "scifact" / "corpus.jsonl.gz"), "ids": "own"},
    )
    found = [one.origin.source for one in reading.corpus.documents if one.origin]

    assert (173, 5183) == (found.count("articles"), found.count("scifact"))
    assert {"repeated"} == {omission.kind for omission in reading.omissions}
    assert "4983" in texts(reading.corpus)


def test_this_project_is_a_source(tmp_path: Path) -> None:
    """Its own repository, as it is committed: code with its language, Markdown with its title."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        pytest.skip("this is no clone of the repository")
    reading = read(
        tmp_path,
        {"name": "house", "kind": "git", "where": str(root), "files": ["README.md", "workbench/core/record.py"]},
    )
    titles = {one.doc_id: (one.title, one.origin.metadata) for one in reading.corpus.documents if one.origin}

    assert ("workbench/core/record.py", {"language": "python"}) == titles["house/workbench/core/record.py"]
    assert [] == kinds(reading)
