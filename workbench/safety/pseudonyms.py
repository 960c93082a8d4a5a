"""Names that stand for personal data: the same person has the same one within a tenant, and nobody can go back."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field

_LETTERS = 12  # 60 bits: a million people of one tenant share one with a probability of a millionth


@dataclass(frozen=True)
class Pseudonyms:
    """The pseudonyms of one tenant. Another tenant's, of the same person, have nothing in common with them."""

    key: bytes = field(repr=False)
    """At least 32 bytes. Whoever has it can test a guess: it is kept like any other secret."""
    tenant: str

    def __post_init__(self) -> None:
        """Raises: ValueError if the key is short."""
        if len(self.key) < 32:
            raise ValueError(f"key of pseudonyms: has {len(self.key)} bytes; give at least 32")

    def of(self, kind: str, text: str) -> str:
        """Twelve letters for something of a kind; how it was written plays no part.

        Source: RFC 2104 (HMAC), with SHA-256.

        >>> mine, theirs = Pseudonyms(b"k" * 32, "acme"), Pseudonyms(b"k" * 32, "globex")
        >>> mine.of("e-mail", "Jo@Example.org") == mine.of("e-mail", "jo@example.org")
        True
        >>> mine.of("e-mail", "jo@example.org") == theirs.of("e-mail", "jo@example.org")
        False
        """
        lowered = text.casefold()
        same = lowered if kind == "e-mail" else re.sub(r"[\W_]", "", lowered)
        message = "\0".join((self.tenant, kind, same)).encode(errors="surrogatepass")
        drawn = hmac.digest(self.key, message, hashlib.sha256)
        return base64.b32encode(drawn).decode().lower()[:_LETTERS]
