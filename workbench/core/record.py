"""Records: frozen, closed, named by the digest of their content."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue


def canonical_json(value: JsonValue) -> bytes:
    """The one byte form of a JSON value: sorted keys, no white space, UTF-8, no NaN.

    >>> canonical_json({"b": 1, "a": [1.0, "é"]})
    b'{"a":[1.0,"\\xc3\\xa9"],"b":1}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_bytes(data: bytes) -> str:
    """SHA-256 of `data`, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: JsonValue) -> str:
    """SHA-256 of the canonical JSON of `value`."""
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks of 1 MiB.

    Raises: OSError if the file can't be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class Record(BaseModel):
    """A value that crosses a file, a room or a process: frozen, closed, compared by content.

    Sets are not allowed inside: their order changes with the hash seed, and so would the digest.

    >>> class Point(Record):
    ...     x: int
    >>> Point(x=1).digest == Point(x=1).digest
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the record's canonical JSON: its identity."""
        return digest_json(self.model_dump(mode="json"))

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed; it is named by its own content, not by the original's.

        >>> class Point(Record):
        ...     x: int
        >>> one = Point(x=1)
        >>> one.digest == one.model_copy(update={"x": 2}).digest
        False
        """
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("digest", None)
        return copied


def short(digest: str) -> str:
    """The first twelve digits of a digest: what a person reads.

    >>> short("0123456789abcdef")
    '0123456789ab'
    """
    return digest[:12]
