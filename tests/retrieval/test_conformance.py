"""Every way to search passes the same properties: the indexes in memory, and the live ones, whatever their past."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from workbench.core import EVERYONE, Corpus, Document, Origin, RetrievalError
from workbench.retrieval.builder import build_index
from workbench.retrieval.dense import Embedder
from workbench.retrieval.index import Hit, IndexSpec
from workbench.retrieval.live import LiveIndex
from workbench.retrieval.live_refresh import compact, create_live, refresh, update
from workbench.retrieval.view import ANYONE, Condition, View


class Searcher(Protocol):
    """What can be searched."""

    def search(self, query: str, k: int, view: View = ANYONE) -> tuple[Hit, ...]:
        """See `Index.search`."""


KINDS = ("bm25", "dense", "hybrid")
PASTS = ("memory", "live", "live with a past", "live and compacted")


def _document(doc_id: str, text: str, *readers: str, year: int = 2020) -> Document:
    origin = Origin(source="library", readers=tuple(sorted(readers)), metadata={"year": year})
    return Document(doc_id=doc_id, text=text, origin=origin)


LIBRARY = Corpus(
    name="library",
    documents=(
        _document("z-twin", "Opening hours of the library", EVERYONE),
        _document("a-twin", "Opening hours of the library", EVERYONE),
        _document("pay", "Salaries of the library's staff", "bosses", year=2021),
        _document("rules", "Rules for lending books to readers", EVERYONE, "bosses", year=2021),
        _document("plans", "Plans for a new library building", "bosses", "builders", year=2022),
        Document(doc_id="own", text="Made here: the library's map"),
        Document(doc_id="blank", text=""),
    ),
)
BOSS = View(principals=("bosses",))


@pytest.fixture(scope="module", params=list(itertools.product(KINDS, PASTS)), ids=" ".join)
def searcher(request: pytest.FixtureRequest, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """The library, searchable in each way."""
    kind, past = request.param
    spec, encoder = IndexSpec(retriever=kind), Embedder(tokenizer)
    if past == "memory":
        return build_index(LIBRARY, spec, tokenizer=tokenizer)
    folder = tmp_path_factory.mktemp("live")
    create_live(folder, "library", spec, model="" if kind == "bm25" else encoder.digest)
    live = LiveIndex(folder, encoder=None if kind == "bm25" else encoder)
    _PASTS[past](live)
    return live


def _with_a_past(live: LiveIndex) -> None:
    """One by one, with others that are deleted, and with other words and readers before."""
    noise = [_document(f"noise-{number}", "Opening a library of noise", EVERYONE) for number in range(5)]
    update(live, noise)
    for document in LIBRARY.documents:
        update(live, [document.model_copy(update={"text": "library of other words", "origin": None})])
        update(live, [document])
    refresh(live, LIBRARY)


def _compacted(live: LiveIndex) -> None:
    _with_a_past(live)
    compact(live)


_PASTS: dict[str, Callable[[LiveIndex], object]] = {
    "live": lambda live: refresh(live, LIBRARY),
    "live with a past": _with_a_past,
    "live and compacted": _compacted,
}


def _names(hits: tuple[Hit, ...]) -> list[str]:
    return [hit.doc_id for hit in hits]


def test_what_is_meant_comes_first(searcher: Searcher) -> None:
    """The document that a question is about is found."""
    assert "rules" == _names(searcher.search("rules for lending books", 3))[0]


def test_scores_never_rise(searcher: Searcher) -> None:
    """Best first, each once, no more than asked for."""
    hits = searcher.search("library opening", 4, BOSS)

    assert len(hits) == len(set(_names(hits))) <= 4
    assert all(one.score >= other.score for one, other in itertools.pairwise(hits))


def test_equal_documents_come_by_id(searcher: Searcher) -> None:
    """Two documents with the same words tie, and the id decides."""
    assert ["a-twin", "z-twin"] == _names(searcher.search("opening hours of the library", 2))


def test_fewer_are_the_first_of_more(searcher: Searcher) -> None:
    """Asking for fewer never changes which come first."""
    assert searcher.search("library", 5, BOSS)[:2] == searcher.search("library", 2, BOSS)


@pytest.mark.parametrize("query", ["", " \n"])
def test_nothing_asked_nothing_found(searcher: Searcher, query: str) -> None:
    """A blank query finds nothing."""
    assert () == searcher.search(query, 3)


@pytest.mark.parametrize("k", [0, -2])
def test_a_k_below_one_is_refused(searcher: Searcher, k: int) -> None:
    """Asking for no document is a mistake."""
    with pytest.raises(RetrievalError, match="at least 1"):
        searcher.search("library", k)


def test_k_may_exceed_what_is_there(searcher: Searcher) -> None:
    """There are never more hits than documents that may be seen."""
    assert len(searcher.search("library", 1000)) <= 5


def test_unknown_words_add_nothing(searcher: Searcher) -> None:
    """A word that no document has moves no document that shares another, and finds none by words."""
    hits = searcher.search("xylophagous", 5)

    assert all("bm25" not in hit.parts for hit in hits)


def test_nobody_sees_what_is_not_theirs(searcher: Searcher) -> None:
    """Without a principal only what is everyone's is found, and what was made here."""
    seen = _names(searcher.search("library staff salaries plans building", 10))

    assert set(seen) <= {"a-twin", "z-twin", "rules", "own", "blank"}


def test_principals_see_more(searcher: Searcher) -> None:
    """Each group opens what it may read, and no more."""
    query = "library staff salaries plans building"
    builders = _names(searcher.search(query, 10, View(principals=("builders",))))

    assert {"pay", "plans"} <= set(_names(searcher.search(query, 10, BOSS)))
    assert "plans" in builders
    assert "pay" not in builders


def test_ranks_count_what_a_view_shows(searcher: Searcher) -> None:
    """What is hidden is out before anything is ranked: the first that may be seen has rank 1."""
    first = searcher.search("salaries of the library's staff", 1)[0]

    assert 1.0 == max(first.parts.get("bm25_rank", 1.0), 1.0)
    assert 1.0 in (first.parts.get("bm25_rank"), first.parts.get("dense_rank"))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition(field="year", one_of=(2021,)), {"rules", "pay"}),
        (Condition(field="year", one_of=("2021",)), set()),
        (Condition(field="year", at_least=2021), {"rules", "pay", "plans"}),
        (Condition(field="year", at_most=2020.5), {"a-twin", "z-twin"}),
        (Condition(field="source", one_of=("library",)), {"a-twin", "z-twin", "rules", "pay", "plans"}),
        (Condition(field="month", one_of=(1,)), set()),
    ],
)
def test_conditions_hold(searcher: Searcher, condition: Condition, expected: set[str]) -> None:
    """Only what meets the condition is found, and by a query that names them all, all of it."""
    view = BOSS.model_copy(update={"where": (condition,)})
    found = _names(searcher.search("library opening hours rules lending salaries plans", 10, view))

    assert expected == set(found)


def test_parts_say_where_the_score_comes_from(searcher: Searcher) -> None:
    """Every hit has a score by words or by meaning, with its rank."""
    for hit in searcher.search("rules for lending books", 3):
        assert {"bm25", "dense_similarity"} & hit.parts.keys()
        assert {"bm25_rank", "dense_rank"} & hit.parts.keys()
