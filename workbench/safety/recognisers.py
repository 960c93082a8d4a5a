"""What a secret, an e-mail address, a phone number, a payment card or a bank account looks like."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from ahocorasick_rs import BytesAhoCorasick

from workbench.safety.national_ids import BY_WORD, is_national_id, pattern_by_word, patterns_by_form, valid
from workbench.safety.pseudonyms import Pseudonyms

_LETTERS = r"[A-Za-z0-9_-]"

# Prefixes by which providers mark their own keys. Source: the providers' public documentation of token formats.
_KEY_FORMS = (
    (r"sk-" + _LETTERS + r"{16,}", "sk-"),  # OpenAI, Anthropic and compatible servers
    (r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}", "k_live_", "k_test_"),
    (r"whsec_[A-Za-z0-9+/=]{16,}", "whsec_"),
    (r"gh[pousr]_[A-Za-z0-9]{20,}", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    (r"github_pat_[A-Za-z0-9_]{20,}", "github_pat_"),
    (r"gl(?:pat|dt|rt|ptt|cbt)-" + _LETTERS + r"{16,}", "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-"),
    (r"xox[abeoprs]-[A-Za-z0-9-]{10,}", "xox"),
    (r"xapp-[A-Za-z0-9-]{10,}", "xapp-"),
    (r"A(?:KIA|SIA)[A-Z0-9]{16}", "AKIA", "ASIA"),
    (r"AIza" + _LETTERS + r"{30,}", "AIza"),
    (r"ya29\.[A-Za-z0-9._-]{16,}", "ya29."),
    (r"hf_[A-Za-z0-9]{20,}", "hf_"),
    (r"gsk_[A-Za-z0-9]{20,}", "gsk_"),
    (r"(?:xai|pplx|nvapi|tvly|r8)[-_]" + _LETTERS + r"{20,}", "xai-", "pplx-", "nvapi-", "tvly-", "r8_"),
    (r"npm_[A-Za-z0-9]{30,}", "npm_"),
    (r"pypi-" + _LETTERS + r"{30,}", "pypi-"),
    (r"do[opr]_v1_[0-9a-f]{40,}", "_v1_"),
    (r"dapi[0-9a-f]{32}", "dapi"),
    (r"SG\." + _LETTERS + r"{16,}\." + _LETTERS + r"{16,}", "SG."),
    (r"[0-9]{8,10}:AA" + _LETTERS + r"{33}", ":AA"),
    (r"eyJ" + _LETTERS + r"{8,}\.eyJ" + _LETTERS + r"{8,}(?:\." + _LETTERS + r"*){0,3}", "eyJ"),  # JSON web token
    (r"eyJ" + _LETTERS + r"{8,}(?:\." + _LETTERS + r"*){4}", "eyJ"),  # the same, encrypted
)

_FIELD_WORD = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret(?:[_-]?(?:key|access[_-]?key))?"
    r"|(?:api|access|account|private|signing|encryption|shared[_-]?access|subscription)[_-]?key"
    r"|(?:access|auth|refresh|bearer|id|api|session|security)[_-]?token|credentials?)"
)
# Narrower than "key" and "token", which most prompts hold.
_FIELD_HINTS = (
    *("pass", "pwd", "secret", "credential", "_key", "-key", "apikey", "accesskey", "accountkey", "privatekey"),
    *("signingkey", "encryptionkey", "subscriptionkey", "_token", "-token", "accesstoken", "authtoken"),
    *("refreshtoken", "bearertoken", "idtoken", "apitoken", "sessiontoken", "securitytoken"),
)
SECRET_NAME = re.compile(rf"(?i).*{_FIELD_WORD}|authorization|(?:set-)?cookie")
"""Names of fields whose value is a secret whatever it looks like; match the whole name."""

TOKEN = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w.~+/=-]{8,}")
"""What a field "token" holds if it is a secret and not a part of a text; match the whole value."""

# Lengths of account numbers by country. Source: SWIFT, IBAN Registry (ISO 13616).
_IBAN_LENGTHS = {
    15: "NO",
    16: "BE",
    18: "DK|FO|FI|GL|NL|SD",
    19: "MK|SI",
    20: "AT|BA|EE|KZ|LT|LU|XK",
    21: "CH|HR|LI|LV",
    22: "BG|BH|CR|DE|GB|GE|IE|ME|RS|VA",
    23: "AE|GI|IL|IQ|OM|SO|TL",
    24: "AD|CZ|ES|MD|PK|RO|SA|SE|SK|TN|VG",
    25: "LY|PT|ST",
    26: "IS|TR",
    27: "BI|DJ|FR|GR|IT|MC|MR|SM",
    28: "AL|AZ|BY|CY|DO|GT|HU|LB|NI|PL|SV",
    29: "BR|EG|PS|QA|UA",
    30: "JO|KW|MU",
    31: "MT|SC",
    32: "LC",
    33: "RU",
}
_IBAN = "|".join(
    rf"(?<={countries})\d\d(?:[ -]?[A-Z0-9]){{{length - 4}}}" for length, countries in _IBAN_LENGTHS.items()
)

# Issuers' first digits and lengths. Source: ISO/IEC 7812 and the networks' published ranges.
_CARD_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}"  # Visa
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?:6011|65\d{2}|64[4-9]\d)\d{12}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|3(?:0[0-5]|[68]\d)\d{11}"  # Diners Club
    r"|62\d{14,17}"  # UnionPay
    r"|(?:5018|5020|5038|6304|6759|676[1-3])\d{8,15}"  # Maestro
)


def is_card(text: str) -> bool:
    """True if the digits are a payment card's: an issuer's range, its length and the Luhn check digit.

    Source: ISO/IEC 7812-1, annex B.

    >>> is_card("4111 1111 1111 1111"), is_card("4111 1111 1111 1112")
    (True, False)
    """
    digits = re.sub(r"\D", "", text)
    if not _CARD_ISSUERS.fullmatch(digits):
        return False
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(int(digit) for digit in digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(text: str) -> bool:
    """True if an account number's check digits are right: 1 modulo 97.

    Source: ISO 13616-1; ISO/IEC 7064, MOD 97-10.

    >>> is_iban("GB82 WEST 1234 5698 7654 32"), is_iban("GB82 WEST 1234 5698 7654 33")
    (True, False)
    """
    compact = re.sub(r"[ -]", "", text)
    return int("".join(str(int(letter, 36)) for letter in compact[4:] + compact[:4])) % 97 == 1


def is_phone(text: str) -> bool:
    """True if the text has as many digits as an international number with its country: 9 to 15.

    Source: ITU-T E.164. A date after a plus sign, as in a patch, is none.

    >>> is_phone("+49 30 901820"), is_phone("+2026-11-22 10")
    (True, False)
    """
    if re.match(r"\+\d{4}-\d\d-\d\d", text):
        return False
    return 9 <= sum(letter.isdigit() for letter in text) <= 15  # E.164 allows no more than 15


def is_local_phone(text: str) -> bool:
    """True if the text has as many digits as a number within a country: 8 to 15. A date is none.

    >>> is_local_phone("020 7946 0958"), is_local_phone("2026-11-22"), is_local_phone("555-0132")
    (True, False, False)
    """
    return not re.match(r"\d{4}-\d\d-\d\d", text) and 8 <= sum(letter.isdigit() for letter in text) <= 15


@dataclass(frozen=True)
class Around:
    """A letter that every match holds, by which matches are found faster than by their first one."""

    letter: str
    head: re.Pattern[str]
    """What a match begins with, up to the letter, which stands there once."""
    most: int
    """Letters before it."""

    def starts(self, text: str) -> Iterator[int]:
        """Where a match may begin."""
        after, at = 0, text.find(self.letter)
        while at >= 0:
            head = self.head.search(text, max(after, at - self.most), at + 1)
            if head is not None:
                yield head.start()
            after, at = at + 1, text.find(self.letter, at + 1)


_LOCAL = r"(?<![\w.%+-])[\w.%+'-]{1,64}+@"


@dataclass(frozen=True)
class Recogniser:
    """One kind of thing that must not leave: how to see it, how to be sure, what stands there instead."""

    kind: str
    pattern: str
    """A regular expression; a group "keep" stays and only what follows it is replaced."""
    hints: tuple[str, ...]
    """Lower-case strings, one of which is in every text the pattern matches: they make most texts cheap."""
    sure: Callable[[str], bool] | None = None
    """Looks at what matched and decides; without it the match is enough."""
    around: Around | None = None
    """Where to look, if that is known."""

    @property
    def in_lines(self) -> bool:
        """Whether it only finds what stands in one line, and has seven digits and more."""
        return self.kind in ("card", "national-id", "phone")

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern, compiled once."""
        return re.compile(self.pattern)

    def replace(self, text: str, pseudonyms: Pseudonyms | None = None) -> str:
        """The text with everything recognised replaced by the kind in square brackets, and a person's pseudonym."""
        keeps = "keep" in self.compiled.groupindex

        def mark(match: re.Match[str]) -> str:
            kept = (match["keep"] or "") if keeps else ""
            found = match[0][len(kept) :]
            if self.sure is not None and not self.sure(found):
                return match[0]
            if pseudonyms is None or self.kind == "secret":
                return f"{kept}[{self.kind}]"
            return f"{kept}[{self.kind}:{pseudonyms.of(self.kind, found)}]"

        if self.around is None:
            return self.compiled.sub(mark, text)
        pieces, done = list[str](), 0
        for start in self.around.starts(text):
            match = self.compiled.match(text, start) if start >= done else None
            if match is not None:
                pieces += (text[done:start], mark(match))
                done = match.end()
        return "".join((*pieces, text[done:]))


