"""Names in code and words in prose meet as the same words."""

import pytest

from workbench.retrieval import STOP_WORDS, analyze
from workbench.retrieval.analyzer import Analyzer, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("get_user_info", ("get", "user", "info", "getuserinfo")),
        ("getUserInfo", ("get", "user", "info", "getuserinfo")),
        ("ChaDri.change_drink", ("cha", "dri", "change", "drink", "chadrichangedrink")),
        ("parseHTTPResponse2", ("parse", "http", "response", "2", "parsehttpresponse2")),
        ("HTTPServer", ("http", "server", "httpserver")),
        ("USA", ("usa",)),
        ("The cat's 3 hats, and 10.5 more.", ("cat", "3", "hats", "10", "5", "more")),
        ("Zürich naïve", ("zürich", "naïve")),
        ("___ ?! \n", ()),
        ("is_it_on", ("isiton",)),
    ],
)
def test_words_of_a_text(text: str, expected: tuple[str, ...]) -> None:
    """Compounds give their parts and themselves; stop words and punctuation give nothing."""
    assert expected == analyze(text)


def test_the_stop_words_are_lucenes() -> None:
    """Thirty-three words, as in Lucene's EnglishAnalyzer."""
    assert 33 == len(STOP_WORDS)


@pytest.mark.parametrize(
    ("analyzer", "expected"),
    [
        ("code", ("users", "get", "user", "names", "getusernames")),
        ("words", ("users", "getusernames")),
        ("code_english", ("user", "get", "user", "name", "getusernam")),
        ("english", ("user", "getusernam")),
    ],
)
def test_an_analyzer_splits_names_or_cuts_endings(analyzer: Analyzer, expected: tuple[str, ...]) -> None:
    """Both, one, or neither. Endings as Snowball's English stemmer cuts them (snowballstem.org's vocabulary)."""
    assert expected == words_of("The users' getUserNames", analyzer)
