"""A knob of an index spec changes what a live index answers, as it does in memory, or is refused; none is ignored."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from test_cross_encoder import write_model

from workbench.core import EVERYONE, Document, Origin, RetrievalError, digest_json
from workbench.retrieval.cross_encoder import describe_cross_encoder
from workbench.retrieval.index import Hit, IndexSpec, Vectors
from workbench.retrieval.knobs import LIVE_KNOBS, STORE_KNOBS
from workbench.retrieval.live import LiveIndex
from workbench.retrieval.live_explain import explain
from workbench.retrieval.live_frozen import copy_live, freeze
from workbench.retrieval.live_refresh import create_live, update
from workbench.retrieval.routing import Route
from workbench.retrieval.view import ANYONE, View

WORDS = ("heron", "riverBank", "fishing", "nests", "bridge", "stone", "boats", "reed", "marsh", "weir", "eel", "otter")
QUERIES = ("herons nest", "heron heron fishing", "boat near the stone bridge", "river bank")
STAFF = View(principals=("staff",))
CHANGES: dict[str, tuple[dict[str, object], object]] = {
    "retriever": ({}, "dense"),
    "analyzer": ({}, "english"),
    "k1": ({}, 0.3),
    "b": ({}, 0.0),
    "fusion": ({}, "convex"),
    "weight": ({"fusion": "convex"}, 0.9),
    "rrf_k": ({}, 3.0),
    "depth": ({}, 4),
    "tokens": ({}, 8),
    "feedback": ({}, 3),
    "feedback_weight": ({"feedback": 3}, 0.9),
    "expansion": ({}, 5),
    "expansion_documents": ({"expansion": 5}, 2),
    "expansion_weight": ({"expansion": 5}, 0.1),
}
"""What each knob is changed to, and what it needs beside it. That of `embedding` is shown in `test_embed_wired`."""


class Drawn:
    """An encoder that adds up a row drawn for each of the first words of a text."""

    digest = digest_json("drawn words")
    dimensions = 64

    def embed(self, texts: Sequence[str], *, most_tokens: int = 256) -> Vectors:
        """A row of length 1 for each text."""
        rows = [sum((_row(word) for word in text.split()[:most_tokens]), np.zeros(64)) + 1e-3 for text in texts]
        unit: Vectors = np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)
        return unit

    def embed_query(self, query: str) -> Vectors:
        """The row of a query."""
        row: Vectors = self.embed([query])[0]
        return row


def _row(word: str) -> np.ndarray:
    return np.random.default_rng(list(word.encode())).normal(size=64)


def _documents() -> list[Document]:
    random = Random(11)
    documents = []
    for number in range(60):
        words = [*random.choices(WORDS, k=random.randrange(2, 30)), f"page{number}"]
        origin = Origin(source="kb", readers=("staff",) if number % 3 == 0 else (EVERYONE,))
        documents.append(Document(doc_id=f"d{number:02}", text=" ".join(words), origin=origin))
    return [*documents, *(Document(doc_id=f"x{n:03}", text=f"filler number {n}") for n in range(200))]


DOCUMENTS = _documents()


def build(folder: Path, spec: IndexSpec) -> LiveIndex:
    """A live index that came in by three updates."""
    words = spec.retriever == "bm25"
    create_live(folder, "kb", spec, model="" if words else Drawn.digest)
    index = LiveIndex(folder, encoder=None if words else Drawn())
    for start in range(3):
        update(index, DOCUMENTS[start::3])
    return index


def answers(index: LiveIndex) -> list[tuple[Hit, ...]]:
    """What it says to every query, seen by two."""
    return [index.search(query, 8, view) for query in QUERIES for view in (ANYONE, STAFF)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Hit, ...]]:
    """The answers of an index whose knobs are as they come."""
    return answers(build(tmp_path_factory.mktemp("plain") / "i", IndexSpec()))


def test_every_knob_is_known_here() -> None:
    """A field that is added to the spec is refused by live indexes, until it has an effect and stands in this test."""
    assert {*CHANGES, "embedding", "cross_encoder"} == LIVE_KNOBS
    assert LIVE_KNOBS > STORE_KNOBS
    assert {"chunk", "overlap", "aspects", "ranker", "routes"} == IndexSpec.model_fields.keys() - LIVE_KNOBS


@pytest.mark.parametrize("knob", CHANGES)
def test_a_knob_that_is_taken_has_an_effect(tmp_path: Path, plain: list[tuple[Hit, ...]], knob: str) -> None:
    """Some answer differs from that of an index without it."""
    beside, value = CHANGES[knob]
    before = answers(build(tmp_path / "before", IndexSpec.model_validate(beside))) if beside else plain

    assert before != answers(build(tmp_path / "after", IndexSpec.model_validate(beside | {knob: value})))


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("chunk", 100),
        ("aspects", 3),
        ("ranker", "0" * 64),
        ("routes", (Route(field="year"),)),
    ],
)
def test_a_knob_that_has_no_effect_is_refused(tmp_path: Path, knob: str, value: object) -> None:
    """By name, before anything is made."""
    with pytest.raises(RetrievalError, match=f"does not do '{knob}' of an index spec; leave it out"):
        create_live(tmp_path / "i", "kb", IndexSpec.model_validate({knob: value}), model=Drawn.digest)

    assert not (tmp_path / "i").exists()


@pytest.mark.parametrize(
    "knobs",
    [
        {"retriever": "bm25", "expansion": 5},
        {
            "retriever": "bm25",
            "expansion": 20,
            "expansion_documents": 3,
            "expansion_weight": 0.2,
            "analyzer": "english",
        },
        {"retriever": "dense", "feedback": 3},
        {"feedback": 4, "feedback_weight": 0.6, "fusion": "convex", "weight": 0.3},
        {"feedback": 3, "expansion": 10},
    ],
)
def test_it_answers_as_the_same_index_in_memory(tmp_path: Path, knobs: dict[str, object]) -> None:
    """The same documents in the same order for whoever asks, and of words the very same scores."""
    spec = IndexSpec.model_validate(knobs)
    index = build(tmp_path / "i", spec)
    frozen = freeze(index, embedding=None if spec.retriever == "bm25" else Drawn())
    for query in QUERIES:
        for view in (ANYONE, STAFF):
            live, memory = index.search(query, 8, view), frozen.search(query, 8, view)
            assert [hit.doc_id for hit in memory] == [hit.doc_id for hit in live]
            for one, other in zip(live, memory, strict=True):
                assert pytest.approx(other.parts, abs=3e-6) == one.parts
            if spec.retriever == "bm25":
                assert memory == live


def test_an_expanded_question_is_explained(tmp_path: Path) -> None:
    """What its words add, those of the first documents too, is the score that the hit has."""
    index = build(tmp_path / "i", IndexSpec(retriever="bm25", expansion=5))
    found = explain(index, "heron page1", 3)

    assert len(found.words) > 2
    assert pytest.approx(1.0) == sum(word.share for word in found.words)
    for hit in found.hits:
        assert pytest.approx(hit.hit.parts["bm25"]) == sum(part.score for part in hit.words)


def test_what_others_may_not_read_expands_nothing(tmp_path: Path) -> None:
    """The words of a hidden document are looked for by whoever may read it, and by nobody else."""
    create_live(tmp_path, "kb", IndexSpec(retriever="bm25", expansion=5))
    index = LiveIndex(tmp_path)
    secret = Document(doc_id="s", text="heron vault vault", origin=Origin(source="kb", readers=("staff",)))
    open_ = [Document(doc_id="a", text="heron marsh"), Document(doc_id="v", text="vault keys")]
    update(index, [secret, *open_, *(Document(doc_id=f"f{n}", text=f"filler {n}") for n in range(40))])

    assert ["a"] == [hit.doc_id for hit in index.search("heron", 5)]
    assert "v" in {hit.doc_id for hit in index.search("heron", 5, STAFF)}


def test_a_cross_encoder_orders_the_first(tmp_path: Path) -> None:
    """By what its graph says, in the caller's view; its files lie with the index and go with every copy of it."""
    model = write_model(tmp_path / "m")
    spec = IndexSpec(retriever="bm25", cross_encoder=describe_cross_encoder(model))
    create_live(tmp_path / "i", "c", spec)
    index = LiveIndex(tmp_path / "i")
    texts = {"a": "heron heron heron", "b": "heron fish the river", "c": "heron fish", "d": "heron river river river"}
    board = Origin(source="s", readers=("board",))
    update(
        index, [Document(doc_id=one, text=text, origin=board if one == "d" else None) for one, text in texts.items()]
    )
    for path in model.iterdir():
        path.unlink()
    copy_live(tmp_path / "i", tmp_path / "copy")
    others = (index, LiveIndex(tmp_path / "i"), LiveIndex(tmp_path / "copy"), freeze(index, embedding=None))

    for one in others:
        assert [("b", 12.0), ("c", 5.0), ("a", 4.0)] == [(hit.doc_id, hit.score) for hit in one.search("heron", 3)]
        assert index.search("heron", 1, View(principals=("board",))) == one.search(
            "heron", 1, View(principals=("board",))
        )
    assert {"cross_encoder", "first_score"} <= index.passages("heron", 1)[0].hit.parts.keys()
    copy_live(tmp_path / "i", tmp_path / "changed")
    (tmp_path / "changed" / "cross_encoder.onnx").unlink()
    (tmp_path / "changed" / "cross_encoder.onnx").write_bytes(b"other")
    with pytest.raises(RetrievalError, match=r"cross_encoder\.onnx' has SHA-256"):
        LiveIndex(tmp_path / "changed")


def test_a_missing_cross_encoder_is_told_before_anything_is_made(tmp_path: Path) -> None:
    """With the file that is not there."""
    model = write_model(tmp_path / "m")
    spec = IndexSpec(retriever="bm25", cross_encoder=describe_cross_encoder(model))
    (model / "model.onnx").unlink()
    with pytest.raises(RetrievalError, match=r"'model\.onnx' can't be read"):
        create_live(tmp_path / "i", "c", spec)

    assert not (tmp_path / "i").exists()


def test_the_spec_is_written_whole(tmp_path: Path) -> None:
    """What was asked for stands in the manifest, and is what is opened."""
    spec = IndexSpec(expansion=5, feedback=2, feedback_weight=0.5)
    index = build(tmp_path / "i", spec)

    assert spec == index.spec == LiveIndex(tmp_path / "i", encoder=Drawn()).spec
    assert 5 == json.loads((tmp_path / "i" / "manifest.json").read_text())["spec"]["expansion"]
