"""A document on its way into a segment: its bytes, its words, and when it was read."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.core import Document, RetrievalError, boundary

UNREAD = int(np.iinfo(np.int64).min)
"""In place of a time, where a document says none that can be read."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Draft(NamedTuple):
    """What a segment keeps of a document."""

    document: Document
    line: bytes
    """As JSON, without the time it was read at: a document that is only read anew has not changed."""
    digest: bytes
    """The first 16 bytes of the line's SHA-256."""
    read: int
    """Microseconds since 1970, UTC; or `UNREAD`."""


def draft(document: Document) -> Draft:
    """Prepare a document.

    Raises: RetrievalError if it is nothing that JSON can carry.
    """
    read = read_time(document)
    with boundary(RetrievalError, f"document {document.doc_id!r}"):
        line = (document if read == UNREAD else _read_at(document, "")).model_dump_json().encode()
    return Draft(document, line, sha256(line).digest()[:16], read)


def revive(line: bytes, read: int) -> Document:
    """The document that a line holds, read when that was last confirmed."""
    document = Document.model_validate_json(line)
    return document if read == UNREAD else _read_at(document, (_EPOCH + timedelta(microseconds=read)).isoformat())


def read_time(document: Document) -> int:
    """When a document was read at its source: microseconds since 1970, UTC; `UNREAD` if it does not say.

    >>> from workbench.core import Origin
    >>> origin = Origin(source="wiki", read_at="1970-01-01T00:00:01Z", readers=())
    >>> read_time(Document(doc_id="a", text="", origin=origin))
    1000000
    """
    read = None if document.origin is None else document.origin.read_time
    return UNREAD if read is None else round(read.timestamp() * 1_000_000)


def digests(drafts: Sequence[Draft]) -> NDArray[np.uint64]:
    """The digests of drafts, two numbers each."""
    return np.frombuffer(b"".join(one.digest for one in drafts), dtype=np.dtype("<u8")).reshape(-1, 2)


def _read_at(document: Document, text: str) -> Document:
    assert document.origin is not None
    return document.model_copy(update={"origin": document.origin.model_copy(update={"read_at": text})})
