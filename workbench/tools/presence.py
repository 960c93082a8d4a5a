"""Who is at work on a gate's state: a process that others can tell from a dead one by a lock it holds."""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path


class Presence:
    """This process in a folder of locks, for as long as it lives: the system takes the lock away however it ends."""

    def __init__(self, folder: Path) -> None:
        """Raises: OSError if the folder can't be written."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.busy: set[str] = set()
        """Actions of this process, of all its gates, from before their start until their journal is closed."""
        self.running: list[str] = []
        """Actions whose tool is at work in this process, also long after its deadline."""
        for found in folder.iterdir():
            if not self.alive(found.name):
                found.unlink(missing_ok=True)
        self.name = secrets.token_hex(8)
        # Locked under another name first: whoever tidies up never finds it without its lock.
        draft = folder / f"new-{self.name}"
        self._file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        draft.rename(folder / self.name)

    def alive(self, name: str) -> bool:
        """Is the process of that name at work? One that is just arriving counts as alive."""
        if name.startswith("new-"):
            return True
        with suppress(FileNotFoundError):
            file = os.open(self._folder / name, os.O_RDWR)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(file)
        return False

    def close(self) -> None:
        """Stop being at work."""
        (self._folder / self.name).unlink(missing_ok=True)
        os.close(self._file)
