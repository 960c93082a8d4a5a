"""Where a store lies: one URL, whose secrets come from the environment and stand in no text."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from workbench.core import RetrievalError, boundary

_REFERENCE = re.compile(r"\$\{(\w+)\}")
_SECRET = re.compile(r"pass|secret|token|key|sig", re.IGNORECASE)
_HIDDEN = "***"
_REFUSED = "can't be used"


class Address:
    """A store's URL. `${NAME}` in it stands for a variable of the environment.

    >>> address = Address("postgresql://app:${DB_PASSWORD}@db/docs", {"DB_PASSWORD": "s3cret"})
    >>> address.shown, address.scrub("no login with s3cret")
    ('postgresql://app:***@db/docs', 'no login with ***')
    >>> address.url
    'postgresql://app:s3cret@db/docs'
    """

    def __init__(self, url: str, environment: Mapping[str, str] | None = None) -> None:
        """Raises: RetrievalError if a variable is not set, or the text is no URL."""
        known = os.environ if environment is None else environment
        missing = [name for name in _REFERENCE.findall(url) if name not in known]
        if missing:
            raise RetrievalError(f"store URL: variable {missing[0]!r} of the environment is not set; set it")
        self._written = url
        self.url = _REFERENCE.sub(lambda found: quote(known[found[1]], safe=""), url)
        """With the secrets: for a driver alone."""
        try:
            parts = urlsplit(self.url)
        except ValueError:  # whose text holds the URL's secrets
            raise RetrievalError('store URL: is none; write %40 for "@" in a password, %5B for "["') from None
        self.scheme = parts.scheme
        self.password = unquote(parts.password or "")
        self.query = dict(parse_qsl(parts.query))
        self._secrets = [self.password, *(value for name, value in self.query.items() if _SECRET.search(name))]
        self._secrets += [known[name] for name in _REFERENCE.findall(url)]
        self._secrets += [_proof(parts), unquote(_proof(parts))]
        self._secrets += [value for name, value in _raw(parts.query) if _SECRET.search(name)]

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    @property
    def shown(self) -> str:
        """For people: without its secrets."""
        return self.scrub(_hide(self.url))

    @property
    def kept(self) -> str:
        """For a file: as it was written, with references to the environment in place of secrets.

        Raises: RetrievalError if a secret itself stands in it.
        """
        written = urlsplit(self._written)
        secrets = [_proof(written), *(v for n, v in parse_qsl(written.query) if _SECRET.search(n))]
        if any(one and not _REFERENCE.fullmatch(unquote(one)) for one in secrets):
            raise RetrievalError(
                f"store {self.shown!r}: its URL holds a secret, which would be written to a file; put that in a "
                "variable of the environment, and ${NAME} in its place"
            )
        return self._written

    @property
    def bare(self) -> str:
        """Without user, password and query: what object stores and web clients are given."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def host(self) -> str | None:
        """The machine that it names, in small letters; None where it names none."""
        return urlsplit(self.url).hostname

    @property
    def folder(self) -> Path:
        """The folder that a URL without a host names."""
        return Path(unquote(urlsplit(self.url).path))

    def scrub(self, text: str) -> str:
        """A text in which no secret of this URL stands."""
        for secret in sorted({one for one in self._secrets if one}, key=len, reverse=True):
            for spelled in (secret, quote(secret, safe=""), quote(secret)):
                text = text.replace(spelled, _HIDDEN)
        return text

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Turn what a driver raises inside into an error that names the store and holds no secret."""
        try:
            with boundary(RetrievalError, _REFUSED):
                yield
        except RetrievalError as error:
            if not str(error).startswith(_REFUSED):
                raise
            failure = self.scrub(" ".join(str(error).split()))
            # The driver's own error, which may hold the URL, is not shown beneath.
            raise RetrievalError(f"store {self.shown!r}: {failure}; see that it runs and lets you in") from None


def _proof(parts: SplitResult) -> str:
    """What a URL lets its owner in by, as it is written: the password, or on the web a name that stands alone."""
    user, sign, password = parts.netloc.rpartition("@")[0].partition(":")
    return password if sign or not parts.scheme.startswith("http") else user


def _raw(query: str) -> Iterator[tuple[str, str]]:
    """The fields of a query as they are written."""
    for field in query.split("&"):
        name, _, value = field.partition("=")
        yield unquote(name), value


def _hide(url: str) -> str:
    parts = urlsplit(url)
    user, sign, host = parts.netloc.rpartition("@")
    if user and user == _proof(parts):
        user = _HIDDEN
    elif ":" in user:
        user = f"{user.partition(':')[0]}:{_HIDDEN}"
    query = urlencode([(n, _HIDDEN if _SECRET.search(n) else v) for n, v in parse_qsl(parts.query)], safe="*/:")
    return f"{parts.scheme}://{user}{sign}{host}{parts.path}{'?' if query else ''}{query}"
