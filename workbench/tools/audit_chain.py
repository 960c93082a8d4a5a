"""The lines of an audit log, each chained to the one before, and the check that none was touched.

A line is a body, a space and 64 hexadecimal digits. The digits are the SHA-256 of the bytes that run from the digits
of the line before up to them: each link can be checked from the file as it lies there. The first line names the log
and the public key of its checkpoints. Every further one begins with its kind:

    r KEY DATA                an entry, encrypted under a data key
    c COUNT TIME SIGNATURE    a checkpoint: ed25519 over the log's name, the lines before it, the time and their digits
    e TIME KEY,KEY,...        those data keys were destroyed, so that what they encrypted can never be read again

Source of the construction: Schneier and Kelsey 1999, "Secure audit logs to support computer forensics".
"""

import hashlib
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from workbench.tools.errors import ToolError

DIGITS = 64
_FORM = b"workbench-audit 1"
_START = b"0" * DIGITS
_FIELDS = {b"r": 3, b"c": 4, b"e": 3}


def link(before: bytes, body: bytes) -> bytes:
    """The digits that end a line, from those that end the line before it.

    >>> link(b"0" * 64, b"r key data")[:8]
    b'1b84615a'
    """
    return hashlib.sha256(b"%b\n%b " % (before, body)).hexdigest().encode()


def chained(before: bytes, body: bytes) -> bytes:
    """A whole line."""
    return b"%b %b\n" % (body, link(before, body))


def begin(key: Ed25519PublicKey) -> bytes:
    """The first line of a new log."""
    return chained(_START, b"%b %b %b" % (_FORM, secrets.token_hex(16).encode(), key.public_bytes_raw().hex().encode()))


def is_begun(part: bytes) -> bool:
    """Whether a file that holds no whole line is empty, or the beginning of a first line.

    >>> is_begun(b""), is_begun(b"workbench-au"), is_begun(b"something else")
    (True, True, False)
    """
    return _FORM.startswith(part[: len(_FORM)]) and b" r " not in part


def named(first: bytes, where: str) -> tuple[bytes, Ed25519PublicKey]:
    """A log's name and the key it claims, from its first line without the line's end.

    Raises: ToolError if it is not the first line of an audit log.
    """
    body, _, digits = first.rpartition(b" ")
    fields = body.removeprefix(_FORM + b" ").split(b" ")
    if not body.startswith(_FORM + b" ") or digits != link(_START, body) or len(fields) != 2:
        raise ToolError(f"audit log ({where}): its first line is not one; restore it from a copy")
    return fields[0], Ed25519PublicKey.from_public_bytes(bytes.fromhex(fields[1].decode()))


def checkpoint(signer: Ed25519PrivateKey, name: bytes, count: int, at: str, before: bytes) -> bytes:
    """The body of a checkpoint after so many lines."""
    signature = signer.sign(_signed(name, b"%d" % count, at.encode(), before))
    return b"c %d %b %b" % (count, at.encode(), signature.hex().encode())


def _signed(name: bytes, count: bytes, at: bytes, before: bytes) -> bytes:
    return b"\n".join((_FORM + b" checkpoint", name, count, at, before))


@dataclass
class Checker:
    """Checks a log from its beginning, block by block. Holds what is known of the lines that were seen."""

    key: Ed25519PublicKey
    where: str
    anchored: int = 0
    """The line whose digits are kept in `anchor`: a checkpoint's."""
    anchor: bytes = b""
    lines: int = 0
    records: int = 0
    checkpoints: int = 0
    signed: int = 0
    """Lines up to the last checkpoint, with it."""
    digits: bytes = _START
    """Of the last line."""
    name: bytes = b""
    _rest: bytes = b""

    def add(self, data: bytes) -> None:
        """Check the lines that end in the next block.

        Raises: ToolError naming the first line that is not what was written.
        """
        # The digits of the line before stand in front, so that each link is one slice.
        block = b"%b\n%b" % (self.digits, self._rest + data)
        start, find, sha256 = 0, block.find, hashlib.sha256
        while (end := find(b"\n", start + DIGITS + 1)) >= 0:
            digits = end - DIGITS
            if digits <= start + DIGITS + 1 or sha256(block[start:digits]).hexdigest().encode() != block[digits:end]:
                raise self._wrong("is not what was written, or a line before it is gone, new or elsewhere")
            kind = block[start + DIGITS + 1]
            if kind == 114 and self.lines:  # "r", the most by far
                self.records += 1
            else:
                self._special(block[start + DIGITS + 1 : digits - 1], block[start : start + DIGITS])
            self.lines += 1
            start = digits
        self.digits = block[start : start + DIGITS]
        self._rest = block[start + DIGITS + 1 :]

    def finish(self) -> None:
        """Say that the file ends here.

        Raises: ToolError if it ends within a line, or before the first.
        """
        if self._rest or not self.lines:
            raise self._wrong("is cut off")

    def _special(self, body: bytes, before: bytes) -> None:
        """Check a line that is not an entry."""
        if not self.lines:
            self.name, claimed = named(b"%b %b" % (body, link(_START, body)), self.where)
            if claimed.public_bytes_raw() != self.key.public_bytes_raw():
                raise ToolError(f"audit log ({self.where}): was begun with another key than the one given; check both")
            return
        fields = body.split(b" ")
        if len(fields) != _FIELDS.get(fields[0]):
            raise self._wrong("is of no known kind")
        if fields[0] == b"c":
            self._check_signature(fields, before)
            if self.lines + 1 == self.anchored:
                self.anchor = link(before, body)

    def _check_signature(self, fields: list[bytes], before: bytes) -> None:
        count, at, signature = fields[1:]
        try:
            given = bytes.fromhex(signature.decode())
            self.key.verify(given, _signed(self.name, count, at, before))
        except (InvalidSignature, ValueError) as cause:
            raise self._wrong("is a checkpoint whose signature is wrong: the lines before it were rewritten") from cause
        if count != b"%d" % self.lines:
            raise self._wrong("is a checkpoint of another number of lines")
        self.checkpoints += 1
        self.signed = self.lines + 1

    def _wrong(self, what: str) -> ToolError:
        return ToolError(f"audit log ({self.where}): line {self.lines + 1} {what}; restore the log from a copy")
