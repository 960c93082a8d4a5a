"""Words of a text, so that a request in prose can meet a tool named in code."""

import re
import threading
from collections.abc import Callable
from functools import cache
from typing import Literal

Analyzer = Literal["code", "code_english", "words", "english"]
"""Ways to make words of a text: names split into their parts or not, English endings cut or not."""

_ENGLISH = """a an and are as at be but by for if in into is it no not of on or such that the their then there these
they this to was will with"""
STOP_WORDS = frozenset(_ENGLISH.split())
"""Source: Lucene, EnglishAnalyzer.ENGLISH_STOP_WORDS_SET (33 words)."""

_POSSESSIVE = re.compile(r"['’][sS]\b")
_WORD = re.compile(r"\w+(?:\.\w+)*")
_PART = re.compile(
    r"[A-Z]+(?![^\W\d_A-Z])"  # an acronym, up to the capital that begins the next word: HTTP in HTTPServer
    r"|[A-Z]?[^\W\d_A-Z]+"  # a word, with its capital
    r"|\d+"
)


def analyze(text: str) -> tuple[str, ...]:
    """Lower-case words in order without stop words; a compound name gives its parts and then itself, joined.

    Compounds are split at underscores, dots, digits and capitals.

    >>> analyze("The user's getWeatherForecast")
    ('user', 'get', 'weather', 'forecast', 'getweatherforecast')
    >>> analyze("math.lcm_v2 of 10.5")
    ('math', 'lcm', 'v', '2', 'mathlcmv2', '10', '5')
    """
    words: list[str] = []
    for match in _WORD.finditer(_POSSESSIVE.sub("", text)):
        parts = [part.lower() for part in _PART.findall(match.group())]
        words.extend(part for part in parts if part not in STOP_WORDS)
        if len(parts) > 1 and not all(part.isdigit() for part in parts):
            words.append("".join(parts))
    return tuple(words)


def words_of(text: str, analyzer: Analyzer) -> tuple[str, ...]:
    """The words of a text in order, without stop words.

    "code" is `analyze`; "words" takes names as they are. "code_english" and "english" cut the endings of English
    words. Source: Porter 2001, Snowball: the English stemmer (PyStemmer).

    >>> words_of("getUserNames lists users", "code_english")
    ('get', 'user', 'name', 'getusernam', 'list', 'user')
    >>> words_of("getUserNames lists users", "english")
    ('getusernam', 'list', 'user')
    """
    split = analyze(text) if analyzer.startswith("code") else _plain(text)
    if not analyzer.endswith("english"):
        return split
    stem = _stemmer()
    return tuple(stem(word) for word in split)


def _plain(text: str) -> tuple[str, ...]:
    found = (match.group().lower() for match in _WORD.finditer(_POSSESSIVE.sub("", text)))
    return tuple(word for word in found if word not in STOP_WORDS)


@cache
def _stemmer() -> Callable[[str], str]:
    from Stemmer import Stemmer  # noqa: PLC0415 - only who asks for stems needs it

    stemmer, lock = Stemmer("english"), threading.Lock()

    @cache
    def stem(word: str) -> str:
        # A stemmer keeps state while it works, so threads take turns; a word is stemmed once.
        with lock:
            found: str = stemmer.stemWord(word)
        return found

    return stem
