"""Every knob of a hybrid index does what it says, and none shows what a view hides."""

from pathlib import Path

import numpy as np
import pytest

from workbench.core import EVERYONE, Corpus, Document, Origin, RetrievalError
from workbench.retrieval import Index, IndexSpec, View, build_index, read_index, write_index
from workbench.retrieval.bm25 import Bm25Index
from workbench.retrieval.dense import DenseIndex
from workbench.retrieval.fusion import convex_combination
from workbench.retrieval.hybrid import HybridIndex
from workbench.retrieval.rerank import FEATURES, Ranker, Tree

TEXTS = {
    "heron": "A heron is a bird that waits by the river. It eats fish.",
    "pipes": "Copper pipes freeze in winter and then burst.",
    "bank": "Money is lent by a bank. A loan is paid back with interest over years.",
    "secret": "The heron project: a bird, a river, a fish, and what it costs.",
}
QUERIES = ("bird by the river", "loan", "frozen tube in the cold")
BY_TITLE = Ranker(
    trees=(Tree(features=(FEATURES.index("cosine"),), thresholds=(0.3,), left=(-1,), right=(-2,), leaves=(1.0, 0.0)),)
)

BOARD = View(principals=("board",))


def corpus_of(names: tuple[str, ...] = tuple(TEXTS)) -> Corpus:
    """The documents; the secret one is for the board."""
    readers = {name: ("board",) if name == "secret" else (EVERYONE,) for name in names}
    return Corpus(
        name="c",
        documents=tuple(
            Document(doc_id=name, text=TEXTS[name], origin=Origin(source="s", readers=readers[name])) for name in names
        ),
    )


@pytest.fixture(scope="module")
def plain(tokenizer: Path) -> Index:
    """The corpus with the default spec; its model is opened once."""
    return build_index(corpus_of(), IndexSpec(), tokenizer=tokenizer, threads=1)


def make(plain: Index, corpus: Corpus, spec: IndexSpec, ranker: Ranker | None = None) -> Index:
    """An index that shares the open model."""
    assert isinstance(plain, HybridIndex)
    if spec.retriever == "bm25":
        return Bm25Index(corpus, spec)
    if spec.retriever == "dense" and not spec.feedback:
        return DenseIndex(corpus, spec, plain.dense.embedder)
    return HybridIndex(corpus, spec, plain.dense.embedder, ranker=ranker)


def search(plain: Index, spec: IndexSpec, query: str, view: View = BOARD) -> list[str]:
    """The ids that an index of another spec finds."""
    index = make(plain, plain.corpus, spec, BY_TITLE if spec.ranker else None)
    return [hit.doc_id for hit in index.search(query, 4, view)]


@pytest.mark.parametrize("query", QUERIES)
def test_all_the_weight_on_one_part_ranks_as_that_part(plain: Index, query: str) -> None:
    """Weight 1 is the order of meanings; weight 0 begins with that of words."""
    words = search(plain, IndexSpec(retriever="bm25"), query)

    assert search(plain, IndexSpec(retriever="dense"), query) == search(
        plain, IndexSpec(fusion="convex", weight=1.0), query
    )
    assert words == search(plain, IndexSpec(fusion="convex", weight=0.0), query)[: len(words)]


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"fusion": "convex", "feedback": 2, "feedback_weight": 0.5},
        {"chunk": 30, "overlap": 10},
        {"aspects": 8},
        {"ranker": BY_TITLE.digest},
        {"retriever": "dense", "feedback": 2},
        {"retriever": "dense"},
        {"retriever": "bm25"},
    ],
    ids=str,
)
def test_what_a_view_hides_is_neither_found_nor_felt(plain: Index, knobs: dict[str, object]) -> None:
    """Nobody finds the secret; of meanings and feedback an index without it says the same."""
    spec = IndexSpec.model_validate(knobs)
    ranker = BY_TITLE if spec.ranker else None
    every, open_ = (make(plain, corpus_of(names), spec, ranker) for names in (tuple(TEXTS), ("heron", "pipes", "bank")))
    for query in (*QUERIES, "I saw a bird at the river today. What does a fish cost at the market?"):
        hidden, without = every.search(query, 4), open_.search(query, 4)
        assert "secret" not in {hit.doc_id for hit in hidden}
        assert {hit.doc_id for hit in without} == {hit.doc_id for hit in hidden}
        if spec.retriever == "dense":
            assert [hit.doc_id for hit in without] == [hit.doc_id for hit in hidden]
        for part in ("feedback_similarity", "dense_similarity"):
            if not (part == "feedback_similarity" and spec.retriever == "hybrid"):
                expected = {hit.doc_id: hit.parts.get(part) for hit in without}
                assert pytest.approx(expected, abs=1e-4) == {hit.doc_id: hit.parts.get(part) for hit in hidden}
    assert "secret" in {hit.doc_id for hit in every.search("heron bird", 4, BOARD)}


def test_a_passage_is_found_inside_its_document(plain: Index) -> None:
    """One hit for a document, with the place of the passage that is nearest."""
    index = make(plain, corpus_of(), IndexSpec(chunk=50))
    hits = index.search("What does a heron eat? Fish", 4)
    place = next(hit.parts for hit in hits if hit.doc_id == "heron")

    assert len(hits) == len({hit.doc_id for hit in hits})
    assert "It eats fish." in TEXTS["heron"][int(place["passage_start"]) : int(place["passage_end"])]
    assert index.digest != plain.digest


def test_a_long_request_is_also_looked_for_by_sentence(plain: Index) -> None:
    """What only the last of many sentences asks for comes to the top."""
    request = "I watched a bird today by the water. It was a heron at the river. How is a loan paid back?"
    before = search(plain, IndexSpec(fusion="convex"), request).index("bank")

    assert before >= search(plain, IndexSpec(fusion="convex", aspects=8), request).index("bank")
    assert search(plain, IndexSpec(fusion="convex"), "loan") == search(
        plain, IndexSpec(fusion="convex", aspects=8), "loan"
    )


def test_a_ranker_has_the_last_word_and_ships_with_the_index(tmp_path: Path, tokenizer: Path) -> None:
    """One that turns the order around does; written and read it answers the same; another one is refused."""
    spec = IndexSpec(ranker=BY_TITLE.digest, chunk=60)
    index = build_index(corpus_of(), spec, tokenizer=tokenizer, threads=1, ranker=BY_TITLE)
    hits = index.search("bird by the river", 4)
    write_index(tmp_path / "index", index)

    assert hits[0].parts["dense_similarity"] <= 0.3 < hits[-1].parts["dense_similarity"]
    assert hits == read_index(tmp_path / "index", threads=1).search("bird by the river", 4)
    with pytest.raises(RetrievalError, match="give the one that it names"):
        build_index(corpus_of(), spec, tokenizer=tokenizer)


def test_convex_combination_by_hand() -> None:
    """Z-scores of (3, 1, 2) and (0, 2, 1) are mirror images, so equal weights cancel out. Computed by hand."""
    words, meanings = np.array([3.0, 1.0, 2.0]), np.array([0.0, 2.0, 1.0])

    assert [0.0, 0.0, 0.0] == convex_combination(words, meanings, weight=0.5).tolist()
    assert pytest.approx([1.224745, -1.224745, 0.0], abs=1e-6) == convex_combination(words, meanings, weight=0).tolist()
