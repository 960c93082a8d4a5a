"""The secrets a process was given, and the forms in which they can leave it."""

import base64
import html
import json
import os
import re
from urllib.parse import quote, quote_plus

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)$", re.IGNORECASE
)
_SHORTEST = 8  # shorter values are flags and switches; replacing them would tear ordinary words apart


def environment_secrets() -> tuple[str, ...]:
    """Values of the environment's variables that are named like a key, sorted.

    A name counts if it ends in KEY, TOKEN, SECRET, PASSWORD, PASSPHRASE or CREDENTIALS, alone or after an
    underscore; a value counts from eight characters on.
    """
    values = (value.strip() for name, value in os.environ.items() if _SECRET_NAME.search(name))
    return tuple(sorted({value for value in values if len(value) >= _SHORTEST}))


def encodings(secret: str) -> tuple[str, ...]:
    """The secret as it can appear in a text: plain, URL-quoted, JSON-escaped, HTML-escaped, hexadecimal, base64.

    Longest first, so that replacing one never leaves the tail of another. Base64 has six forms: its letters
    depend on how many bytes stand before the secret, as in a header made of "user:key".

    >>> "a%2Fb%3Dc-0123" in encodings("a/b=c-0123")
    True
    """
    data = secret.encode(errors="surrogatepass")
    quoted = quote(secret, safe="", errors="surrogatepass")
    forms = {
        secret,
        quoted,
        quoted.replace("%", "%25"),
        re.sub("%..", lambda code: code[0].lower(), quoted),
        quote(secret, errors="surrogatepass"),
        quote_plus(secret, errors="surrogatepass"),
        html.escape(secret),
        data.hex(),
        data.hex().upper(),
    }
    for escaped in (json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        forms |= {escaped[1:-1], json.dumps(escaped)[3:-3], escaped[1:-1].replace("/", "\\/")}
    for before in range(3):
        letters = base64.b64encode(b"\0" * before + data).rstrip(b"=").decode()
        # The first and last letter may share bits with a neighbour: only the letters between are the secret's alone.
        inner = letters[(0, 2, 3)[before] : len(letters) - ((before + len(data)) % 3 != 0)]
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))
