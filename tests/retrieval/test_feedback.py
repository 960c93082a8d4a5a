"""RM3 makes of the first documents the words that were worked out by hand, from what the caller may see."""

import pytest

from workbench.core import EVERYONE, Corpus, Document, Origin
from workbench.retrieval import IndexSpec, View, build_index
from workbench.retrieval.feedback import expand_query

FOUND = (({"heron": 2, "river": 1, "fish": 1}, 3.0), ({"heron": 1, "nest": 3}, 1.0))
"""Shares: heron 2/4, river 1/4, fish 1/4, times 3; heron 1/4, nest 3/4, times 1. Sum: heron 1.75, river .75, fish .75,
nest .75; of four words each has its share of 4."""


@pytest.mark.parametrize(
    ("words", "weight", "expected"),
    [
        # .5 · (heron 1/2, bird 1/2) + .5 · (heron 1.75, fish .75, nest .75, river .75) / 4
        (4, 0.5, {"heron": 0.46875, "bird": 0.25, "fish": 0.09375, "nest": 0.09375, "river": 0.09375}),
        # Of each document two words: heron 2/3 and fish 1/3 (before river), times 3; nest 3/4 and heron 1/4. Sum:
        # heron 2.25, fish 1, nest .75; the two heaviest: heron 2.25/3.25, fish 1/3.25.
        (2, 0.2, {"heron": 0.1 + 0.8 * 2.25 / 3.25, "bird": 0.1, "fish": 0.8 / 3.25}),
        (4, 1.0, {"heron": 0.5, "bird": 0.5, "fish": 0.0, "nest": 0.0, "river": 0.0}),
    ],
)
def test_weights_are_those_worked_by_hand(words: int, weight: float, expected: dict[str, float]) -> None:
    """Source: Abdul-Jaleel et al. 2004, with Anserini's pruning; the arithmetic stands beside each."""
    found = expand_query(["heron", "bird"], FOUND, words=words, weight=weight)

    assert pytest.approx(expected) == found


def test_nothing_found_leaves_the_query() -> None:
    """Its words have their shares, whatever the weight."""
    assert {"heron": pytest.approx(2 / 3), "bird": pytest.approx(1 / 3)} == expand_query(
        ["heron", "bird", "heron"], [], words=10, weight=0.1
    )


def corpus_of(names: tuple[str, ...]) -> Corpus:
    """The heron's page says "marsh"; another page has that word alone; a secret one ties the heron to "vault"."""
    texts = {
        "heron": "heron marsh reeds",
        "marsh": "marsh walks",
        "secret": "heron vault vault",
        "vault": "vault keys",
        **{f"filler{at}": f"something else number{at}" for at in range(30)},
    }
    return Corpus(
        name="c",
        documents=tuple(
            Document(
                doc_id=name,
                text=texts[name],
                origin=Origin(source="s", readers=("board",) if name == "secret" else (EVERYONE,)),
            )
            for name in (*names, *(f"filler{at}" for at in range(30)))
        ),
    )


def test_what_is_like_the_first_found_is_found_too() -> None:
    """ "marsh" shares no word with the query; without expansion only the heron is found."""
    corpus = corpus_of(("heron", "marsh", "secret", "vault"))
    plain, wide = (build_index(corpus, IndexSpec(retriever="bm25", expansion=words)) for words in (0, 10))

    assert ["heron"] == [hit.doc_id for hit in plain.search("heron", 5)]
    assert ["heron", "marsh"] == [hit.doc_id for hit in wide.search("heron", 5)]


def test_words_come_from_what_the_caller_sees() -> None:
    """Only the board's own search learns from the secret page."""
    wide = build_index(corpus_of(("heron", "marsh", "secret", "vault")), IndexSpec(retriever="bm25", expansion=10))

    assert "vault" not in {hit.doc_id for hit in wide.search("heron", 5)}
    assert "vault" in {hit.doc_id for hit in wide.search("heron", 5, View(principals=("board",)))}


def test_common_words_expand_nothing() -> None:
    """ "something" stands in most pages: the page of the only 7 brings none of the others."""
    corpus = corpus_of(("heron", "marsh", "vault"))
    wide = build_index(corpus, IndexSpec(retriever="bm25", expansion=10, expansion_weight=0.1))

    assert ["filler7"] == [hit.doc_id for hit in wide.search("7", 5)]
