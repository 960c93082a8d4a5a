"""An index made with a provider's model knows that model again, by name and by what it answers."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from workbench.core import Corpus, Document, RetrievalError
from workbench.retrieval.builder import build_index, build_with
from workbench.retrieval.embed import EmbedSpec
from workbench.retrieval.embed_probe import PROBE, Watched
from workbench.retrieval.index import IndexSpec, Vectors
from workbench.retrieval.live import LiveIndex
from workbench.retrieval.live_frozen import freeze
from workbench.retrieval.live_refresh import create_live, update
from workbench.retrieval.store import read_index, write_index

SPEC = EmbedSpec(model="m", base_url="https://models.test/v1", dimensions=32)
CORPUS = Corpus(
    name="library",
    documents=(
        Document(doc_id="a", text="books are lent"),
        Document(doc_id="b", text="fees are due"),
        Document(doc_id="c", text="the library opens at nine"),
    ),
)


class Provider:
    """Embeds a text as the sum of its words' rows; another `seed` is another model behind the same name."""

    digest = SPEC.identity
    dimensions = SPEC.dimensions

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str], *, most_tokens: int = 256) -> Vectors:
        self.asked += texts
        rows = np.array([sum((self._row(word) for word in text.lower().split()), np.zeros(32)) for text in texts])
        unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def embed_query(self, query: str) -> Vectors:
        return self.embed([query])[0]

    def _row(self, word: str) -> np.ndarray:
        number = int(hashlib.sha256(word.encode()).hexdigest()[:8], 16)
        return np.random.default_rng([self.seed, number]).normal(size=32)


@pytest.mark.parametrize("retriever", ["dense", "hybrid"])
def test_an_index_on_disk_is_opened_with_its_model(tmp_path: Path, retriever: str) -> None:
    """It answers as before; no tokenizer is inside; with no model, or one of another name, it is refused."""
    spec = IndexSpec(retriever=retriever, embedding=SPEC)
    index = build_with(CORPUS, spec, Provider())
    write_index(tmp_path / "index", index)
    again = read_index(tmp_path / "index", embedding=Provider())

    assert index.search("when does the library open", 2) == again.search("when does the library open", 2)
    assert index.digest == again.digest
    assert {"manifest.json", "documents.jsonl", "spec.json", "vectors.npy", "probe.npy"} == {
        path.name for path in (tmp_path / "index").iterdir()
    }
    with pytest.raises(
        RetrievalError, match=r"made with embedding model 'm' \(https://models.test/v1\), and is opened"
    ):
        read_index(tmp_path / "index")
    other = Provider()
    other.digest = SPEC.model_copy(update={"revision": "2"}).identity
    with pytest.raises(RetrievalError, match=r"made with embedding model 'm' .* was given another"):
        read_index(tmp_path / "index", embedding=other)
    with pytest.raises(RetrievalError, match=r"made with embedding model 'm' .* connect that one"):
        build_index(CORPUS, spec)


def test_a_model_that_was_changed_behind_its_name_is_noticed(tmp_path: Path) -> None:
    """At the first query, whatever the name says; the model that was not changed is asked the probe once an hour."""
    write_index(tmp_path / "index", build_with(CORPUS, IndexSpec(retriever="dense", embedding=SPEC), Provider()))
    same = Provider()
    index = read_index(tmp_path / "index", embedding=same)
    index.search("fees", 1)
    index.search("books", 1)

    assert [PROBE, "fees", "books"] == same.asked
    with pytest.raises(RetrievalError, match=r"is another one than the index was made with: the cosine .* build"):
        read_index(tmp_path / "index", embedding=Provider(seed=1)).search("fees", 1)


def test_a_model_is_probed_again_after_a_while() -> None:
    """A change while a server runs is noticed, too."""
    provider = Provider()
    watched = Watched(provider, SPEC, every_seconds=0.0)
    watched.embed_query("fees")
    provider.seed = 1

    with pytest.raises(RetrievalError, match="is another one"):
        watched.embed_query("fees")


def test_vectors_are_taken_over_from_an_index_of_the_same_model() -> None:
    """Another knob costs no text; another model costs all of them."""
    provider = Provider()
    first = build_with(CORPUS, IndexSpec(embedding=SPEC), provider)
    asked = len(provider.asked)
    build_with(CORPUS, IndexSpec(embedding=SPEC, fusion="convex"), provider, like=first)
    renamed = SPEC.model_copy(update={"revision": "2"})
    other = Provider()
    other.digest = renamed.identity
    build_with(CORPUS, IndexSpec(embedding=renamed), other, like=first)

    assert asked + 1 >= len(provider.asked)
    assert {one.text for one in CORPUS.documents} == {*other.asked} - {PROBE}


def test_a_live_index_keeps_its_model_and_its_probe(tmp_path: Path) -> None:
    """Found by meaning; opened with another model it is refused, with a changed one it is noticed."""
    watched = Watched(Provider(), SPEC)
    spec = IndexSpec(retriever="hybrid", embedding=SPEC)
    create_live(tmp_path, "library", spec, model=watched.digest, probe=watched.probe)
    index = LiveIndex(tmp_path, encoder=watched)
    update(index, CORPUS.documents)

    assert "c" == LiveIndex(tmp_path, encoder=Provider()).passages("the library opens", 1)[0].hit.doc_id
    with pytest.raises(RetrievalError, match=r"needs embedding model 'm' \(https://models.test/v1, .* with no model"):
        LiveIndex(tmp_path)
    with pytest.raises(RetrievalError, match="is another one"):
        LiveIndex(tmp_path, encoder=Provider(seed=1)).search("fees", 1)
    with pytest.raises(RetrievalError, match="a provider's model and nothing else has a probe"):
        create_live(tmp_path / "other", "library", spec, model=watched.digest)


def test_a_frozen_live_index_has_its_vectors(tmp_path: Path) -> None:
    """No text is embedded again; it finds the same documents in the same order."""
    provider = Provider()
    watched = Watched(provider, SPEC)
    spec = IndexSpec(retriever="dense", embedding=SPEC)
    create_live(tmp_path, "library", spec, model=watched.digest, probe=watched.probe)
    index = LiveIndex(tmp_path, encoder=watched)
    update(index, CORPUS.documents)
    update(index, [Document(doc_id="0", text="the library is closed")], deleted=["b"])
    asked = len(provider.asked)
    frozen = freeze(index, embedding=watched)

    assert asked == len(provider.asked)
    assert ["0", "a", "c"] == [document.doc_id for document in frozen.corpus.documents]
    assert [hit.doc_id for hit in index.search("the library", 3)] == [
        hit.doc_id for hit in frozen.search("the library", 3)
    ]
