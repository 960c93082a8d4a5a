"""The contract of every index: best first, ties by id, nothing for nothing, and parts that explain the score."""

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest

from workbench.core import EVERYONE, Corpus, Document, Origin, RetrievalError
from workbench.retrieval import Condition, Hit, Index, IndexSpec, View, build_index


def _names(hits: tuple[Hit, ...]) -> list[str]:
    return [hit.doc_id.split("#")[0] for hit in hits]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("what is the weather in Rome", "weather.getForecast"),
        ("how much money do I have in my account", "bank_balance"),
        ("play some music", "play_song"),
        ("bank transfer", "bank_transfer"),
    ],
)
def test_the_document_that_is_meant_comes_first(index: Index, query: str, expected: str) -> None:
    """Each retriever finds a tool by what it does or by its name."""
    assert expected == _names(index.search(query, 3))[0]


def test_hits_are_ordered_and_limited(index: Index) -> None:
    """No more than k, scores never rise, no document twice."""
    hits = index.search("money in the bank account", 3)

    assert len(hits) <= 3
    assert all(one.score >= other.score for one, other in itertools.pairwise(hits))
    assert len(hits) == len({hit.doc_id for hit in hits})


def test_a_smaller_k_is_a_prefix(index: Index) -> None:
    """Asking for fewer documents never changes which come first."""
    many = index.search("money in the bank account", 5)

    assert many[:2] == index.search("money in the bank account", 2)


def test_equal_documents_come_in_the_order_of_their_ids(index: Index) -> None:
    """Two documents with the same words tie, and the id decides, not the place in the corpus."""
    twins = [hit for hit in index.search("opening hours of the library", 5) if hit.doc_id.endswith("twin")]

    assert ["a-twin", "z-twin"] == [hit.doc_id for hit in twins]
    assert "a-twin" == index.search("opening hours of the library", 1)[0].doc_id


@pytest.mark.parametrize("query", ["", "  \n\t"])
def test_a_blank_query_finds_nothing(index: Index, query: str) -> None:
    """Nothing asked, nothing found."""
    assert () == index.search(query, 3)


@pytest.mark.parametrize("k", [0, -1])
def test_a_k_below_one_is_refused(index: Index, k: int) -> None:
    """Asking for no document is a mistake, also with a blank query."""
    with pytest.raises(RetrievalError, match="at least 1"):
        index.search("", k)


def test_k_may_exceed_the_corpus(index: Index) -> None:
    """There are never more hits than documents."""
    assert len(index.search("money", 1000)) <= len(index.corpus.documents)


def test_words_of_no_document(index: Index) -> None:
    """Without a common word BM25 finds nothing; vectors still rank every document."""
    hits = index.search("xylophone zeppelin", 100)

    assert (0 if index.spec.retriever == "bm25" else 7) == len(hits)


def test_parts_explain_the_score(index: Index) -> None:
    """BM25 parts only where a word is shared; a cosine on every hit of an index that has vectors."""
    hits = index.search("money on my account", 7)
    for hit in hits:
        assert (index.vectors is not None) == ("dense_similarity" in hit.parts)
        assert hit.parts.get("bm25", 1.0) > 0
        assert -1 <= hit.parts.get("dense_similarity", 0.0) <= 1
    if index.spec.retriever == "hybrid":
        bm25 = {_names((hit,))[0] for hit in hits if "bm25" in hit.parts}
        assert {"bank_balance", "bank_transfer"} == bm25
        ranks = [(hit.parts["dense_rank"], hit.parts.get("bm25_rank")) for hit in hits]
        fused = [1 / (60 + dense) + (1 / (60 + words) if words else 0) for dense, words in ranks]
        assert pytest.approx(fused) == [hit.score for hit in hits]


def test_every_thread_gets_the_same_answer(index: Index) -> None:
    """Eight threads that search at once agree with one that searches alone."""
    queries = ["send money", "weather in Oslo", "music please", "library"] * 4
    expected = [index.search(query, 3) for query in queries]
    answers: list[list[tuple[Hit, ...]]] = []
    threads = [
        threading.Thread(target=lambda: answers.append([index.search(query, 3) for query in queries])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [expected] * 8 == answers


def test_the_digest_names_corpus_and_spec(index: Index, corpus: Corpus, tokenizer: Path) -> None:
    """Another spec or another corpus gives another digest."""
    fewer = build_index(Corpus(name="tiny", documents=corpus.documents[:3]), index.spec, tokenizer=tokenizer)
    other = build_index(corpus, IndexSpec(retriever=index.spec.retriever, k1=2.0), tokenizer=tokenizer)

    assert 3 == len({index.digest, fewer.digest, other.digest})


def test_an_empty_corpus_is_refused(tokenizer: Path) -> None:
    """There is nothing to search in no documents."""
    with pytest.raises(RetrievalError, match="'none': has no documents"):
        build_index(Corpus(name="none", documents=()), IndexSpec(), tokenizer=tokenizer)


def test_vectors_need_a_tokenizer(corpus: Corpus) -> None:
    """Without one the error names the data set to fetch; BM25 needs none."""
    with pytest.raises(RetrievalError, match="minilm_tokenizer"):
        build_index(corpus, IndexSpec(retriever="dense"))
    assert None is build_index(corpus, IndexSpec(retriever="bm25")).vectors


def test_rows_stand_for_the_documents_in_order(index: Index, tokenizer: Path) -> None:
    """Row i of the vectors is the embedding of document i, whatever batches it was computed in."""
    if index.vectors is None:
        return
    alone = build_index(
        Corpus(name="one", documents=index.corpus.documents[2:3]), IndexSpec(retriever="dense"), tokenizer=tokenizer
    )

    assert alone.vectors is not None
    np.testing.assert_allclose(alone.vectors[0], index.vectors[2], atol=1e-5)


def test_vectors_of_a_like_index_are_taken_over(index: Index, corpus: Corpus, tokenizer: Path) -> None:
    """Only those of the same corpus; else they are computed anew."""
    fewer = Corpus(name="tiny", documents=corpus.documents[:2])
    same = build_index(corpus, IndexSpec(k1=2.0), tokenizer=tokenizer, like=index)
    other_corpus = build_index(fewer, IndexSpec(), tokenizer=tokenizer, like=index)

    assert (index.vectors is not None) == (same.vectors is index.vectors)
    assert other_corpus.vectors is not None
    assert 2 == len(other_corpus.vectors)


def test_one_is_not_true_in_an_index_either() -> None:
    """Views that Python takes for equal see what each of them allows: what one saw is not remembered for another."""
    flag = Origin(source="s", readers=(EVERYONE,), metadata={"open": True})
    corpus = Corpus(name="flags", documents=(Document(doc_id="a", text="word", origin=flag),))
    index = build_index(corpus, IndexSpec(retriever="bm25"))
    views = [View(where=(Condition(field="open", one_of=(value,)),)) for value in (1, True, 1.0)]

    assert [0, 1, 0] == [len(index.search("word", 1, view)) for view in views]
