"""A query's words narrow where an index looks, and never widen it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workbench.core import EVERYONE, Corpus, Document, Origin
from workbench.retrieval import ANYONE, Condition, IndexSpec, View, build_index
from workbench.retrieval.routing import Route, Router

ROUTES = (Route(field="company"), Route(field="year", pattern=r"\b(?:FY)?(20\d\d)\b"))


def report(company: str, year: int, *readers: str) -> Document:
    """An annual report."""
    origin = Origin(source="filings", readers=tuple(sorted(readers)), metadata={"company": company, "year": year})
    return Document(doc_id=f"{company}-{year}", text=f"revenue grew at {company}", origin=origin)


CORPUS = Corpus(
    name="filings",
    documents=tuple(
        report(company, year, EVERYONE if year < 2023 else "analysts")
        for company in ("Acme", "Best Buy", "Corning")
        for year in (2021, 2022, 2023)
    ),
)
WORDS = st.lists(st.sampled_from(["revenue", "Acme", "best buy", "2021", "FY2023", "2030", "of", "Acmes"]), max_size=6)
VIEWS = st.sampled_from([ANYONE, View(principals=("analysts",)), View(where=(Condition(field="year", at_most=2021),))])


@given(WORDS, VIEWS)
def test_a_router_never_widens_a_view(words: list[str], view: View) -> None:
    """What the narrowed view shows, the view shows."""
    narrowed = Router(ROUTES, CORPUS).narrow(" ".join(words), view)

    assert not [one.doc_id for one in CORPUS.documents if narrowed.allows(one) and not view.allows(one)]
    assert view.principals == narrowed.principals


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("revenue of acme in 2022", {"Acme-2022"}),
        ("revenue of Best Buy", {"Best Buy-2021", "Best Buy-2022"}),
        ("revenue in FY2021", {"Acme-2021", "Best Buy-2021", "Corning-2021"}),
        ("revenue of Acmes", {f"{name}-{year}" for name in ("Acme", "Best Buy", "Corning") for year in (2021, 2022)}),
    ],
)
def test_an_index_looks_where_the_query_says(query: str, expected: set[str]) -> None:
    """Known values are found in any case as whole words, years by their form; else all that anyone may see."""
    index = build_index(CORPUS, IndexSpec(retriever="bm25", routes=ROUTES))

    assert expected == {hit.doc_id for hit in index.search(query, 20)}


def test_what_would_show_nothing_is_not_added() -> None:
    """A year that the caller may not see leaves the company's other years, not an empty answer, nor the hidden one."""
    index = build_index(CORPUS, IndexSpec(retriever="bm25", routes=ROUTES))

    assert {"Acme-2021", "Acme-2022"} == {hit.doc_id for hit in index.search("revenue of Acme in 2023", 20)}


def test_slack_lets_the_next_year_speak() -> None:
    """A report of 2022 also tells of 2021."""
    router = Router((Route(field="year", pattern=r"20\d\d", slack=1),), CORPUS)

    assert (2021, 2022) == router.narrow("revenue in 2021", ANYONE).where[0].one_of


def test_a_pattern_has_to_compile() -> None:
    """A mistake is met when it is written."""
    with pytest.raises(ValidationError, match="is no regular expression"):
        Route(field="year", pattern="(20")
