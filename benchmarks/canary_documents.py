"""Generated documents of several locales: personal data in the ways people write it, beside what only looks like it."""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from stdnum import luhn
from stdnum.ca import sin
from stdnum.gb import nhs
from stdnum.nl import bsn
from stdnum.pl import pesel

from benchmarks.canary_values import card, digits, email, iban, letters, national_id, phone

_HEX = "0123456789abcdef"
Maker = Callable[[Random], str]


@dataclass(frozen=True)
class Row:
    """A line of a document: a text with one thing in it, which must go or must stay."""

    before: str
    value: str
    after: str
    kind: str
    """What it is, as its mark says; empty if it only looks like something."""

    def plain(self) -> str:
        """As it is written."""
        return f"{self.before}{self.value}{self.after}"

    def clean(self) -> str:
        """As it must be redacted."""
        return f"{self.before}[{self.kind}]{self.after}" if self.kind else self.plain()


def _grouped(text: str, size: int, gap: str) -> str:
    return gap.join(text[at : at + size] for at in range(0, len(text), size))


def _card(random: Random) -> str:
    number, gap = card(random), random.choice(("", " ", "-"))
    if len(number) == 15 and gap:
        return gap.join((number[:4], number[4:10], number[10:]))
    return _grouped(number, 4, gap) if gap else number


def _iban(random: Random) -> str:
    return _grouped(iban(random), 4, random.choice(("", " ")))


def _spaced_phone(random: Random) -> str:
    number = phone(random)
    code = next(one for one in ("+1", "+44", "+49", "+34", "+81", "+48") if number.startswith(one))
    rest = number[len(code) :]
    gap = random.choice((" ", "-", "."))
    if code == "+1":
        return random.choice(
            (f"+1 ({rest[:3]}) {rest[3:6]}-{rest[6:]}", f"+1{gap}{rest[:3]}{gap}{rest[3:6]}{gap}{rest[6:]}")
        )
    return f"{code}{gap}{rest[:2]}{gap}{_grouped(rest[2:], 4, gap)}"


def _american_phone(random: Random) -> str:
    area, exchange, line = (f"{random.randrange(2, 10)}{digits(random, 2)}" for _ in range(2)), "", digits(random, 4)
    first, exchange = area
    return random.choice((f"({first}) {exchange}-{line}", f"{first}-{exchange}-{line}", f"{first}.{exchange}.{line}"))


def _local_phone(random: Random) -> str:
    return f"0{random.randrange(1, 10)}{digits(random, 2)} {digits(random, 6)}"


def _valid(test: Callable[[str], bool], length: int) -> Maker:
    def draw(random: Random) -> str:
        while not test(found := digits(random, length)):
            pass
        return found

    return draw


def _nhs(random: Random) -> str:
    found = _valid(nhs.is_valid, 10)(random)
    return random.choice((found, f"{found[:3]} {found[3:6]} {found[6:]}"))


PERSONAL: Mapping[str, tuple[tuple[str, str, Maker], ...]] = {
    "card": (
        ("Paid with card ", " on Friday.", _card),
        ("Karte: ", "", _card),
        ('{"pan": "', '"}', _card),
        ("tarjeta ", ", caduca 04/29", _card),
    ),
    "iban": (
        ("IBAN: ", "", _iban),
        ("Bitte auf ", " überweisen.", _iban),
        ("virement sur ", " avant lundi", _iban),
        ("przelew: ", ";", iban),
    ),
    "e-mail": (
        ("Write to ", ".", email),
        ("From: Jan <", ">", email),
        ("mailto:", "?subject=order", email),
        ("contact=", "&lang=fr", email),
        ("(cc ", ")", email),
    ),
    "phone": (
        ("Call ", " after noon.", _spaced_phone),
        ("Rückruf unter ", ", danke", phone),
        ("reach me at ", " today", _american_phone),
        ("Tel.: ", "", _local_phone),
        ("mobile ", " (private)", _local_phone),
        ("whatsapp: ", "", _spaced_phone),
    ),
    "national-id": (
        ("id ", " was checked", national_id),
        ("documento: ", "", national_id),
        ("PESEL: ", "", _valid(pesel.is_valid, 11)),
        ("NHS number ", "", _nhs),
        ("BSN ", " klopt", _valid(bsn.is_valid, 9)),
        ("SIN: ", "", _valid(sin.is_valid, 9)),
    ),
}
"""By kind: what stands before and after, and the value."""


def _no_card(random: Random) -> str:
    body = "4" + digits(random, 14)
    wrong = str((int(luhn.calc_check_digit(body)) + random.randrange(1, 10)) % 10)
    return _grouped(body + wrong, 4, random.choice(("", " ", "-")))


def _no_iban(random: Random) -> str:
    right = iban(random)
    return right[:2] + f"{(int(right[2:4]) + random.randrange(1, 90)) % 97 + 2:02}" + right[4:] if right else right


