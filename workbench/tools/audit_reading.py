"""What an audit log says, to a person: whether it is whole, what stands in it, and what can't be known.

Everything here works from the file alone, offline, while others may be appending.
"""

from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from workbench.core import Record, boundary
from workbench.tools.audit_anchor import read_anchor
from workbench.tools.audit_chain import DIGITS, Checker, named
from workbench.tools.audit_keys import AuditKeys
from workbench.tools.audit_line import AuditLine, unseal
from workbench.tools.audit_log import LOG
from workbench.tools.errors import ToolError

_BLOCK = 1 << 22  # bytes


class Verified(Record):
    """An audit log in which nothing was touched, as far as that can be known."""

    lines: int
    records: int
    checkpoints: int
    signed: int
    """Lines up to the last checkpoint, with it: what nobody without the key can have rewritten."""
    anchored: int | None
    """Lines that an anchor outside the log vouches for; None without one."""
    last: str
    """The digits of the last line: with `lines` what a further anchor would keep."""
    doubts: tuple[str, ...]
    """What can't be known from what was given."""


def verify(folder: Path, *, public_key: str | None = None, anchor: Path | None = None) -> Verified:
    """Check every line of a log against the one before it, every checkpoint, and the anchor.

    Without `public_key`, 64 hexadecimal digits, the key that the log itself claims is used: then a log that was
    replaced as a whole looks right.

    Raises: ToolError naming the first line that is not what was written.
    """
    path = folder / LOG
    with boundary(ToolError, f"audit log {str(path)!r}: can't be read"), path.open("rb") as file:
        _, claimed = named(file.readline(1024).removesuffix(b"\n"), str(path))
        held = read_anchor(anchor) if anchor is not None else (0, b"")
        checker = Checker(claimed if public_key is None else _read_key(public_key), str(path), anchored=held[0])
        file.seek(0)
        while block := file.read(_BLOCK):
            checker.add(block)
        checker.finish()
    if checker.anchor != held[1]:
        what = "its end was cut off" if checker.lines < held[0] else "it is not the log that was anchored"
        raise ToolError(f"audit log ({path}): its anchor vouches for {held[0]} lines that are not these: {what}")
    return Verified(
        lines=checker.lines,
        records=checker.records,
        checkpoints=checker.checkpoints,
        signed=checker.signed,
        anchored=held[0] if anchor is not None else None,
        last=checker.digits.decode(),
        doubts=_doubts(checker, known_key=public_key is not None, anchored=held[0]),
    )


def read(folder: Path, keys: AuditKeys | None = None) -> Iterator[AuditLine]:
    """The entries of a log in their order, decrypted where a key is left. It is not verified by this.

    Raises: ToolError if the log can't be read, or a line does not fit its key.
    """
    path = folder / LOG
    ciphers = {key.key_id: key.cipher() for key in keys.all()} if keys is not None else {}
    destroyed = set(_destroyed(path))
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.startswith(b"r ") or not line.endswith(b"\n"):
                continue
            body = line[: -DIGITS - 2]
            with boundary(ToolError, f"audit log ({path}): line {number} is not an entry; verify the log"):
                key_id = body.split(b" ")[1].decode()
                if (cipher := ciphers.get(key_id)) is not None:
                    yield AuditLine(line=number, state="kept", key_id=key_id, entry=unseal(body, cipher))
                else:
                    yield AuditLine(line=number, state="erased" if key_id in destroyed else "lost", key_id=key_id)


def _destroyed(path: Path) -> Iterator[str]:
    """Ids of the keys of which the log says that they were destroyed."""
    with boundary(ToolError, f"audit log {str(path)!r}: can't be read"), path.open("rb") as file:
        for line in file:
            if line.startswith(b"e "):
                yield from line.split(b" ")[2].decode().split(",")


def _doubts(checker: Checker, *, known_key: bool, anchored: int) -> tuple[str, ...]:
    """What an attacker could have done without leaving a trace in what was looked at."""
    doubts = []
    if not known_key:
        doubts.append("no public key was given: the whole log could be another one, with a key of its own")
    if not anchored:
        doubts.append("no anchor was given: whatever once stood after some checkpoint could have been cut off")
    elif checker.lines > anchored:
        doubts.append(f"lines after {anchored} stand behind the anchor: some could have been cut off")
    if checker.signed < checker.lines:
        doubts.append(f"lines after {checker.signed} are not signed yet: they could have been rewritten")
    return tuple(doubts)


def _read_key(text: str) -> Ed25519PublicKey:
    with boundary(ToolError, "public key: is not 64 hexadecimal digits"):
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
