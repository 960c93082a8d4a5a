"""Canaries: generated secrets and personal data, and the forms in which they can leave."""

import base64
import json
import quopri
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from urllib.parse import quote

from stdnum import luhn
from stdnum.br import cpf
from stdnum.ch import ssn as ahv
from stdnum.es import dni
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.iso7064 import mod_97_10
from stdnum.us import ssn

_ALNUM = string.ascii_letters + string.digits
_FIRST = (
    "ana",
    "bo",
    "chidi",
    "dorothea",
    "emeka",
    "fatima",
    "giulia",
    "hiroshi",
    "ines",
    "jan",
    "kaur",
    "liam",
    "mei",
)
_LAST = ("okafor", "smith", "garcia", "mueller", "nowak", "rossi", "tanaka", "virtanen", "silva", "dubois", "jensen")
_HOSTS = ("example.org", "mail.example.com", "example.co.uk", "firma.example.de", "correo.example.es")


@dataclass(frozen=True)
class Canary:
    """A value that must not turn up anywhere."""

    kind: str
    value: str


def letters(random: Random, count: int, alphabet: str = _ALNUM) -> str:
    """So many letters."""
    return "".join(random.choices(alphabet, k=count))


def digits(random: Random, count: int) -> str:
    """So many digits."""
    return letters(random, count, string.digits)


def card(random: Random) -> str:
    """A payment card of one of four networks with its check digit."""
    start, length = random.choice((("4", 16), (str(random.randrange(51, 56)), 16), ("37", 15), ("6011", 16)))
    body = start + digits(random, length - 1 - len(start))
    return body + luhn.calc_check_digit(body)


def iban(random: Random) -> str:
    """An account number of one of six countries with its check digits."""
    country, length = random.choice((("DE", 22), ("ES", 24), ("FR", 27), ("NL", 18), ("PL", 28), ("NO", 15)))
    account = (letters(random, 4, string.ascii_uppercase) if country == "NL" else "") + digits(random, length - 4)
    account = account[: length - 4]
    check = 98 - int("".join(str(int(one, 36)) for one in f"{account}{country}00")) % 97
    found = f"{country}{check:02}{account}"
    assert mod_97_10.is_valid(found[4:] + found[:4])
    return found


def email(random: Random) -> str:
    """An address at a reserved name."""
    return f"{random.choice(_FIRST)}.{random.choice(_LAST)}{digits(random, 3)}@{random.choice(_HOSTS)}"


def phone(random: Random) -> str:
    """A number with its country."""
    code, most = random.choice((("1", 10), ("44", 10), ("49", 10), ("34", 9), ("81", 10), ("48", 9)))
    return f"+{code}{random.randrange(2, 10)}{digits(random, most - 1)}"


def _until(valid: Callable[[str], bool], draw: Callable[[], str]) -> str:
    while not valid(found := draw()):
        pass
    return found


def national_id(random: Random) -> str:
    """A national number of one of six countries that its form tells, with its check digits."""
    body, year = digits(random, 8), f"{random.randrange(50, 100)}"
    month, day = f"{random.randrange(1, 13):02}", f"{random.randrange(1, 29):02}"
    makers: tuple[Callable[[], str], ...] = (
        lambda: body + dni.calc_check_digit(body),
        lambda: _until(ssn.is_valid, lambda: f"{digits(random, 3)}-{digits(random, 2)}-{digits(random, 4)}"),
        lambda: _until(
            hetu.is_valid,
            lambda: f"{day}{month}{year}-{digits(random, 3)}{letters(random, 1, 'ABCDEFHJKLMNPRSTUVWXY')}",
        ),
        lambda: cpf.format(_until(cpf.is_valid, lambda: digits(random, 11))),
        lambda: _until(nir.is_valid, lambda: f"{random.choice('12')}{year}{month}75{digits(random, 8)}"),
        lambda: _until(ahv.is_valid, lambda: f"756{digits(random, 10)}"),
    )
    return random.choice(makers)()


KEY_FORMS: Mapping[str, Callable[[Random], str]] = {
    "openai": lambda random: f"sk-proj-{letters(random, 32)}",
    "stripe": lambda random: f"sk_live_{letters(random, 24)}",
    "github": lambda random: f"ghp_{letters(random, 36)}",
    "github fine": lambda random: f"github_pat_{letters(random, 40)}",
    "gitlab": lambda random: f"glpat-{letters(random, 20)}",
    "slack": lambda random: f"xoxb-{digits(random, 11)}-{letters(random, 24)}",
    "aws": lambda random: f"AKIA{letters(random, 16, string.ascii_uppercase + string.digits)}",
    "google": lambda random: f"AIza{letters(random, 35)}",
    "hugging face": lambda random: f"hf_{letters(random, 34)}",
    "npm": lambda random: f"npm_{letters(random, 36)}",
    "sendgrid": lambda random: f"SG.{letters(random, 22)}.{letters(random, 43)}",
    "json web token": lambda random: (
        ".".join(
            base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b'{"alg":"HS256"}', b'{"sub":"1234"}')
        )
        + f".{letters(random, 43)}"
    ),
}
PERSONAL: Mapping[str, Callable[[Random], str]] = {
    "card": card,
    "iban": iban,
    "e-mail": email,
    "phone": phone,
    "national-id": national_id,
}


def canaries(random: Random) -> list[Canary]:
    """Two hundred: 60 keys that providers mark, 40 passwords of the environment, 100 pieces of personal data."""
    keys = [Canary("key", make(random)) for make in KEY_FORMS.values() for _ in range(5)]
    passwords = [
        Canary("password", f"{letters(random, 9)}/{letters(random, 5)}+{digits(random, 4)}") for _ in range(40)
    ]
    people = [Canary(kind, make(random)) for kind, make in PERSONAL.items() for _ in range(20)]
    return [*keys, *passwords, *people]


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


FORMS: Mapping[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "URL": lambda text: quote(text, safe=""),
    "zero-width between": "\u200b".join,
    "URL twice": lambda text: quote(_percent(text), safe=""),
    "JSON \\u": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "HTML entities": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "hexadecimal": lambda text: text.encode().hex(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode(),
    "base64 of user:key": lambda text: base64.b64encode(f"app:{text}".encode()).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
}
"""Twelve forms that libraries, proxies, headers and logs make of a text."""

FURTHER: Mapping[str, Callable[[str], str]] = {
    "quoted-printable": lambda text: quopri.encodestring(text.encode(), quotetabs=True).decode().replace("=\n", ""),
    "JSON in JSON": lambda text: json.dumps(json.dumps(FORMS["JSON \\u"](text)))[3:-3],
    "a blank between": " ".join,
    "reversed": lambda text: text[::-1],
}
"""Forms that are measured besides, and are no part of the target."""


def needles(value: str) -> Iterator[tuple[str, bytes]]:
    """Every form of a value as bytes to look for; in base64 only the letters that are the value's alone."""
    for name, make in FORMS.items():
        if name == "base64 of user:key":
            for before in range(3):
                coded = base64.b64encode(b"\0" * before + value.encode()).decode().rstrip("=")
                yield name, coded[(0, 2, 3)[before] : len(coded) - 1].encode()
        else:
            yield name, make(value).rstrip("=").encode()
    yield "JSON", json.dumps(value)[1:-1].encode()
    yield "JSON of zero-width", json.dumps("\u200b".join(value))[1:-1].encode()
    yield "JSON escaped", json.dumps(FORMS["JSON \\u"](value))[1:-1].encode()
    yield "hexadecimal, upper", value.encode().hex().upper().encode()
    yield "UTF-16", value.encode("utf-16-le")
