"""An entry as a line of the audit log: encrypted for its tenant, and read back while the key is there."""

import binascii
import os
from typing import Literal

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workbench.core import Record
from workbench.safety import Label
from workbench.tools.call import AuditEntry
from workbench.tools.errors import ToolError

_NONCE = 12  # bytes
_FIELDS = tuple(AuditEntry.model_fields)


class AuditLine(Record):
    """A line of the log, as it can be read today."""

    line: int
    """From 1, the log's first line."""
    state: Literal["kept", "erased", "lost"]
    """Lost: the key is not there, and no line says that it was destroyed."""
    key_id: str
    entry: AuditEntry | None = None
    """None unless it is kept."""

    def concerns(self, tenant: str | None, call_id: str | None) -> bool:
        """Whether it is of this tenant and call; of what can't be read nobody can tell, so that concerns only None."""
        if self.entry is None:
            return tenant is None and call_id is None
        return tenant in {None, self.entry.tenant} and call_id in {None, self.entry.call_id}


def seal(entry: AuditEntry, key_id: bytes, cipher: AESGCM) -> bytes:
    """The body of a line. A nonce is drawn for each, and the key's id is bound to it."""
    fields = {name: getattr(entry, name) for name in _FIELDS}
    fields["labels"] = {path: _shown(label) for path, label in entry.labels.items()}
    try:
        text = orjson.dumps(fields)
    except TypeError as cause:
        raise ToolError(f"audit entry of call {entry.call_id!r}: is not JSON: {cause}") from cause
    nonce = os.urandom(_NONCE)
    sealed = nonce + cipher.encrypt(nonce, text, key_id)
    return b"r %b %b" % (key_id, binascii.b2a_base64(sealed, newline=False))


def unseal(body: bytes, cipher: AESGCM) -> AuditEntry:
    """The entry of a line's body.

    Raises: ToolError if the key is not the one it was encrypted with, or the line was touched.
    """
    _, key_id, data = body.split(b" ")
    sealed = binascii.a2b_base64(data, strict_mode=True)
    try:
        text = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], key_id)
    except InvalidTag as cause:
        raise ToolError(f"audit entry (key {key_id.decode()}): was touched, or its key was; verify the log") from cause
    return AuditEntry.model_validate_json(text)


def _shown(label: Label) -> dict[str, str | tuple[str, ...]]:
    return {"integrity": label.integrity, "confidentiality": label.confidentiality, "sources": label.sources}
