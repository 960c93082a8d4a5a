"""BM25 scores by the published formula, and the known traps of its engine are closed."""

import math

import numpy as np
import pytest

from workbench.core import Corpus, Document, Origin, stream
from workbench.retrieval import Condition, Index, IndexSpec, View, bm25, build_index
from workbench.retrieval.bm25 import Postings, Reference


def _index(*texts: str) -> Index:
    documents = tuple(Document(doc_id=f"d{number}", text=text) for number, text in enumerate(texts))
    return build_index(Corpus(name="c", documents=documents), IndexSpec(retriever="bm25", k1=1.2, b=0.75))


def test_the_score_is_the_published_one() -> None:
    """By hand: 3 documents of 2, 3 and 1 words, "cat" in two of them (Lucene's idf, Robertson's tf)."""
    hits = _index("cat dog", "cat cat bird", "bird").search("cat", 3)

    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    twice = idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))
    once = idf * 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 2))
    assert ["d1", "d0"] == [hit.doc_id for hit in hits]
    assert pytest.approx([twice, once]) == [hit.score for hit in hits]


def test_a_word_of_every_document_still_counts_for() -> None:
    """A common word scores above zero, so a document that has it beats one that has not."""
    hits = _index("cat one", "cat two", "cat three").search("cat two", 3)

    assert "d1" == hits[0].doc_id
    assert 3 == len(hits)
    assert all(hit.score > 0 for hit in hits)


def test_one_document_can_be_found() -> None:
    """In a corpus of one, every word is in all documents, and the document is found."""
    assert ["d0"] == [hit.doc_id for hit in _index("cat").search("cat", 1)]


def test_unknown_words_find_nothing_and_change_nothing() -> None:
    """A word that no document has is as good as not said."""
    index = _index("cat dog", "bird")

    assert () == index.search("zebra", 2)
    assert index.search("cat", 2) == index.search("cat zebra", 2)


@pytest.mark.parametrize("texts", [("",), ("", "?!"), ("the and of",)])
def test_documents_without_words_are_never_found(texts: tuple[str, ...]) -> None:
    """A corpus without a word can be built and searched, and gives nothing."""
    assert () == _index(*texts).search("cat", 2)


@pytest.fixture(params=["numpy", "compiled"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small corpora, with the loops of small ones and with those of large ones."""
    if request.param == "compiled":
        pytest.importorskip("numba")
        monkeypatch.setattr(bm25, "_COMPILED_DOCUMENTS", 0)


@pytest.mark.usefixtures("loops")
def test_the_scores_are_the_reference_s_to_the_last_digit() -> None:
    """On random texts, with repeated and unknown words in the query, what is added up is what rank_bm25 computes."""
    random = stream(5, "bm25")
    documents = [random.choices("abcdefghij", k=random.randint(0, 12)) for _ in range(80)]
    reference, postings = Reference(documents, k1=1.2, b=0.75), Postings(documents, k1=1.2, b=0.75)
    for _ in range(20):
        query = random.choices("abcdefghijk", k=4)
        np.testing.assert_array_equal(reference.get_scores(query), postings.score(query))


@pytest.mark.usefixtures("loops")
@pytest.mark.parametrize("k", [1, 7, 80, 200])
def test_the_ranking_is_that_of_all_scores_sorted(k: int) -> None:
    """Many equal scores: the best k are the first k of everything sorted by score and then id."""
    random = stream(6, "ties")
    ids = [f"d{number}" for number in range(80)]
    random.shuffle(ids)
    documents = tuple(Document(doc_id=doc_id, text=" ".join(random.choices("bcde", k=3))) for doc_id in ids)
    index = build_index(Corpus(name="c", documents=documents), IndexSpec(retriever="bm25"))
    scores = [float(score) for score in index.score("b c", np.arange(80))] if isinstance(index, bm25.Bm25Index) else []

    expected = [doc_id for score, doc_id in sorted(zip((-one for one in scores), ids, strict=True)) if score < 0]
    assert expected[:k] == [hit.doc_id for hit in index.search("b c", k)]


@pytest.mark.usefixtures("loops")
def test_what_a_view_hides_is_not_ranked() -> None:
    """The best document is another's: it is not found, the next one has rank 1, and its reader finds both."""
    origin = Origin(source="s", readers=("ann",))
    documents = (
        Document(doc_id="hers", text="cat", origin=origin),
        Document(doc_id="ours", text="cat and a dog"),
    )
    index = build_index(Corpus(name="c", documents=documents), IndexSpec(retriever="bm25"))

    assert [("ours", 1.0)] == [(hit.doc_id, hit.parts["bm25_rank"]) for hit in index.search("cat", 2)]
    assert ["hers", "ours"] == [hit.doc_id for hit in index.search("cat", 2, View(principals=("ann",)))]
    assert () == index.search("cat", 2, View(where=(Condition(field="source", one_of=("t",)),)))
