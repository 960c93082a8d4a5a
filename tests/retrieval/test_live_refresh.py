"""A refreshed live index answers as one that is built anew, costs what changed, and forgets what is deleted."""

import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from workbench.core import EVERYONE, Corpus, Document, Origin, RetrievalError, Scalar, digest_json
from workbench.retrieval.index import IndexSpec, Vectors
from workbench.retrieval.live import LiveIndex
from workbench.retrieval.live_manifest import read_manifest, writing
from workbench.retrieval.live_refresh import Refreshed, compact, create_live, refresh, update
from workbench.retrieval.view import ANYONE, Condition, View

WORDS = ("river", "bank", "money", "stone", "water", "bridge", "boat", "loan", "interest", "flood")
GROUPS = ("ants", "bees", "cats")
VIEWS = (
    ANYONE,
    View(principals=("ants",)),
    View(principals=GROUPS),
    View(principals=GROUPS, where=(Condition(field="year", at_least=2003, at_most=2006.5),)),
    View(principals=("bees", "nobody"), where=(Condition(field="open", one_of=(True,)),)),
    View(principals=GROUPS, where=(Condition(field="open", one_of=(1,)),)),
    View(
        principals=GROUPS, where=(Condition(field="year", one_of=(2004, "x")), Condition(field="source", one_of=("s",)))
    ),
    View(where=(Condition(field="trust", one_of=("untrusted",)),)),
)


class Drawn:
    """An encoder that draws a vector for each text, and notes for which."""

    digest = digest_json("drawn")

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str], *, most_tokens: int) -> Vectors:
        """A row of length 1 for each text."""
        self.embedded += texts
        rows = np.array([np.random.default_rng(list(text.encode())).normal(size=64) for text in texts])
        scaled: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return scaled

    def embed_query(self, query: str) -> Vectors:
        """The row of a query."""
        row: Vectors = self.embed([query], most_tokens=1)[0]
        return row


def _draw(number: int, random: Random) -> Document:
    if random.random() < 0.1:
        return Document(doc_id=f"d{number}", text=" ".join(random.choices(WORDS, k=5)))
    metadata: dict[str, Scalar] = {"year": random.randrange(2000, 2010)}
    if random.random() < 0.5:
        metadata["open"] = random.choice((True, False, 1, "1", 1.0))
    readers = sorted(random.sample((*GROUPS, EVERYONE), random.randrange(3)))
    origin = Origin(source=random.choice("st"), readers=tuple(readers), metadata=metadata)
    return Document(doc_id=f"d{number}", text=" ".join(random.choices(WORDS, k=random.randrange(12))), origin=origin)


def _new(folder: Path, kind: str = "hybrid") -> LiveIndex:
    words = kind == "bm25"
    create_live(folder, "test", IndexSpec(retriever=kind), model="" if words else Drawn.digest)
    return LiveIndex(folder, encoder=None if words else Drawn())


def _answers(index: LiveIndex) -> list[object]:
    queries = ("river bank", "money money loan", "flood", "bridge of stone over water")
    return [index.search(query, 7, view) for query in queries for view in VIEWS]


@pytest.fixture(scope="module", params=["bm25", "hybrid"])
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[LiveIndex, list[Document]]:
    """An index after fifty updates, and what is left in it."""
    index, random = _new(tmp_path_factory.mktemp("lived"), request.param), Random(5)
    living: dict[str, Document] = {}
    for _ in range(50):
        put = {one.doc_id: one for one in (_draw(random.randrange(120), random) for _ in range(8))}
        deleted = random.sample(sorted(living), min(len(living), 4))
        update(index, put.values(), deleted=deleted)
        living = {name: one for name, one in living.items() if name not in deleted} | put
    return index, list(living.values())


def test_a_refreshed_index_answers_as_a_new_one(lived: tuple[LiveIndex, list[Document]], tmp_path: Path) -> None:
    """Hits, scores and all parts are equal to the last bit, whatever segments there are."""
    index, living = lived
    anew = _new(tmp_path, index.spec.retriever)
    update(anew, living)

    assert len(index.current().parts) > 1 == len(anew.current().parts)
    assert _answers(anew) == _answers(index)


