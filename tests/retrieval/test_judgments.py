"""Judgments are read from what people already have, and what is generated is not taken for a person's word."""

import gzip
from pathlib import Path

import pytest

from workbench.core import Case, Corpus, DataError, Document, ExpectedAbstention, ExpectedAnswer, RetrievalError
from workbench.retrieval.judgments import (
    Judgment,
    check_judgments,
    join_queries,
    judge_cases,
    known_items,
    read_judgments,
    read_qrels,
)

EXPECTED = {"q1": {"d1": 1, "d2": 0}, "q2": {"d3": 2}}
FORMS = {
    "beir.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\nq2\td3\t2\n",
    "trec.qrels": "q1 0 d1 1\nq1 0 d2 0\nq2 0 d3 2\n",
    "lines.jsonl": '{"query_id": "q1", "doc_id": "d1"}\n{"query_id": "q1", "doc_id": "d2", "grade": 0}\n'
    '{"query_id": "q2", "doc_id": "d3", "grade": 2}\n',
}


@pytest.mark.parametrize("name", sorted(FORMS))
@pytest.mark.parametrize("packed", [False, True])
def test_the_forms_of_qrels_say_the_same(tmp_path: Path, name: str, packed: bool) -> None:
    """BEIR's, trec_eval's and JSON Lines, packed or not."""
    path = tmp_path / (f"{name}.gz" if packed else name)
    data = FORMS[name].encode()
    path.write_bytes(gzip.compress(data) if packed else data)

    assert EXPECTED == read_qrels(path)


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    """File and line, and what a line should be."""
    path = tmp_path / "bad.tsv"
    path.write_text("query-id\tcorpus-id\tscore\nq1\td1\tyes\n")

    with pytest.raises(DataError, match=r"bad\.tsv:2\).*whole grade"):
        read_qrels(path)


def test_queries_get_their_texts(tmp_path: Path) -> None:
    """Queries without anything relevant are left out; one without a text is an error."""
    (tmp_path / "q.jsonl").write_text('{"_id": "q1", "text": "one"}\n{"_id": "q2", "text": "two"}\n')
    (tmp_path / "j.tsv").write_text("q1\td1\t0\nq2\td3\t2\n")

    assert [("q2", "two", {"d3": 2})] == [
        (one.query_id, one.query, one.relevant) for one in read_judgments(tmp_path / "j.tsv", tmp_path / "q.jsonl")
    ]
    with pytest.raises(DataError, match="query 'q9'"):
        join_queries({"q9": {"d": 1}}, {})


def test_cases_judge_by_what_they_expect() -> None:
    """Documents of an expected answer; a case that expects none says nothing."""
    answer = ExpectedAnswer(answers=("42",), documents=("d1", "d2"))
    cases = [
        Case(case_id="a", request="How many?", expected=answer, cluster="x"),
        Case(case_id="b", request="Sing!", expected=ExpectedAbstention(), cluster="y"),
    ]

    assert [("a", {"d1": 1, "d2": 1}, "x")] == [(one.query_id, one.relevant, one.group) for one in judge_cases(cases)]


def test_known_items_are_pieces_of_documents_that_nobody_confirmed() -> None:
    """The query stands in every document that is called right for it; the same seed draws the same."""
    texts = ("The blue heron waits by the river at dawn.", "Copper pipes freeze when winters are very cold.")
    documents = (
        *(Document(doc_id=f"d{at}", text=text) for at, text in enumerate(texts)),
        Document(doc_id="e", text=""),
    )
    corpus = Corpus(name="c", documents=(*documents, Document(doc_id="twin", text=texts[0])))
    found = known_items(corpus, count=9, seed=1)

    assert {"known:d0", "known:d1", "known:twin"} == {one.query_id for one in found}
    assert not any(one.confirmed for one in found)
    assert {"d0": 1, "twin": 1} == next(one.relevant for one in found if one.query_id == "known:d0")
    assert found == known_items(corpus, count=9, seed=1)


def test_judgments_have_to_fit_the_corpus() -> None:
    """A relevant document that can't be found would lower every index alike."""
    known = ("d1",)
    one = Judgment(query_id="q", query="x", relevant={"d1": 1, "gone": 0})

    check_judgments([one], known, "corpus 'c'")
    with pytest.raises(RetrievalError, match="twice"):
        check_judgments([one, one], known, "corpus 'c'")
    with pytest.raises(RetrievalError, match="'gone' is judged relevant and not in corpus 'c'"):
        check_judgments([one.model_copy(update={"relevant": {"gone": 1}})], known, "corpus 'c'")
