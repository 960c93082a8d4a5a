"""What a national number of a person looks like, in sixteen countries, and whether its check digits are right.

Some are known by their form; most are plain digits, of which one order number in ten would have right check digits, so
they count only where a word before them says what they are. Source of the check digits: python-stdnum, which is loaded
for a country when something of its form turns up.
"""

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


BY_FORM: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (r"[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]", ("it.codicefiscale",), "Italy"),
    (r"\d{8}-?[A-HJ-NP-TV-Z]", ("es.dni",), "Spain"),
    (r"[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]", ("es.nie",), "Spain"),
    (r"[0-3]\d[01]\d{3}[-+A-FU-Y]\d{3}[0-9A-Y]", ("fi.hetu",), "Finland"),
    (r"(?:19|20)?\d\d[01]\d[0-3]\d[-+]\d{4}", ("se.personnummer",), "Sweden"),
    (r"\d{3}\.\d{3}\.\d{3}-\d\d", ("br.cpf",), "Brazil"),
    (r"\d{3}-\d\d-\d{4}", ("us.ssn",), "the United States"),
    (r"[12] ?\d\d ?[0-9]\d ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d", ("fr.nir",), "France"),
    (r"[1-9]\d{5}(?:19|20)\d\d[01]\d[0-3]\d{4}[\dX]", ("cn.ric",), "China"),
    (r"756\.?\d{4}\.?\d{4}\.?\d\d", ("ch.ssn",), "Switzerland"),
)
"""Form, modules of python-stdnum, country."""

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


def pattern_by_form() -> str:
    """One regular expression for all that are known by their form; a text is read once for them."""
    forms = "|".join(form for form, _, _ in BY_FORM)
    return rf"(?<![\w.+-])(?:{forms})(?![\w]|[.-]\d)"


def is_national_id(text: str) -> bool:
    """True if some country would have given out that number, by form and check digits.

    >>> is_national_id("RCCMNL83S18D969H"), is_national_id("RCCMNL83S18D969Z"), is_national_id("123-45-6789")
    (True, False, True)
    """
    return any(_checked(name)(text) for _, names, _ in BY_FORM for name in names)


def pattern_by_word(words: str, form: str) -> str:
    """A regular expression for a number after one of the words."""
    return rf"(?i)(?P<keep>(?<![^\W_])(?:{words})(?![^\W\d_]){_BETWEEN})(?<!\d){form}(?![\w]|[.-]\d)"
