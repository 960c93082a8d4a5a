"""What a national number of a person looks like, in sixteen countries, and whether its check digits are right.

Some are known by their form; most are plain digits, of which one order number in ten would have right check digits, so
they count only where a word before them says what they are. Source of the check digits: python-stdnum, which is loaded
for a country when something of its form turns up.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module

_BETWEEN = r"[^\n\d]{0,24}?"  # between the word and the number: " is ", " no.: "


@lru_cache(maxsize=64)
def _checked(name: str) -> Callable[[str], bool]:
    valid: Callable[[str], bool] = import_module(f"stdnum.{name}").is_valid
    return valid


def valid(*names: str) -> Callable[[str], bool]:
    """A test that any of python-stdnum's modules agrees.

    >>> valid("es.dni", "es.nie")("54362315K"), valid("es.dni")("54362315Z")
    (True, False)
    """
    return lambda text: any(_checked(name)(text) for name in names)


BY_FORM: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    (r"[A-Z]", r"[A-Z]{5}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]", ("it.codicefiscale",), "Italy"),
    (r"[XYZ]", r"-?\d{7}-?[A-HJ-NP-TV-Z]", ("es.nie",), "Spain"),
    (r"\d", r"\d{7}-?[A-HJ-NP-TV-Z]", ("es.dni",), "Spain"),
    (r"[0-3]", r"\d[01]\d{3}[-+A-FU-Y]\d{3}[0-9A-Y]", ("fi.hetu",), "Finland"),
    (r"\d", r"(?:(?<=1)9\d\d|(?<=2)0\d\d|\d)[01]\d[0-3]\d[-+]\d{4}", ("se.personnummer",), "Sweden"),
    (r"\d", r"\d\d\.\d{3}\.\d{3}-\d\d", ("br.cpf",), "Brazil"),
    (r"\d", r"\d\d-\d\d-\d{4}", ("us.ssn",), "the United States"),
    (r"[12]", r" ?\d\d ?[0-9]\d ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d", ("fr.nir",), "France"),
    (r"[1-9]", r"\d{5}(?:19|20)\d\d[01]\d[0-3]\d{4}[\dX]", ("cn.ric",), "China"),
    (r"7", r"56\.?\d{4}\.?\d{4}\.?\d\d", ("ch.ssn",), "Switzerland"),
)
"""Form of the first character, of the rest, modules of python-stdnum, country."""

_NINE = r"\d(?:[ .-]?\d){8}"
_TEN = r"\d(?:[ .-]?\d){9}"
_ELEVEN = r"\d(?:[ .-]?\d){10}"
BY_WORD: tuple[tuple[str, tuple[str, ...], str, tuple[str, ...], str], ...] = (
    (
        r"bsn|burgerservicenummer|sofinummer",
        ("bsn", "burgerservice", "sofinummer"),
        _NINE,
        ("nl.bsn",),
        "the Netherlands",
    ),
    (r"pesel", ("pesel",), _ELEVEN, ("pl.pesel",), "Poland"),
    (
        r"f[øo]dselsnummer|fnr|personnummer",
        ("dselsnummer", "fnr", "personnummer"),
        _ELEVEN,
        ("no.fodselsnummer",),
        "Norway",
    ),
    (
        r"rijksregisternummer|num[ée]ro national|national register|insz|niss",
        ("rijksregister", "ro national", "national register", "insz", "niss"),
        _ELEVEN,
        ("be.nn",),
        "Belgium",
    ),
    (r"nhs", ("nhs",), _TEN, ("gb.nhs",), "the United Kingdom"),
    (r"aadhaar", ("aadhaar",), r"\d(?:[ -]?\d){11}", ("in_.aadhaar",), "India"),
    (r"sin|social insurance", ("sin", "social insurance"), _NINE, ("ca.sin",), "Canada"),
    (
        r"steuer-?id|idnr|identifikationsnummer|tax id",
        ("steuer", "idnr", "identifikationsnummer", "tax id"),
        _ELEVEN,
        ("de.idnr",),
        "Germany",
    ),
    (r"oib", ("oib",), _ELEVEN, ("hr.oib",), "Croatia"),
    (r"cpf", ("cpf",), _ELEVEN, ("br.cpf",), "Brazil"),
    (r"ssn|social security", ("ssn", "social security"), _NINE, ("us.ssn",), "the United States"),
    (
        r"personnummer|personal number",
        ("personnummer", "personal number"),
        r"(?:19|20)?\d{10}",
        ("se.personnummer",),
        "Sweden",
    ),
    (r"cpr|cpr-nummer", ("cpr",), r"\d{6}-?\d{4}", ("dk.cpr",), "Denmark"),
)
"""Words, lower-case hints of them, form, modules of python-stdnum, country."""


def patterns_by_form() -> tuple[str, ...]:
    """Two regular expressions for all that are known by their form: of those that begin with a letter, with a digit.

    Each begins with the character that it wants, to which the engine skips.
    """
    letters = [(first, rest) for first, rest, _, _ in BY_FORM if first in ("[A-Z]", "[XYZ]")]
    numbers = [(first, rest) for first, rest, _, _ in BY_FORM if first not in ("[A-Z]", "[XYZ]")]
    return tuple(
        rf"{start}(?<![\w.+-]{start})(?:{'|'.join(f'(?<={first}){rest}' for first, rest in forms)})(?![\w]|[.-]\d)"
        for start, forms in (("[A-Z]", letters), (r"\d", numbers))
    )


@lru_cache(maxsize=1)
def _forms() -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    return tuple((re.compile(f"{first}(?<={first}){rest}"), names) for first, rest, names, _ in BY_FORM)


def is_national_id(text: str) -> bool:
    """True if some country would have given out that number, by form and check digits.

    >>> is_national_id("RCCMNL83S18D969H"), is_national_id("RCCMNL83S18D969Z"), is_national_id("123-45-6789")
    (True, False, True)
    """
    return any(_checked(name)(text) for form, names in _forms() if form.fullmatch(text) for name in names)


def pattern_by_word(words: str, form: str) -> str:
    """A regular expression for a number after one of the words; it begins with their first letters, as others do."""
    each = words.split("|")
    start = f"[{''.join(sorted({word[0] + word[0].upper() for word in each}))}]"
    rest = "|".join(f"(?<=[{word[0]}{word[0].upper()}])(?i:{word[1:]})" for word in each)
    return rf"(?P<keep>{start}(?<![^\W_]{start})(?:{rest})(?![^\W\d_]){_BETWEEN})(?<!\d){form}(?![\w]|[.-]\d)"