def test_it_does_so_where_codes_choose_what_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300 vectors in segments of any size seven are looked at: those of one segment, though not the best."""
    monkeypatch.setattr("workbench.retrieval.flat.LEAST_CANDIDATES", 7)
    monkeypatch.setattr("workbench.retrieval.flat.PER_HIT", 1)
    monkeypatch.setattr("workbench.retrieval.live_segment.FEWEST", 50)
    texts = [" ".join(Random(number).choices(WORDS, k=12)) for number in range(300)]
    documents = [Document(doc_id=f"d{number}", text=text) for number, text in enumerate(texts)]
    refreshed, anew = (_new(tmp_path / name, "dense") for name in ("refreshed", "anew"))
    for start, stop in ((0, 180), (180, 240), (240, 250), (250, 300)):
        update(refreshed, documents[start:stop])
    update(anew, documents)
    coarse = _answers(anew)

    assert len(refreshed.current().parts) > 1 == len(anew.current().parts)
    assert coarse == _answers(refreshed)
    monkeypatch.setattr("workbench.retrieval.flat.LEAST_CANDIDATES", 300)
    assert coarse != _answers(anew)


def test_a_compacted_index_answers_the_same(lived: tuple[LiveIndex, list[Document]], tmp_path: Path) -> None:
    """Compacting moves documents, and no answer."""
    index, living = lived
    other = _new(tmp_path, index.spec.retriever)
    for document in living:
        update(other, [document.model_copy(update={"text": "of old"})])
    update(other, living)
    compact(other)

    assert 1 == len(other.current().parts)
    assert 0 == other.stats().tombstones
    assert _answers(index) == _answers(other)


def test_what_was_put_comes_back(lived: tuple[LiveIndex, list[Document]]) -> None:
    """Every document that is left is there as it was put, and no other."""
    index, living = lived

    assert living == index.get([one.doc_id for one in living])
    assert len(living) == index.stats().documents


def test_a_view_is_obeyed_for_every_document(lived: tuple[LiveIndex, list[Document]]) -> None:
    """The mask of a view is `View.allows`, document by document."""
    index, living = lived
    by_id = {one.doc_id: one for one in living}
    for view in VIEWS:
        shown = {
            part.segment.ids.name(place)
            for part in index.current().parts
            for place in np.flatnonzero(part.allowed(view)).tolist()
        }

        assert {name for name, one in by_id.items() if view.allows(one)} == shown


def test_a_refresh_says_what_it_did(tmp_path: Path) -> None:
    """Added, changed, unchanged and deleted are counted; where nothing changed nothing is published."""
    index = _new(tmp_path)
    one, two, three = (Document(doc_id=name, text=f"{name} river") for name in ("a", "b", "c"))
    refresh(index, Corpus(name="test", documents=(one, two)))
    changed = two.model_copy(update={"text": "another text"})
    corpus = Corpus(name="test", documents=(three, changed))

    assert Refreshed(added=1, changed=1, deleted=1, embedded=2, generation=2) == refresh(index, corpus)
    assert Refreshed(unchanged=2, generation=2) == refresh(index, corpus)


def test_a_text_is_embedded_once(tmp_path: Path) -> None:
    """Other readers are a change, but not of the text: its vector is taken over, also through joining."""
    encoder = Drawn()
    create_live(tmp_path, "test", IndexSpec(retriever="dense"), model=encoder.digest)
    index = LiveIndex(tmp_path, encoder=encoder)
    documents = [Document(doc_id=f"d{number}", text=f"text {number}") for number in range(20)]
    for document in documents:
        update(index, [document])
    closed = [one.model_copy(update={"origin": Origin(source="s", readers=("ants",))}) for one in documents]
    done = update(index, closed)

    assert (20, 0) == (done.changed, done.embedded)
    assert [one.text for one in documents] == encoder.embedded
    assert () == index.search("text 3", 5)
    assert "d3" == index.search("text 3", 5, View(principals=("ants",)))[0].doc_id


def test_only_read_anew_is_no_change(tmp_path: Path) -> None:
    """A document that was read again and is the same is not written again, but its time is kept."""
    index = _new(tmp_path, "bm25")
    early, late = (
        Document(
            doc_id="a", text="river", origin=Origin(source="s", readers=(EVERYONE,), read_at=f"{day}T00:00:00+00:00")
        )
        for day in ("2026-01-01", "2026-01-02")
    )
    update(index, [early])
    segments = [part.entry.name for part in index.current().parts]

    assert 1 == update(index, [late]).confirmed
    assert segments == [part.entry.name for part in index.current().parts]
    assert [late] == index.get(["a"])
    compact(index)
    assert [late] == LiveIndex(tmp_path).get(["a"])


def test_deleted_first_put_then(tmp_path: Path) -> None:
    """What one update deletes and puts is there; deleting what is not there is no mistake."""
    index = _new(tmp_path, "bm25")
    update(index, [Document(doc_id="a", text="old")])
    update(index, [Document(doc_id="a", text="new")], deleted=["a", "zzz"])

    assert ["new"] == [one.text for one in index.get(["a"]) if one is not None]
    assert () == index.search("old", 1)


def test_segments_are_joined(tmp_path: Path) -> None:
    """Of many small segments few are made, so a query never looks into hundreds."""
    index = _new(tmp_path, "bm25")
    for number in range(70):
        update(index, [Document(doc_id=f"{number}", text="river")])

    assert len(index.current().parts) < 8 * 3
    assert 70 == len(index.search("river", 100))


def test_deleted_bytes_are_gone_after_compacting(tmp_path: Path) -> None:
    """No file of the index holds a deleted text or id any more."""
    index = _new(tmp_path, "bm25")
    update(index, [Document(doc_id=f"d{number}", text="plain") for number in range(9)])
    update(index, [Document(doc_id="secret-id", text="unspeakable")])
    update(index, [Document(doc_id="other", text="plain")], deleted=["secret-id"])
    compact(index)
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert b"unspeakable" not in content
    assert b"secret-id" not in content
    assert b"plain" in content


def _hold(folder: Path, held: "multiprocessing.synchronize.Event", ends: "multiprocessing.synchronize.Event") -> None:
    with writing(folder):
        held.set()
        ends.wait(30)


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    """A second writer is told so; readers go on, and when the first has ended, writing does."""
    index = _new(tmp_path, "bm25")
    update(index, [Document(doc_id="a", text="river")])
    context = multiprocessing.get_context("fork")
    held, ends = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, ends))
    other.start()
    assert held.wait(30)

    with pytest.raises(RetrievalError, match="being written by another"):
        update(index, [Document(doc_id="b", text="river")])
    assert ["a"] == [hit.doc_id for hit in index.search("river", 5)]
    ends.set()
    other.join()
    assert 1 == update(index, [Document(doc_id="b", text="river")]).added


def test_leftovers_are_removed(tmp_path: Path) -> None:
    """What a killed writer left is no part of any answer, and the next writer clears it away."""
    index = _new(tmp_path, "bm25")
    update(index, [Document(doc_id="a", text="river")])
    number = read_manifest(tmp_path).next_number
    left = tmp_path / "segments" / f"s{number:07}"
    left.mkdir()
    (left / "documents.jsonl").write_text("half a li")
    update(LiveIndex(tmp_path), [Document(doc_id="b", text="river")])

    assert {"a", "b"} == {hit.doc_id for hit in LiveIndex(tmp_path).search("river", 5)}
    assert {part.entry.name for part in index.current().parts} == {one.name for one in left.parent.iterdir()}


@pytest.mark.parametrize(
    ("spec", "model", "complaint"),
    [
        (IndexSpec(retriever="bm25"), "ab", "no embedding model"),
        (IndexSpec(retriever="dense"), "", "names one"),
        (IndexSpec(retriever="bm25", chunk=100), "", "'chunk'"),
    ],
)
def test_what_it_can_not_be_is_refused(tmp_path: Path, spec: IndexSpec, model: str, complaint: str) -> None:
    """An index of words has no model, every other one has; and knobs that would be ignored are refused."""
    with pytest.raises(RetrievalError, match=complaint):
        create_live(tmp_path, "test", spec, model=model)


def test_an_index_is_made_once(tmp_path: Path) -> None:
    """A folder that holds one is not made again."""
    _new(tmp_path)
    with pytest.raises(RetrievalError, match="is there already"):
        _new(tmp_path)


def test_a_document_that_json_can_not_carry_is_refused(tmp_path: Path) -> None:
    """It is named, and nothing of its update is published."""
    index = _new(tmp_path, "bm25")
    odd = Origin(source="s", readers=(), metadata={"share": float("nan")})
    with pytest.raises(RetrievalError, match=r"'odd'.*share"):
        update(index, [Document(doc_id="fine", text="river"), Document(doc_id="odd", text="", origin=odd)])

    assert 0 == index.stats().documents
