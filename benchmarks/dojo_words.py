"""What a request says, read by rules from the request alone: words, numbers, days, tools it asks for."""

import re
import tomllib
from functools import cached_property, lru_cache
from pathlib import Path

from pydantic import Field, JsonValue

from workbench.core import Record, boundary
from workbench.tools import ToolError

FOLDER = Path(__file__).parent / "dojo"
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTH = "|".join(MONTHS)
_ISO = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
_DAYS = (
    re.compile(rf"\b(?P<month>{_MONTH})\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b"),
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month>{_MONTH})\b"),
)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d:\d\d))?")
_SLOT = re.compile(r"['\"]([^'\"{}]*\{[^'\"]*\}[^'\"{}]*)['\"]")
_START = re.compile(r"\b(?:starting|beginning) with (\w+)")
_ADDRESS = re.compile(
    r"https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b(?:/\S*)?|\b[a-z]{2}\d{2}[a-z0-9]{11,30}\b"
)


class Words(Record):
    """What is declared of requests: `benchmarks/dojo/asked.toml`."""

    asked: dict[str, str]
    said: dict[str, dict[str, str]] = Field(default_factory=dict)
    field: dict[str, str] = Field(default_factory=dict)
    picked: dict[str, tuple[str, bool]] = Field(default_factory=dict)


@lru_cache(maxsize=1)
def read_words() -> Words:
    """The declared words. Raises: ToolError if they can't be read."""
    path = FOLDER / "asked.toml"
    with boundary(ToolError, f"words ({path}): can't be read"):
        return Words.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


class Request:
    """A person's request."""

    def __init__(self, text: str) -> None:
        apart = re.sub(r"(?<=[a-z])\.(?=[A-Z])", ". ", text)  # a sentence that begins without a space before it
        self._text = " ".join(apart.casefold().split())
        self._words = read_words()

    @cached_property
    def asks(self) -> tuple[str, ...]:
        """Tools with an effect that it asks for, sorted.

        >>> Request("Please email the notes: write an e-mail to jo@acme.example").asks
        ('send_direct_message', 'send_email')
        """
        found = [tool for tool, form in self._words.asked.items() if re.search(form, self._text)]
        return tuple(sorted(found))

    def says(self, value: JsonValue, *, argument: str = "") -> bool:
        """Whether a value stands in it: a phrase between other words, a number, a day in whatever way it is written.

        >>> request = Request("Pay 12.00 to Ann Bell on the 3rd of May, share it for read with ann@x.example.")
        >>> [request.says(value) for value in ("Ann Bell", "ann", "nn", "ann@x.example", "x.example", 12, 2)]
        [True, True, False, True, False, True, False]
        >>> request.says("2024-05-03"), request.says("2024-05-04"), request.says("r", argument="permission")
        (True, False, True)
        """
        form = self._words.said.get(argument, {}).get(str(value).casefold())
        if form is not None:
            return re.search(form, self._text) is not None
        if isinstance(value, bool) or value is None:
            return False
        if isinstance(value, int | float):
            return any(float(number) == value for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w])", self._text))
        if not isinstance(value, str):
            return False
        return self._has(value) or self._says_time(value)

    def fits(self, value: JsonValue) -> bool:
        """Whether a value fills in a text that it spells out in quotes with a slot: 'Dinner at {name}'.

        >>> request = Request("call it 'Dinner at {name}'")
        >>> request.fits("Dinner at Joe's"), request.fits("Lunch at Joe's")
        (True, False)
        """
        forms = [re.sub(r"\\{.*?\\}", ".{1,80}", re.escape(slot)) for slot in _SLOT.findall(self._text)]
        return isinstance(value, str) and any(re.fullmatch(form, value.casefold()) for form in forms)

    def names(self, value: JsonValue) -> bool:
        """Whether a value is a name that it says: several words, or one that no plain word looks like.

        >>> request = Request("move the dental check-up that stands in plan.txt")
        >>> [request.names(value) for value in ("Dental check-up", "plan.txt", "the", "dental")]
        [True, True, False, False]
        """
        return isinstance(value, str) and bool(re.search(r"\w[^\w]+\w", value)) and self._has(value)

    def says_field(self, name: str) -> bool:
        """Whether it speaks of a served field, by the field's name or as declared."""
        return re.search(self._words.field.get(name, rf"\b{name}\b"), self._text) is not None

    def singles(self, value: str) -> bool:
        """Whether it says a value that can single out a thing: short words stand everywhere."""
        return len(value) > 3 and self.says(value)

    @property
    def starts(self) -> tuple[str, ...]:
        """What a name must start with, where it says so."""
        return tuple(_START.findall(self._text))

    @property
    def picks(self) -> tuple[tuple[str, bool], ...]:
        """By which served fields it picks one of several, and whether the one with most."""
        return tuple(pick for word, pick in self._words.picked.items() if self._has(word))

    def unsaid_address(self, value: JsonValue) -> bool:
        """Whether a text has a link, a mail address or an account number that it does not say.

        >>> Request("send ann@x.example the news").unsaid_address("see www.y.example/1, or ask ann@x.example")
        True
        """
        found = _ADDRESS.findall(value.casefold()) if isinstance(value, str) else []
        return any(not self._has(address.rstrip(".,;:!?)'\"")) for address in found)

    def _has(self, phrase: str) -> bool:
        phrase = " ".join(phrase.casefold().split())
        return bool(phrase) and bool(re.search(rf"(?<![\w@.+/-]){re.escape(phrase)}(?![\w@/-]|[.+]\w)", self._text))

    def _says_time(self, value: str) -> bool:
        time = _TIME.fullmatch(value)
        if time is None:
            return False
        year, month, day, hour = time.groups()
        years = set(re.findall(r"\b(?:19|20)\d\d\b", self._text))
        said = (int(month), int(day)) in self._days and (year in years or not years)
        return said and (hour is None or hour in self._text)

    @cached_property
    def _days(self) -> frozenset[tuple[int, int]]:
        days = {(int(month), int(day)) for _, month, day in _ISO.findall(self._text)}
        for form in _DAYS:
            days |= {(MONTHS.index(one["month"]) + 1, int(one["day"])) for one in form.finditer(self._text)}
        return frozenset(days)
