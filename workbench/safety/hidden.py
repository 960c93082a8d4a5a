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
_LONGEST = 1 << 16  # letters of one word that are decoded at once
_ESCAPES = ("%", "\\u", "\\x", "&#", "=4", "=3", "=2")
_ESCAPED = re.compile(r"[^\s\"'<>]*(?:%[0-9A-Fa-f]{2}|\\[ux][0-9A-Fa-f]{2}|&#[xX]?[0-9A-Fa-f]{2})[^\s\"'<>]*")
_UNICODE = re.compile(r"\\+(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
_RUN = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,}={0,6}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){8,}")
_BASE32 = re.compile(r"[A-Z2-7]{12,}={0,6}")


def unveil(text: str, clean: Callable[[str], str]) -> str:
    """The text with each encoded word replaced by its plain and cleaned form, if cleaning changes anything in it.

    >>> unveil("x=am9AZXhhbXBsZS5vcmc= y=68656c6c6f", lambda plain: plain.replace("jo@example.org", "[e-mail]"))
    'x=[e-mail] y=68656c6c6f'
    """
    return _unveil(text, clean, _DEEPEST)


def _unveil(text: str, clean: Callable[[str], str], levels: int) -> str:
    if levels == 0:
        return text

    def escaped(match: re.Match[str]) -> str:
        return _cleaned(match[0], (_unescape(match[0]),), clean, levels)

    def run(match: re.Match[str]) -> str:
        return _cleaned(match[0], _plain(match[0]), clean, levels)

    if any(mark in text for mark in _ESCAPES[:4]):
        text = _ESCAPED.sub(escaped, text)
    return _RUN.sub(run, text)


def _cleaned(word: str, plains: Iterator[str] | tuple[str, ...], clean: Callable[[str], str], levels: int) -> str:
    for plain in plains:
        if plain != word and (cleaned := _unveil(clean(plain), clean, levels - 1)) != plain:
            return cleaned
    return word


def _unescape(word: str) -> str:
    """A word without its escapes of web addresses, HTML and JSON."""
    plain = html.unescape(unquote(word))
    return _UNICODE.sub(lambda match: chr(int(match[1] or match[2], 16)), plain)


def _plain(word: str) -> Iterator[str]:
    """What a run of letters may stand for."""
    if len(word) > _LONGEST:
        return
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
    """The bytes as text, if they are."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    if text.isprintable() or "".join(text.split()).isprintable():
        yield text
