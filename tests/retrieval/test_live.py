"""A live index answers from one generation whole, says what is stale, and can't be opened with another model."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from workbench.core import EVERYONE, Document, Origin, RetrievalError, digest_json
from workbench.retrieval.index import IndexSpec, Vectors
from workbench.retrieval.live import LiveIndex
from workbench.retrieval.live_refresh import create_live, update
from workbench.retrieval.view import Condition, View


class Letters:
    """An encoder that counts letters."""

    digest = digest_json("letters")

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str], *, most_tokens: int) -> Vectors:
        """How often each of the first letters is in a text, made of length 1."""
        self.embedded += texts
        rows = np.array([[1 + text.lower().count(chr(97 + n % 26)) for n in range(64)] for text in texts])
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows32: Vectors = (rows / lengths).astype(np.float32)
        return rows32

    def embed_query(self, query: str) -> Vectors:
        """The row of a query."""
        row: Vectors = self.embed([query], most_tokens=1)[0]
        return row


def _article(number: int, text: str = "", *, read_at: str = "", fresh_hours: float | None = None) -> Document:
    origin = Origin(
        source="wiki",
        path=f"page-{number}",
        readers=(EVERYONE,),
        trust="reviewed",
        read_at=read_at,
        fresh_hours=fresh_hours,
        whole="book",
        start=10 * number,
        end=10 * number + 9,
    )
    return Document(doc_id=f"a{number}", text=text or f"article number {number}", origin=origin)


def _live(folder: Path, *documents: Document) -> LiveIndex:
    create_live(folder, "wiki", IndexSpec(retriever="bm25"))
    index = LiveIndex(folder)
    update(index, documents)
    return index


def test_a_passage_says_where_it_is_from(tmp_path: Path) -> None:
    """Source, offsets and trust come back as they were put."""
    article = _article(3, read_at="2026-01-01T00:00:00+00:00")
    (passage,) = _live(tmp_path, article).passages("article", 5)

    assert article == passage.document
    assert "a3" == passage.hit.doc_id


@pytest.mark.parametrize(
    ("read_at", "fresh_hours", "expected"),
    [
        ("2026-01-01T00:00:00Z", None, False),
        ("2026-01-01T00:00:00Z", 1.0, False),
        ("2026-01-01T00:00:00Z", 0.9, True),
        ("2026-01-01T03:00:00+02:00", 0.1, False),
        ("", 1e9, True),
        ("yesterday", 1e9, True),
        ("", None, False),
    ],
)
def test_stale_passages_say_so(tmp_path: Path, read_at: str, fresh_hours: float | None, expected: bool) -> None:
    """One hour after midnight: stale by its rule, or by saying no time though there is a rule; `stats` agrees."""
    now = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)
    index = _live(tmp_path, _article(1, read_at=read_at, fresh_hours=fresh_hours))

    assert [expected] == [one.stale for one in index.passages("article", 1, now=now)]
    assert int(expected) == index.stats(now=now).stale


def test_stats_count(tmp_path: Path) -> None:
    """What is alive, cut from a whole, deleted and not yet dropped."""
    index = _live(tmp_path, *(_article(number) for number in range(5)), Document(doc_id="whole", text="a book"))
    update(index, [], deleted=["a1"])
    stats = index.stats()

    assert (5, 4, 1, 1, 2) == (stats.documents, stats.passages, stats.tombstones, stats.segments, stats.generation)
    assert stats.words == sum(part.entry.words for part in index.current().parts)
    assert stats.bytes > 0


def test_another_reader_sees_a_change_at_once(tmp_path: Path) -> None:
    """An index that was opened before a change answers its next query with it."""
    writer = _live(tmp_path, _article(1))
    reader = LiveIndex(tmp_path)
    update(writer, [_article(2, "something quite new")], deleted=["a1"])

    assert ["a2"] == [hit.doc_id for hit in reader.search("new", 5)]
    assert () == reader.search("article", 5)


def test_readers_never_see_half(tmp_path: Path) -> None:
    """While pairs of documents are put and joined, a reader always finds both of a pair or none."""
    index = _live(tmp_path, _article(0))
    ends = threading.Event()
    odd: list[int] = []

    def read() -> None:
        reader = LiveIndex(tmp_path)
        while not ends.is_set():
            found = [hit.doc_id for hit in reader.search("pair", 1000)]
            odd.extend([len(found)] if len(found) % 2 else [])

    reading = threading.Thread(target=read)
    reading.start()
    for number in range(1, 40, 2):
        update(index, [_article(number, "a pair"), _article(number + 1, "a pair")])
    ends.set()
    reading.join()

    assert [] == odd
    assert 40 == len(index.search("pair", 1000))


def test_nothing_is_there(tmp_path: Path) -> None:
    """An index without documents finds nothing; a folder without an index says what to do."""
    assert () == _live(tmp_path / "empty").search("anything", 3)
    with pytest.raises(RetrievalError, match="build it"):
        LiveIndex(tmp_path / "none")


def test_a_model_is_needed_and_no_other(tmp_path: Path) -> None:
    """Vectors of two models can't be compared, so the index names its own."""
    create_live(tmp_path, "wiki", IndexSpec(retriever="dense"), model=digest_json("another model"))

    with pytest.raises(RetrievalError, match="no model"):
        LiveIndex(tmp_path)
    with pytest.raises(RetrievalError, match="build the index again"):
        LiveIndex(tmp_path, encoder=Letters())


def test_a_shortened_file_is_found_out(tmp_path: Path) -> None:
    """A segment that lost its end is refused when it is opened."""
    _live(tmp_path, _article(1))
    (path,) = tmp_path.glob("segments/*/documents.jsonl")
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(RetrievalError, match="bytes"):
        LiveIndex(tmp_path)


def test_one_is_not_true(tmp_path: Path) -> None:
    """Views that Python takes for equal see what each of them allows: a mask is kept for one of them alone."""
    flag = Origin(source="s", readers=(EVERYONE,), metadata={"open": True})
    index = _live(tmp_path, Document(doc_id="a", text="word", origin=flag))
    views = [View(where=(Condition(field="open", one_of=(value,)),)) for value in (1, True, 1.0)]

    assert [0, 1, 0] == [len(index.search("word", 1, view)) for view in views]
