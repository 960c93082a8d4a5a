"""A generation is named by what it answers from, and its copy stays when the index goes on."""

import shutil
from pathlib import Path

import pytest

from workbench.core import EVERYONE, Document, Origin, RetrievalError
from workbench.retrieval.index import IndexSpec
from workbench.retrieval.live import LiveIndex
from workbench.retrieval.live_frozen import copy_live, digest_generation, freeze
from workbench.retrieval.live_refresh import compact, create_live, update
from workbench.retrieval.view import View


def _page(number: int, text: str = "", *, readers: tuple[str, ...] = (EVERYONE,), hour: int = 0) -> Document:
    read_at = f"2026-01-01T{hour:02}:00:00+00:00"
    origin = Origin(source="wiki", readers=readers, read_at=read_at, fresh_hours=1.0)
    return Document(doc_id=f"p{number}", text=text or f"page number {number}", origin=origin)


def _live(folder: Path, *documents: Document) -> LiveIndex:
    create_live(folder, "wiki", IndexSpec(retriever="bm25"))
    index = LiveIndex(folder)
    for document in documents:
        update(index, [document])
    return index


def test_the_digest_is_of_what_is_alive(tmp_path: Path) -> None:
    """The order of the updates, what was deleted and a `compact` change nothing; a text, readers or a time do."""
    one = _live(tmp_path / "one", _page(1), _page(2), _page(3))
    two = _live(tmp_path / "two", _page(3), _page(2), _page(1), _page(4))
    update(two, [], deleted=["p4"])
    plain = digest_generation(one.current())

    assert plain == digest_generation(two.current())
    compact(two)
    assert plain == digest_generation(two.current())
    changes = (_page(1, "new"), _page(1, readers=("staff",)), _page(1, hour=1))
    digests = set()
    for change in changes:
        update(one, [change])
        digests.add(digest_generation(one.current()))
    assert len(changes) == len(digests - {plain})


def test_an_index_is_itself_alone(tmp_path: Path) -> None:
    """Two that hold the same are two; whatever happens to one, and in every copy, it stays the one that it is."""
    one, two = (_live(tmp_path / name, _page(1)) for name in ("one", "two"))
    born = one.digest
    copy_live(one.folder, tmp_path / "copy")
    update(one, [_page(2)], deleted=["p1"])
    compact(one)

    assert digest_generation(two.current()) == digest_generation(LiveIndex(tmp_path / "copy").current())
    assert born == one.digest == LiveIndex(one.folder).digest == LiveIndex(tmp_path / "copy").digest
    assert born != two.digest


def test_what_is_made_anew_in_its_place_is_another(tmp_path: Path) -> None:
    """Of the same name, size and generation: its digest differs, and who has the old one open is told so."""
    old = _live(tmp_path / "live", _page(1, "cats"))
    before = old.digest
    shutil.rmtree(old.folder)
    new = _live(tmp_path / "live", _page(1, "dogs"))

    assert old.folder == new.folder
    assert before != new.digest
    assert ["p1"] == [hit.doc_id for hit in new.search("dogs", 1)]
    for ask in (old.current, lambda: old.search("cats", 1), lambda: update(old, [_page(2)])):
        with pytest.raises(RetrievalError, match="deleted and made anew since it was opened; open it again"):
            ask()


def test_a_copy_stays_when_the_index_goes_on(tmp_path: Path) -> None:
    """It answers from what was published when it was made; deletions and a `compact` of the index do not reach it."""
    index = _live(tmp_path / "live", _page(1), _page(2), _page(3, readers=("staff",)))
    update(index, [], deleted=["p2"])
    copy_live(index.folder, tmp_path / "copy")
    content = digest_generation(index.current())
    update(index, [_page(5)], deleted=["p1"])
    compact(index)
    copy = LiveIndex(tmp_path / "copy")

    assert content == digest_generation(copy.current())
    assert ["p1"] == [hit.doc_id for hit in copy.search("page number", 9)]
    assert ["p1", "p3"] == sorted(hit.doc_id for hit in copy.search("page number", 9, View(principals=("staff",))))
    assert ["p5"] == [hit.doc_id for hit in index.search("page number", 9)]
    with pytest.raises(RetrievalError, match="is there already"):
        copy_live(index.folder, tmp_path / "copy")


def test_in_memory_it_answers_the_same(tmp_path: Path) -> None:
    """Scores, order and access are those of the live index."""
    index = _live(tmp_path, _page(1, "cats and dogs"), _page(2, "dogs"), _page(3, "dogs", readers=("staff",)))
    frozen = freeze(index, embedding=None)

    for view in (View(), View(principals=("staff",))):
        assert index.search("cats dogs", 3, view) == frozen.search("cats dogs", 3, view)
