"""BM25 scores by the published formula, and the known traps of its engine are closed."""

import math

import numpy as np
import pytest

from workbench.core import Corpus, Document, stream
from workbench.retrieval import Index, IndexSpec, build_index
from workbench.retrieval.bm25 import _LuceneBM25


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


def test_the_scores_are_the_engines_own() -> None:
    """On random texts, the stored weights add up to what rank_bm25 computes for the same idf."""
    random = stream(5, "bm25")
    documents = [random.choices("abcdefghij", k=random.randint(1, 12)) for _ in range(80)]
    engine = _LuceneBM25(documents, k1=1.2, b=0.75)
    for _ in range(20):
        query = random.choices("abcdefghijk", k=4)
        np.testing.assert_allclose(engine.get_scores(query), engine.score(query), rtol=1e-12)