# In order: a later one sees what earlier ones left. Where a pattern can, it begins with the characters it wants and
# looks behind afterwards: the engine then skips to them, which is three times as fast.
RECOGNISERS: tuple[Recogniser, ...] = (
    Recogniser(
        "secret",
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        ("private key",),
    ),
    *(
        Recogniser("secret", rf"(?<![A-Za-z0-9]){pattern}", tuple(hint.lower() for hint in hints))
        for pattern, *hints in _KEY_FORMS
    ),
    Recogniser(
        "secret", r"(?P<keep>\b[A-Za-z][A-Za-z0-9+.-]{0,40}://[^\s:/@\"']{0,128}:)[^\s/@\"']{1,256}(?=@)", ("://",)
    ),
    Recogniser(
        "secret",
        r"(?i)(?P<keep>\b(?:proxy-)?authorization\\*[\"']?\s{0,4}[:=]\s{0,4}\\*[\"']?"
        r"(?:(?:basic|bearer|token|digest|negotiate|apikey)\s{1,4})?+)(?!\[secret\])[^\s\"',;\\]+",
        ("authorization",),
    ),
    Recogniser("secret", r"(?i)(?P<keep>\bbearer\s{1,4})[A-Za-z0-9._~+/=-]{12,}", ("bearer",)),
    Recogniser(
        "secret",
        rf"(?i)(?P<keep>{_FIELD_WORD}(?P<quote>\\*[\"']?)\s{{0,4}}(?:=>|[:=])\s{{0,4}})"
        r"(?:(?P<open>\\*[\"'])(?!\[secret\]).{1,512}?(?P=open)|(?![\[{(<])[^\s\"'&,;{}()<>\\]{4,})",
        _FIELD_HINTS,
    ),
    Recogniser(
        "secret",
        r"(?P<keep>[Tt](?<![A-Za-z][Tt])(?:oken|OKEN)\\*[\"']?\s{0,4}[:=]\s{0,4}\\*[\"']?)(?=[A-Za-z._~+/=-]*\d)[\w.~+/=-]{16,}",
        ("token",),
    ),
    Recogniser(
        "e-mail",
        _LOCAL + r"(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])",
        ("@",),
        around=Around("@", re.compile(_LOCAL), 64),
    ),
    Recogniser("iban", rf"[A-Z][A-Z](?<!\w[A-Z]{{2}})(?=\d\d)(?:{_IBAN})(?!\w)", (), is_iban),
    Recogniser(
        "card",
        r"\d(?<!\w\d)(?<!\d[.,-]\d)(?:\d{11,18}|\d{3}(?P<gap>[ -])(?:\d{4}(?P=gap)\d{4}(?P=gap)\d{4}(?:(?P=gap)\d{3})?"
        r"|\d{6}(?P=gap)\d{4,5}))(?!\w|[.,-]\d)",
        (),
        is_card,
    ),
    *(
        Recogniser("national-id", pattern_by_word(words, form), hints, valid(*names))
        for words, hints, form, names, _ in BY_WORD
    ),
    *(Recogniser("national-id", pattern, (), is_national_id) for pattern in patterns_by_form()),
    Recogniser("phone", r"\+(?<![\w+]\+)[1-9](?:[ .()/-]{0,2}\d){7,16}(?!\w)", ("+",), is_phone),
    # A North American number by its form: area and exchange never begin with 0 or 1. Source: NANPA.
    Recogniser(
        "phone",
        r"[(2-9](?<![\w.+-][(2-9])(?:(?<=\()[2-9]\d\d\) ?[2-9]\d\d[-. ]|(?<!\()\d\d(?P<dot>[-.])[2-9]\d\d(?P=dot))"
        r"\d{4}(?![\w]|[.-]\d)",
        ("-", "."),
    ),
    Recogniser("phone", r"00(?<![\w.+-]00)[1-9]\d{0,2}[ -]\d(?:[ -]?\d){5,12}(?![\w]|[.-]\d)", ("00",)),
    # Any other only where a word says that it is one.
    Recogniser(
        "phone",
        r"(?P<keep>[TtPpMmCcFfHhWwSs](?<!\w[TtPpMmCcFfHhWwSs])(?i:(?<=t)(?:el(?:[ée]phone|efon[oe]?|\.)?|[ée]l[ée]phone)"
        r"|(?<=p)hone|(?<=m)obile?|(?<=c)ell|(?<=f)ax|(?<=h)andy|(?<=w)hatsapp|(?<=s)ms)\b[^\n\d(\[]{0,16})"
        r"\(?\d(?:[ ./()-]{0,2}\d){7,14}(?!\w)",
        ("tel", "tél", "phone", "mobil", "cell", "fax", "handy", "whatsapp", "sms"),
        is_local_phone,
    ),
)

_HINTS = {hint for one in RECOGNISERS for hint in one.hints} | {"tÉl"}  # as `possible` makes it lower case
_PLACES = tuple(
    (hint, frozenset(place for place, one in enumerate(RECOGNISERS) if hint.lower() in one.hints))
    for hint in sorted(_HINTS)
)
"""Hints, each with the places of the recognisers that it is one of."""
_ALWAYS = frozenset(place for place, one in enumerate(RECOGNISERS) if not one.hints)
_AUTOMATON = BytesAhoCorasick([hint.encode("latin-1") for hint, _ in _PLACES])


def possible(text: str) -> list[Recogniser]:
    """Those that could find something in a text, in their order. Every text comes by here."""
    # One byte a letter, whatever is in it: no hint has other letters.
    lowered = text.encode("latin-1", "replace").lower()
    hints = {hint for hint, _, _ in _AUTOMATON.find_matches_as_indexes(lowered, overlapping=True)}
    return [RECOGNISERS[place] for place in sorted(_ALWAYS.union(*(_PLACES[hint][1] for hint in hints)))]
