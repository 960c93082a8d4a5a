"""Who is at work on something that processes share: a process that others can tell from a dead one.

An owner holds a lock on a file of its own for as long as it lives. The operating system takes the lock away
when the process ends, however it ends; so a lock that can be had belonged to a dead owner. Unlike a process
id it can't be given to another process, and it holds across containers that share a disk.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path


class Owner:
    """This process in one folder of locks; alive until it ends or is closed.

    A process that was forked off keeps its parent's locks, so it opens an owner of its own, and a dead parent
    counts as alive until the child ends, too.
    """

    def __init__(self, folder: Path) -> None:
        """Take a lock under a new name; locks that dead processes left are cleared away.

        Raises: OSError if the folder can't be written.
        """
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for found in folder.iterdir():
            _bury(found)
        self._file, self.name = self._locked()

    def alive(self, name: str) -> bool:
        """Is the owner of that name at work?"""
        with suppress(FileNotFoundError):
            file = os.open(self._folder / name, os.O_RDWR)
            try:
                return not _lock(file)
            finally:
                os.close(file)
        return False

    def close(self) -> None:
        """Stop being alive."""
        (self._folder / self.name).unlink(missing_ok=True)
        os.close(self._file)
        with suppress(OSError):  # others are at work
            self._folder.rmdir()

    def _locked(self) -> tuple[int, str]:
        """A file of a new name, locked. One that another owner took for stale before it was locked is given up."""
        while True:
            name = f"{os.getpid()}-{secrets.token_hex(8)}"
            self._folder.mkdir(exist_ok=True)  # the last one at work may have removed it
            with suppress(FileNotFoundError):
                file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                if _lock(file) and (self._folder / name).exists():
                    return file, name
                os.close(file)


def _bury(path: Path) -> None:
    """Remove a dead owner's file, under its lock: so it can't be one that is just being taken."""
    with suppress(FileNotFoundError):
        file = os.open(path, os.O_RDWR)
        try:
            if _lock(file):
                path.unlink(missing_ok=True)
        finally:
            os.close(file)


def _lock(file: int) -> bool:
    """Lock an open file; False if somebody else has it."""
    import fcntl  # noqa: PLC0415 - not on Windows, where only what processes share is missing

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
