"""A passage is exactly a piece of its document, ends where the text does, and nothing but white space is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core import Corpus, Document, Origin, RetrievalError
from workbench.retrieval.chunking import cut, cut_corpus

PIECES = st.sampled_from(
    ["word", "a", "Ends here.", "\n\n", "\n", " ", "# Head\n", "longerwordthanall", "  ", "Zürich?"]
)
GUIDE = "# Cards\nA card can be blocked. It takes a minute.\n\n# Loans\nA loan is paid back. It takes years."


@given(st.lists(PIECES, max_size=60), st.integers(1, 40), st.integers(0, 39))
def test_passages_are_pieces_of_the_text(pieces: list[str], size: int, overlap: int) -> None:
    """Offsets give the text, no word is cut, no passage is too long unless it is one word, and no word is lost."""
    text = " ".join(pieces)
    passages = cut(Document(doc_id="d", text=text), size=size, overlap=min(overlap, size - 1))
    covered: set[int] = set()

    for passage in passages:
        assert passage.origin is not None
        start, end = passage.origin.start, passage.origin.end
        assert text[start:end] == passage.text
        assert not [at for at in (start, end) if 0 < at < len(text) and text[at - 1 : at + 1].isalpha()]
        assert len(passage.text) <= size or not any(map(str.isspace, passage.text))
        covered.update(range(start, end))
    assert not [at for at, letter in enumerate(text) if not letter.isspace() and at not in covered]


def test_a_passage_ends_before_a_heading_and_knows_its_own() -> None:
    """Two sections that would not fit together come apart where the second begins."""
    passages = cut(Document(doc_id="guide", text=GUIDE, title="Guide"), size=60)

    assert ["Guide › Cards", "Guide › Loans"] == [one.title for one in passages]
    assert ["# Cards", "# Loans"] == [one.text.splitlines()[0] for one in passages]


def test_an_overlap_repeats_whole_sentences() -> None:
    """The last sentence of a passage is said again at the start of the next, if it fits into the overlap."""
    text = "One is here. Two is here. Three is here. Four is here."
    passages = cut(Document(doc_id="d", text=text), size=30, overlap=15)

    assert "One is here. Two is here." == passages[0].text
    assert passages[1].text.startswith("Two is here.")


def test_a_passage_keeps_whose_it_is() -> None:
    """Readers, trust and metadata are the document's; the whole is named."""
    origin = Origin(source="wiki", trust="reviewed", readers=("hr",), metadata={"year": 2024})
    passage = cut(Document(doc_id="d", text="one two three", origin=origin), size=5)[1]

    assert passage.origin == origin.model_copy(update={"whole": "d", "start": 4, "end": 7})


def test_a_short_or_empty_document_is_one_passage() -> None:
    """There is nothing to cut, and nothing disappears from the corpus."""
    documents = (Document(doc_id="a", text="short"), Document(doc_id="b", text=""))
    corpus = cut_corpus(Corpus(name="c", documents=documents), size=100)

    assert ["short", ""] == [one.text for one in corpus.documents]
    assert ["a", "b"] == [one.origin.whole for one in corpus.documents if one.origin]


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (5, 5), (5, -1)])
def test_impossible_sizes_are_refused(size: int, overlap: int) -> None:
    """Neither an empty passage nor one that only repeats."""
    with pytest.raises(RetrievalError, match="overlap below it"):
        cut(Document(doc_id="d", text="x"), size=size, overlap=overlap)
