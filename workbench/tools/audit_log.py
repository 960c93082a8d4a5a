"""The audit log: entries are encrypted, chained, signed every so often, and never changed.

`log = ChainedLog(folder, AuditKeys(keys))`, then `log.append(entry)`: when it returns, the entry stands in the file and
survives a killed process; an entry of an effect that nobody can take back has reached the disk as well. When it raises,
the entry counts as not written. Processes and threads may append to one log.
"""

import fcntl
import os
import threading
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workbench.core import boundary
from workbench.tools.audit_anchor import read_anchor, write_anchor
from workbench.tools.audit_chain import DIGITS, begin, chained, checkpoint, is_begun, named
from workbench.tools.audit_keys import AuditKeys, sync_folder
from workbench.tools.audit_line import seal
from workbench.tools.call import AuditEntry
from workbench.tools.errors import ToolError
from workbench.tools.facts import Effect

LOG = "audit.log"
_EVERY = 1024  # lines between checkpoints: what a thief of the file, but not of the key, could rewrite unseen
_FIRST = 1024  # bytes; the first line is shorter
_TAIL = 1 << 20  # bytes read at once
_LASTING: tuple[Effect, ...] = ("external", "irreversible")


class ChainedLog:
    """An open log. Safe under threads; a process that was forked off opens its own."""

    def __init__(
        self,
        folder: Path,
        keys: AuditKeys,
        *,
        anchor: Path | None = None,
        lasting: Collection[Effect] = _LASTING,
        every: int = _EVERY,
    ) -> None:
        """Open a log, beginning it where there is none.

        Each checkpoint is also written to `anchor`, which should lie where whoever can write the log can't: without one
        nobody can tell a log whose end was cut off at a checkpoint from a shorter one. Entries of `lasting` effects are
        on the disk when `append` returns; `every` so many lines there is a checkpoint.

        Raises: ToolError if the log can't be opened, was begun with another key, is damaged, or is not what the anchor
        vouches for.
        """
        self.path = (folder / LOG).absolute()
        self.keys = keys
        self._anchor = anchor
        self._lasting = frozenset(lasting)
        self._every = every
        self._lock, self._sync_lock = threading.Lock(), threading.Lock()
        self._process = os.getpid()
        self._broken = ""
        self._end = self._lines = self._since = self._synced = 0
        self._digits = b""
        self._cipher = lru_cache(maxsize=4096)(self._find_cipher)
        self._epoch = keys.epoch()
        with boundary(ToolError, f"audit log {str(self.path)!r}: can't be opened"):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with self._lock:
                fcntl.flock(self._file, fcntl.LOCK_EX)
                try:
                    self._open()
                finally:
                    fcntl.flock(self._file, fcntl.LOCK_UN)

    def append(self, entry: AuditEntry) -> None:
        """Keep an entry for good.

        Raises: ToolError if it is not kept: a full disk, a log that was cut off or replaced, keys that can't be read.
        """
        lines = self._write(entry)
        if entry.effect in self._lasting:
            self._sync(lines)

    def checkpoint(self) -> None:
        """Sign what stands in the log, and have all of it reach the disk.

        Raises: ToolError if that fails.
        """
        with self._alone():
            if self._since:
                self._sign()
        self._sync(self._end)

    def erase(self, tenant: str, *, before: str | None = None) -> int:
        """Destroy a tenant's keys, all or those of days before one, or before a month; how many were destroyed.

        What they encrypted stays in the file, can never be read again, and is still verified. The log says which keys
        were destroyed, not whose they were. Entries that a tenant adds later are kept under new keys.

        Raises: ToolError if that fails: then do it again.
        """
        with self._alone():
            found = self.keys.of(tenant, before)
            if found:
                self._put(b"e %b %b" % (_now().encode(), ",".join(found).encode()))
                self._sign()
                os.fsync(self._file)
                self.keys.destroy(tenant, found)
        return len(found)

    def close(self) -> None:
        """Sign what stands in the log and close it."""
        try:
            if not self._broken and self._process == os.getpid():
                self.checkpoint()
        finally:
            os.close(self._file)
            self._broken = "is closed"

    def _write(self, entry: AuditEntry) -> int:
        """Encrypt and write an entry; where the log then ends."""
        with self._alone():
            if (epoch := self.keys.epoch()) != self._epoch:
                self._cipher.cache_clear()
                self._epoch = epoch
            key_id, cipher = self._cipher(entry.tenant, entry.at[:10])
            body = seal(entry, key_id, cipher)
            if self._since >= self._every:
                self._sign()
            self._put(body)
            return self._end

    def _find_cipher(self, tenant: str, day: str) -> tuple[bytes, AESGCM]:
        key = self.keys.current(tenant, day)
        return key.key_id.encode(), key.cipher()

    def _alone(self) -> "_Alone":
        return _Alone(self)

    def _enter(self) -> None:
        """Take the log for this thread alone, and learn what others wrote."""
        self._lock.acquire()
        try:
            if self._broken or self._process != os.getpid():
                raise self._wrong(self._broken or "was opened by another process; open it in this one")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            state = os.fstat(self._file)
            if not self._is_there(state) or state.st_size < self._end:
                self._broken = "was cut off or replaced while it was open; verify it"
                fcntl.flock(self._file, fcntl.LOCK_UN)
                raise self._wrong(self._broken)
            if state.st_size > self._end:
                self._catch_up()
        except BaseException:
            self._lock.release()
            raise

    def _is_there(self, state: os.stat_result) -> bool:
        """Whether the open file is still the one of that name."""
        try:
            return os.path.samestat(os.stat(self.path), state)
        except OSError:
            return False

    def _leave(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def _open(self) -> None:
        """Read the first line, or write it, find the end, and see that all stands there that the anchor vouches for."""
        anchored = read_anchor(self._anchor) if self._anchor is not None and self._anchor.exists() else None
        size = os.fstat(self._file).st_size
        first, whole, _ = os.pread(self._file, _FIRST, 0).partition(b"\n")
        if not whole and is_begun(first):  # new, or its maker was stopped before it had written all of the first line
            if anchored is not None:
                raise self._cut(anchored[0])
            os.ftruncate(self._file, 0)
            data = begin(self.keys.public)
            self._write_all(data)
            os.fsync(self._file)
            sync_folder(self.path.parent)
            first, size = data[:-1], len(data)
        self._name, key = named(first, str(self.path))
        if key.public_bytes_raw() != self.keys.public.public_bytes_raw():
            raise self._wrong("was begun with another key; name the folder of keys that it was begun with")
        self._end, self._lines, self._digits = len(first) + 1, 1, first[-DIGITS:]
        self._skip(size)
        if anchored is not None and anchored != (self._lines, self._digits):
            self._check(*anchored)
        if size > self._end:
            self._catch_up()

    def _check(self, lines: int, digits: bytes) -> None:
        """Look for the line that the anchor vouches for, from the beginning: rarely is it not the last checkpoint."""
        with open(self.path, "rb") as file:
            if next(islice(file, lines - 1, None), b"")[-DIGITS - 1 :] != digits + b"\n":
                raise self._cut(lines)

    def _cut(self, lines: int) -> ToolError:
        return self._wrong(f"its anchor vouches for {lines} lines that are not these; restore it from a copy")

    def _skip(self, size: int) -> None:
        """Go to the last checkpoint, which says how many lines stand before it, if it is near the end."""
        start = max(self._end, size - _TAIL)
        tail = os.pread(self._file, size - start, start)
        place = tail.rfind(b"\nc ") + 1
        line, whole, _ = tail[place:].partition(b"\n")
        if place and whole:
            self._end, self._lines = start + place + len(line) + 1, int(line.split(b" ")[1]) + 1
            self._digits = line[-DIGITS:]

    def _catch_up(self) -> None:
        """Learn of the lines that others wrote. A line that a stopped process left unfinished is put aside: it was
        never kept."""
        with open(os.dup(self._file), "rb") as file:
            file.seek(self._end)
            while data := file.read(_TAIL):
                data += file.readline()
                whole = data.rfind(b"\n") + 1
                if whole < len(data):
                    with self.path.with_suffix(".torn").open("ab") as torn:
                        torn.write(data[whole:] + b"\n")
                    os.ftruncate(self._file, self._end + whole)
                self._learn(data[:whole])

    def _learn(self, data: bytes) -> None:
        if not data:
            return
        last = 0 if data.startswith(b"c ") else data.rfind(b"\nc ") + 1
        signed = data.startswith(b"c ", last)
        self._since = data.count(b"\n", last) - 1 if signed else self._since + data.count(b"\n")
        self._end += len(data)
        self._lines += data.count(b"\n")
        self._digits = data[-DIGITS - 1 : -1]

    def _sign(self) -> None:
        self._put(checkpoint(self.keys.signer, self._name, self._lines, _now(), self._digits))
        self._since = 0
        if self._anchor is not None:
            self._sync(self._end)  # or a power cut leaves an anchor that vouches for what never reached the disk
            write_anchor(self._anchor, self._lines, self._digits)

    def _put(self, body: bytes) -> None:
        """Write a line, whole or not at all."""
        line = chained(self._digits, body)
        with boundary(ToolError, f"audit log {str(self.path)!r}: can't be written"):
            try:
                self._write_all(line)
            except BaseException:
                with suppress(OSError):  # or else the next one to write takes it away
                    os.ftruncate(self._file, self._end)
                raise
        self._end += len(line)
        self._lines += 1
        self._since += 1
        self._digits = line[-DIGITS - 1 : -1]

    def _write_all(self, data: bytes) -> None:
        if (written := os.write(self._file, data)) != len(data):
            raise OSError(f"only {written} of {len(data)} bytes were written")

    def _sync(self, end: int) -> None:
        """Have the file reach the disk up to a place; threads that wait together share one turn of the disk."""
        with self._sync_lock:
            if self._synced >= end:
                return
            reached = self._end
            try:
                os.fdatasync(self._file)
            except OSError as cause:
                # The system may have dropped what it could not write: nothing after this is sure.
                self._broken = (
                    f"did not reach the disk ({cause.strerror}); mend the disk, verify the log, open it again"
                )
                raise self._wrong(self._broken) from cause
            self._synced = reached

    def _wrong(self, what: str) -> ToolError:
        return ToolError(f"audit log {str(self.path)!r}: {what}")


class _Alone:
    """The time in which one thread of one process has the log; a generator would cost as much as the encryption."""

    def __init__(self, log: ChainedLog) -> None:
        self._log = log

    def __enter__(self) -> None:
        self._log._enter()

    def __exit__(self, *_: object) -> None:
        self._log._leave()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
