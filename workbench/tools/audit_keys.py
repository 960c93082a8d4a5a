"""The keys of an audit log: one that signs, and for each tenant and day one that encrypts and can be destroyed.

They are files that only their owner may read, in a folder of their own: whoever copies the log to keep it must not
copy this folder with it, or nothing could ever be erased. A file is overwritten before it is removed; a disk that never
writes a block twice may still hold it, so the folder belongs on an encrypted volume where that matters.
"""

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Field

from workbench.core import Record, boundary, digest_bytes
from workbench.tools.errors import ToolError

_SIGNER = "signing-key"
_DAY_OR_MONTH = re.compile(r"\d{4}-\d{2}(?:-\d{2})?")
_DAY = 10  # letters of a day, with which the name of a key's file begins


class DataKey(Record):
    """What encrypts the entries of one tenant on one day."""

    key_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    """Drawn at random: it tells nobody whose entries it stands beside."""
    tenant: str
    day: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    """UTC."""
    key: str = Field(pattern=r"^[0-9a-f]{64}$")

    def cipher(self) -> AESGCM:
        """AES-256 in Galois/counter mode. Source: NIST SP 800-38D."""
        return AESGCM(bytes.fromhex(self.key))


class AuditKeys:
    """The folder of keys. Processes share it."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, making it, and a key that signs, where there is none.

        Raises: ToolError if it can't be read or written.
        """
        self.folder = folder
        self._tenants = str(folder / "tenants")
        with boundary(ToolError, f"audit keys {str(folder)!r}: can't be opened"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "tenants").mkdir(exist_ok=True, mode=0o700)
            if not (folder / _SIGNER).exists():
                _write_once(folder / _SIGNER, secrets.token_hex(32))
            self.signer = Ed25519PrivateKey.from_private_bytes(bytes.fromhex((folder / _SIGNER).read_text()))

    @property
    def public(self) -> Ed25519PublicKey:
        """What the checkpoints are verified with: keep a copy of it where the log's owner can't write."""
        return self.signer.public_key()

    def epoch(self) -> int:
        """Another number after any key was destroyed, in whatever process."""
        return os.stat(self._tenants).st_mtime_ns

    def current(self, tenant: str, day: str) -> DataKey:
        """The key for a tenant's entries of a day, made where there is none.

        Call it for one tenant at a time: the log's lock sees to that.

        Raises: ToolError if it can't be read or made.
        """
        folder = self.folder / "tenants" / _folder(tenant)
        with boundary(ToolError, f"audit keys of tenant {tenant!r}: can't be used"):
            for path in sorted(folder.glob(f"{day}-*.json")):
                return _read(path)
            drawn = DataKey(key_id=secrets.token_hex(8), tenant=tenant, day=day, key=secrets.token_hex(32))
            folder.mkdir(exist_ok=True, mode=0o700)
            _write_once(folder / f"{day}-{drawn.key_id}.json", drawn.model_dump_json())
            sync_folder(folder)
            sync_folder(folder.parent)
            return drawn

    def all(self) -> Iterator[DataKey]:
        """Every key that is left.

        Raises: ToolError if one can't be read.
        """
        with boundary(ToolError, f"audit keys {str(self.folder)!r}: can't be read"):
            for path in sorted(self.folder.glob("tenants/*/*.json")):
                yield _read(path)

    def of(self, tenant: str, before: str | None) -> tuple[str, ...]:
        """Ids of a tenant's keys: all, or those of days before one, or before a month: "2026-03-15", "2026-03".

        Raises: ToolError if it is neither.
        """
        if before is not None:
            first_day(before)
        paths = sorted((self.folder / "tenants" / _folder(tenant)).glob("*.json"))
        return tuple(path.stem[_DAY + 1 :] for path in paths if before is None or path.name[: len(before)] < before)

    def destroy(self, tenant: str, key_ids: tuple[str, ...]) -> None:
        """Overwrite and remove a tenant's keys; nobody can read again what they encrypted.

        Raises: ToolError if one can't be removed.
        """
        folder = self.folder / "tenants" / _folder(tenant)
        with boundary(ToolError, f"audit keys of tenant {tenant!r}: can't be destroyed"):
            for path in sorted(folder.glob("*.json")):
                if path.stem[_DAY + 1 :] in key_ids:
                    with path.open("r+b") as file:
                        file.write(secrets.token_bytes(path.stat().st_size))
                        file.flush()
                        os.fsync(file.fileno())
                    path.unlink()
            sync_folder(folder)
            later = max(time.time_ns(), self.epoch() + 1)  # a clock that ticks slowly must not hide it
            os.utime(folder.parent, ns=(later, later))
            with suppress(OSError):
                folder.rmdir()


def open_keys(folder: Path) -> AuditKeys:
    """The keys of a log that was begun; none are made.

    Raises: ToolError if the folder holds none.
    """
    if not (folder / _SIGNER).exists():
        raise ToolError(f"audit keys {str(folder)!r}: are not there; name the folder that the log was begun with")
    return AuditKeys(folder)


def first_day(text: str) -> date:
    """The day that "2026-03-15" is, or the first one of "2026-03".

    Raises: ToolError if it is neither.
    """
    with boundary(ToolError, f'day {text!r}: is none; write it as "2026-03-15", or a month as "2026-03"'):
        if not _DAY_OR_MONTH.fullmatch(text):
            raise ValueError("other signs")
        return date.fromisoformat(text if len(text) == _DAY else f"{text}-01")


def _folder(tenant: str) -> str:
    return digest_bytes(tenant.encode(errors="surrogatepass"))[:32]


def _read(path: Path) -> DataKey:
    return DataKey.model_validate_json(path.read_bytes())


def _write_once(path: Path, text: str) -> None:
    """Write a file whole, unless another process was first."""
    draft = path.with_name(f".{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last.

    Raises: OSError if the disk refuses.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
