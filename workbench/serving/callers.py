"""Who asks: callers are known by keys that whoever runs the server gave them, never by what a request says of itself.

A file of callers holds each one's name, groups, and the SHA-256 of the key: the key itself is only with the caller.

    {"callers": [{"principal": "ann", "groups": ["sales"], "key_sha256": "9f86d0…"}]}
"""

import fcntl
import os
import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from pydantic import Field, model_validator

from workbench.core import DataError, PackageError, Record, read_record, write_record
from workbench.retrieval import ANYONE, View
from workbench.serving.problems import Refused

_BEARER = re.compile(r"[Bb]earer +(?P<key>[\x21-\x7e]{1,500})")
_KEY_BYTES = 32


class Caller(Record):
    """Somebody who may ask, and what they belong to."""

    principal: str = Field(min_length=1)
    groups: tuple[str, ...] = ()
    key_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def view(self) -> View:
        """What the caller may see."""
        return View(principals=tuple(sorted({self.principal, *self.groups})))


class _File(Record):
    callers: tuple[Caller, ...]

    @model_validator(mode="after")
    def _keys_differ(self) -> "_File":
        if len({caller.key_sha256 for caller in self.callers}) != len(self.callers):
            raise ValueError("two callers have the same key; give each its own")
        return self


class Callers:
    """The callers of a server. Safe under threads; a changed file counts from the next request on."""

    def __init__(self, path: Path) -> None:
        """Raises: PackageError if the file can't be read or does not fit."""
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._known: dict[str, Caller] = {}
        try:
            self._current()
        except (DataError, OSError) as cause:
            raise PackageError(f"callers {str(path)!r}: can't be read: {cause}") from cause

    def recognise(self, authorization: str | None) -> Caller | None:
        """The caller behind the header Authorization; None without one.

        Raises: Refused with "unauthenticated" if the header names no caller, or with "not_ready" if the file of callers
        has become unreadable: then nobody is let in by it.
        """
        if authorization is None:
            return None
        try:
            known = self._current()
        except (DataError, OSError) as cause:
            raise Refused("not_ready", reasons=("the callers can't be read",)) from cause
        match = _BEARER.fullmatch(authorization)
        # Found by the digest of a long random key: how long it takes to find says nothing of the key.
        caller = None if match is None else known.get(_digest(match["key"]))
        if caller is None:
            raise Refused("unauthenticated")
        return caller

    def _current(self) -> dict[str, Caller]:
        with self._lock:
            there = self._path.stat()
            seen = (there.st_ino, there.st_mtime_ns, there.st_size)
            if seen != self._seen:
                self._known = {one.key_sha256: one for one in read_record(self._path, _File).callers}
                self._seen = seen
            return self._known


def add_caller(path: Path, principal: str, groups: Sequence[str]) -> str:
    """Write a caller into a file of callers, made where it is new; the key, which stands nowhere else.

    Who is there already gets a new key, and the old one no longer counts.

    Raises: PackageError if the file can't be read or written.
    """
    key, hashed = make_key()
    try:
        with _alone(path):
            kept = read_record(path, _File).callers if path.exists() else ()
            others = tuple(one for one in kept if one.principal != principal)
            added = Caller(principal=principal, groups=tuple(sorted(set(groups))), key_sha256=hashed)
            write_record(path, _File(callers=(*others, added)))
    except (DataError, OSError) as cause:
        raise PackageError(f"callers {str(path)!r}: can't be changed: {cause}") from cause
    return key


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """The time in which one thread of one process changes the file; the lock lies beside it, for it is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when it is closed
        yield


def make_key() -> tuple[str, str]:
    """A new key for a caller, and its SHA-256 for the file of callers."""
    key = secrets.token_urlsafe(_KEY_BYTES)
    return key, _digest(key)


def view_of(caller: Caller | None) -> View:
    """What a caller may see; of whom nothing is known, what everyone may."""
    return ANYONE if caller is None else caller.view


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()
