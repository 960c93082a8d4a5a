"""What is written in another way: escaped, quoted, in hexadecimal, in base64 or base32, and back to plain text.

A text is looked at word by word, and only words that hold an escape, or look like an encoder's output, are
decoded.
What decodes to something that is not text is left as it is: a digest, a key, a picture.
"""

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import unquote

_DEEPEST = 3  # encodings around each other
_LONGEST = 1 << 20  # letters of one word that are decoded
# Quoted-printable, of what is no letter and no digit, and not before a long number, as in "id=404111".
# Source: RFC 2045, section 6.7.
_PRINTABLE = r"=(?:(?:2\d|40)(?!\d{3})|[2357][A-F]|[C-F][0-9A-F](?:=[89AB][0-9A-F])+)"
_ESCAPE = rf"(?:%[0-9A-Fa-f]{{2}}|\\[ux][0-9A-Fa-f]{{2}}|&#[xX]?[0-9A-Fa-f]{{2}}|&[A-Za-z]{{2,31}};|{_PRINTABLE})"
_ANY_ESCAPE = re.compile(_ESCAPE)
# A whole word with an escape, tried where a word begins and without a way back: a long word costs no more.
_ESCAPED = re.compile(
    rf"(?<![^\s\"'<>])[^\s\"'<>%\\&=]*+(?:(?!{_ESCAPE})[%\\&=][^\s\"'<>%\\&=]*+)*+{_ESCAPE}[^\s\"'<>]*+"
)
_PRINTABLES = re.compile(rf"(?:{_PRINTABLE})+")
_UNICODE = re.compile(r"\\+(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
_RUN = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,}={0,6}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){8,}")
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b-\u200f\u2060\ufeff]+")
# What takes no room and stands between letters all the same. Source: Unicode, default ignorable code points.
_BETWEEN = re.compile(r"[\xad\u034f\u061c\u180e\u200b-\u200f\u2060-\u2064\ufeff]")
_BASE32 = re.compile(r"[A-Z2-7]{12,}={0,6}")


def unveil(text: str, clean: Callable[[str], str], *, dropped: str = "[dropped]") -> str:
    """The text with each encoded word replaced by its plain and cleaned form, if cleaning changes anything in it.

    Of an encoder's output that is longer than a million letters only `dropped` is left.

    >>> unveil("x=am9AZXhhbXBsZS5vcmc= y=68656c6c6f", lambda plain: plain.replace("jo@example.org", "[e-mail]"))
    'x=[e-mail] y=68656c6c6f'
    """
    return _unveil(text, clean, dropped, _DEEPEST)


def _unveil(text: str, clean: Callable[[str], str], dropped: str, levels: int) -> str:
    if levels == 0:
        return text

    def deeper(plain: str) -> str:
        return _unveil(clean(plain), clean, dropped, levels - 1)

    def escaped(match: re.Match[str]) -> str:
        return _cleaned(match[0], (_unescape(match[0]),), deeper)

    def run(match: re.Match[str]) -> str:
        return _cleaned(match[0], _plain(match[0]), deeper) if len(match[0]) <= _LONGEST else dropped

    if not text.isascii() and _BETWEEN.search(text):
        text = _cleaned(text, (_BETWEEN.sub("", text),), clean)
    if _ANY_ESCAPE.search(text):
        text = _ESCAPED.sub(escaped, text)
    return _RUN.sub(run, text)


def _cleaned(word: str, plains: Iterator[str] | tuple[str, ...], deeper: Callable[[str], str]) -> str:
    """The first plain form in which there is something to clean, cleaned; else the word as it is."""
    for plain in plains:
        if plain != word and (cleaned := deeper(plain)) != plain:
            return cleaned
    return word


def _unescape(word: str) -> str:
    """A word without its escapes of web addresses, HTML, mail and JSON."""
    plain = html.unescape(unquote(word))
    plain = _PRINTABLES.sub(lambda run: bytes.fromhex(run[0].replace("=", "")).decode(errors="replace"), plain)
    return _UNICODE.sub(lambda match: chr(int(match[1] or match[2], 16)), plain)


def _plain(word: str) -> Iterator[str]:
    """What a run of letters may stand for."""
    if _HEX.fullmatch(word):
        yield from _text(binascii.unhexlify(word))
    bare = word.rstrip("=")
    if _BASE32.fullmatch(word):
        with suppress(binascii.Error):
            yield from _text(base64.b32decode(bare + "=" * (-len(bare) % 8)))
    if len(bare) % 4 != 1 and not bare.isdigit():
        usual = bare.replace("-", "+").replace("_", "/")
        yield from _text(binascii.a2b_base64(usual + "=" * (-len(usual) % 4)))


def _text(data: bytes) -> Iterator[str]:
    """The bytes as text, if they are; what can't be seen, if it is the lesser part, counts as a space or as nothing."""
    for code in ("utf-8", "utf-16-le", "utf-16-be") if b"\0" in data else ("utf-8",):
        try:
            text = data.decode(code)
        except UnicodeDecodeError:
            continue
        if text.isprintable() or "".join(text.split()).isprintable():
            yield text
        elif 2 * len(bare := _UNSEEN.sub("", text)) > len(text) and "".join(bare.split()).isprintable():
            yield from (_UNSEEN.sub(" ", text), bare)