def _uuid(random: Random) -> str:
    return "-".join(letters(random, size, _HEX) for size in (8, 4, 4, 4, 12))


def _date(random: Random) -> str:
    return f"20{random.randrange(10, 30)}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"


def _time(random: Random) -> str:
    hour, minute, second = random.randrange(24), random.randrange(60), random.randrange(60)
    return f"{_date(random)}T{hour:02}:{minute:02}:{second:02}.{digits(random, 3)}Z"


def _version(random: Random) -> str:
    return ".".join(str(random.randrange(20)) for _ in range(random.choice((2, 3, 4))))


LOOKALIKES: tuple[tuple[str, str, Maker], ...] = (
    ("order ", " was shipped", lambda random: digits(random, random.choice((8, 10, 12)))),
    ("Bestellung ", "", lambda random: f"2026{digits(random, 8)}"),
    ("transaction ", " failed", _no_card),
    ("account ", " is closed", _no_iban),
    ("at ", " started", _time),
    ("epoch ", "", lambda random: str(1_600_000_000_000 + random.randrange(200_000_000_000))),
    ("epoch ", " s", lambda random: str(1_600_000_000 + random.randrange(200_000_000))),
    ("commit ", "", lambda random: letters(random, 40, _HEX)),
    ("sha256:", "", lambda random: letters(random, 64, _HEX)),
    ("trace ", " ended", _uuid),
    ("upgraded to ", "", _version),
    ("version ", " of 2026", lambda random: f"v{_version(random)}-rc.{random.randrange(9)}"),
    ("SKU ", " is sold out", lambda random: f"{letters(random, 2, string.ascii_uppercase)}-{digits(random, 5)}-X"),
    ("part ", "", lambda random: f"{letters(random, 3, string.ascii_uppercase)}{digits(random, 7)}"),
    ("tracking ", "", lambda random: f"1Z{letters(random, 8, string.ascii_uppercase)}{digits(random, 8)}"),
    ("Sendung ", " unterwegs", lambda random: f"00340{digits(random, 15)}"),
    ("from ", " port 443", lambda random: ".".join(str(random.randrange(256)) for _ in range(4))),
    (
        "ISBN ",
        "",
        lambda random: f"978-{random.randrange(10)}-{digits(random, 4)}-{digits(random, 4)}-{digits(random, 1)}",
    ),
    ("total ", " EUR", lambda random: f"{random.randrange(1, 999)}.{digits(random, 3)},{digits(random, 2)}"),
    ("on ", " at noon", _date),
    ("between ", "", lambda random: f"{_date(random)} and {_date(random)}"),
    ("npm i ", "", lambda random: f"left-pad@{_version(random)}"),
    ("ask ", " in the channel", lambda random: f"@{random.choice(('ana', 'bo', 'mei'))}{digits(random, 2)}"),
    (
        "at ",
        " N",
        lambda random: f"{random.randrange(90)}.{digits(random, 6)}, {random.randrange(180)}.{digits(random, 6)}",
    ),
    ("invoice ", " is open", lambda random: f"INV-2026-{digits(random, 6)}"),
    ("id ", " is unknown", lambda random: f"000-{random.randrange(10, 99)}-{digits(random, 4)}"),
    ("colour ", "", lambda random: f"#{letters(random, 6, _HEX)}"),
    ("C:\\logs\\", "", lambda random: f"run_{digits(random, 8)}_{digits(random, 6)}.txt"),
    ("gained +", " % more", lambda random: digits(random, 2)),
    ("EAN ", "", lambda random: f"40{digits(random, 11)}"),
)
"""What must stay: before, after, value."""
_PROSE = (
    "The parcel did not arrive, although the page says that it was delivered.",
    "Der Kunde wartet seit einer Woche auf die Antwort und ist verärgert.",
    "El cliente pregunta si puede cambiar la talla sin pagar el envío.",
    "Nous avons bien reçu votre demande et revenons vers vous demain.",
    "Retry the job with a smaller batch; the queue was full at that time.",
    "Proszę o zwrot pieniędzy na konto, z którego zapłacono.",
)


def document(random: Random) -> list[Row]:
    """As long as a ticket with its thread: up to four pieces of personal data, more that looks like it, and prose."""
    rows = [Row(line, "", "", "") for line in random.choices(_PROSE, k=random.randrange(6, 20))]
    for _ in range(random.randrange(5)):
        kind = random.choice(tuple(PERSONAL))
        before, after, make = random.choice(PERSONAL[kind])
        rows.append(Row(before, make(random), after, kind))
    for _ in range(random.randrange(3, 8)):
        before, after, make = random.choice(LOOKALIKES)
        rows.append(Row(before, make(random), after, ""))
    random.shuffle(rows)
    return rows
