"""PostgreSQL itself guards access: the searching role sees its principals' rows, whatever is asked in SQL."""

import json
from collections.abc import Iterator

import pytest
from postgres_server import running

from workbench.core import EVERYONE, Document, Origin, RetrievalError
from workbench.retrieval.address import Address
from workbench.retrieval.index import IndexSpec
from workbench.retrieval.stores import create_store, open_store

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")

TABLES = ("documents", "postings", "audiences")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database with the index `kb`: one document for everyone, one for ants, one for bees."""
    with running() as found:
        store = create_store(Address(found), "kb", IndexSpec(retriever="bm25"))
        store.update(
            Document(doc_id=name, text=f"river {name}", origin=Origin(source="kb", readers=(name,)))
            for name in ("ants", "bees", EVERYONE)
        )
        store.close()
        with psycopg.connect(found) as owner:
            owner.execute("CREATE ROLE app LOGIN NOINHERIT IN ROLE workbench_reader")
        yield found


def _count(url: str, table: str, principals: list[str] | None, user: str = "app") -> int:
    """How many rows of a table a user who is but a member of the searching role sees."""
    with psycopg.connect(url.replace("owner@", f"{user}@"), autocommit=True) as connection:
        connection.execute("SET ROLE workbench_reader")
        if principals is not None:
            connection.execute("SELECT set_config('workbench.principals', %s, false)", [json.dumps(principals)])
        (number,) = connection.execute(f"SELECT count(*) FROM workbench_kb.{table}").fetchone()
        return number


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("user", ["app", "owner"])
def test_the_database_refuses_rows(url: str, table: str, user: str) -> None:
    """Without principals none, with principals theirs: even to who could else see all, once in this role."""
    seen = [_count(url, table, principals, user) for principals in (None, [], ["nobody"], ["ants"], ["ants", EVERYONE])]
    per_document = 2 if table == "postings" else 1

    assert [0, 0, 0, per_document, 2 * per_document] == seen


def test_words_are_counted_but_not_listed(url: str) -> None:
    """The role is told how rare a word is that it asks for; it can't list the words of others, nor write."""
    with psycopg.connect(url.replace("owner@", "app@"), autocommit=True) as connection:
        connection.execute("SET ROLE workbench_reader")
        found = connection.execute("SELECT * FROM workbench_kb.weights(%s)", [["river", "bees"]]).fetchall()
        assert [("bees", 1), ("river", 3)] == sorted(found)
        for statement in ("SELECT * FROM workbench_kb.words", "DELETE FROM workbench_kb.documents"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_who_may_only_search_searches(url: str) -> None:
    """A login that owns nothing opens and searches the index; to write it is refused."""
    store = open_store(Address(url.replace("owner@", "app@")), "kb")

    assert [EVERYONE] == [hit.doc_id for hit in store.search("river", 5)]
    assert 3 == store.stats().documents
    with pytest.raises(RetrievalError, match="may only search"):
        store.update([Document(doc_id="new", text="river")])
    store.close()


@pytest.mark.parametrize(
    ("change", "back", "complaint"),
    [
        (
            "ALTER TABLE workbench_kb.postings DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE workbench_kb.postings ENABLE ROW LEVEL SECURITY",
            "row-level security is off",
        ),
        ("ALTER ROLE workbench_reader BYPASSRLS", "ALTER ROLE workbench_reader NOBYPASSRLS", "passes by"),
        (
            "ALTER TABLE workbench_kb.words OWNER TO workbench_reader",
            "ALTER TABLE workbench_kb.words OWNER TO owner",
            "owns a table",
        ),
        (
            "CREATE ROLE boss BYPASSRLS; CREATE ROLE deputy IN ROLE boss; GRANT deputy TO workbench_reader",
            "DROP ROLE boss, deputy",
            "can become one that does",
        ),
        (
            "CREATE ROLE keeper; ALTER TABLE workbench_kb.documents OWNER TO keeper; GRANT keeper TO workbench_reader",
            "ALTER TABLE workbench_kb.documents OWNER TO owner; DROP ROLE keeper",
            "is a member of the role that does",
        ),
        (
            "GRANT SELECT ON workbench_kb.words TO workbench_reader",
            "REVOKE SELECT ON workbench_kb.words FROM workbench_reader",
            "may list the words",
        ),
        (
            "CREATE POLICY open ON workbench_kb.documents USING (true)",
            "DROP POLICY open ON workbench_kb.documents",
            "another policy than its own",
        ),
    ],
)
def test_what_is_not_guarded_is_not_searched(url: str, change: str, back: str, complaint: str) -> None:
    """An index is not opened where somebody has taken the guard away."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(change)
        with pytest.raises(RetrievalError, match=complaint):
            open_store(Address(url), "kb")
        owner.execute(back)


def test_one_writes_at_a_time(url: str) -> None:
    """A second writer is told so, and goes on when the first has ended."""
    store = open_store(Address(url), "kb")
    other = open_store(Address(url), "kb")

    def meanwhile() -> Iterator[Document]:
        with pytest.raises(RetrievalError, match="being written by another"):
            other.update([])
        yield Document(doc_id="first", text="stone")

    assert 1 == store.update(meanwhile()).added
    assert 1 == other.update([], deleted=["first"]).deleted
    store.close()
    other.close()


def test_a_change_that_fails_leaves_nothing(url: str) -> None:
    """A document that PostgreSQL can't hold takes its whole batch with it."""
    store = open_store(Address(url), "kb")
    odd = Origin(source="kb", readers=(EVERYONE,), metadata={"odd": "\0"})
    with pytest.raises(RetrievalError, match="see that"):
        store.update([Document(doc_id="fine", text="boat"), Document(doc_id="odd", text="boat", origin=odd)])

    assert () == store.search("boat", 5)
    assert 3 == store.stats().documents
    store.close()


def test_no_word_of_the_deleted_is_kept(url: str) -> None:
    """Neither a posting, nor a count, nor an audience of its own."""
    store = open_store(Address(url), "kb")
    store.update([Document(doc_id="x", text="unspeakable", origin=Origin(source="kb", readers=("secret",)))])
    store.update([], deleted=["x"])
    store.close()
    with psycopg.connect(url) as owner:
        rows = [
            owner.execute(f"SELECT count(*) FROM workbench_kb.{table} t WHERE t::text LIKE %s", [pattern]).fetchone()
            for table in (*TABLES, "words")
            for pattern in ("%unspeakable%", "%secret%")
        ]

    assert {(0,)} == set(rows)
