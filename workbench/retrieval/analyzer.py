"""Words of a text, so that a request in prose can meet a tool named in code."""

import re

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
