"""What gates remember, which many processes share: actions, approvals and the kill switch.

A path is an SQLite file, for the processes of one machine; a URL of PostgreSQL is for those of many.
"""

import os
import re
import secrets
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from pathlib import Path

from workbench.core import boundary
from workbench.tools.errors import ToolError
from workbench.tools.state_engine import Engine, Owner, Row, Statements, Value
from workbench.tools.state_sqlite import Sqlite

BUSY_SECONDS = 2.0
"""How long a change waits for those of others, before it fails and denies."""
_UNSURE = 1000
_URL = re.compile(r"postgres(?:ql)?://")


class State:
    """An open state. Safe under threads; a process that was forked off opens its own.

    A change survives kill -9 as soon as it is made, and a power cut if it is made with `lasting`; in PostgreSQL always.
    """

    def __init__(self, place: Path | str, *, seal: Path | None = None, busy_seconds: float = BUSY_SECONDS) -> None:
        """Open it, making it where it is new.

        `place` is a path, or a URL such as "postgresql://app@db/gates"; libpq finds the password where it always does.
        `seal` is the file of the key that approvals are sealed with, the same for all; beside an SQLite file there is
        one, a URL needs one before an approval can be granted or used.

        Raises: ToolError if it can't be opened, reached in time, or holds something else.
        """
        self._engine = _engine(place, seal, busy_seconds)
        self.busy: set[str] = set()
        """Actions of this process, of all its gates, from before their start until their journal is closed."""
        self.running: list[str] = []
        """Actions whose tool is at work in this process, also long after its deadline."""
        self.unsure: deque[str] = deque(maxlen=_UNSURE)
        """Calls whose reservation failed, but may have been written: the way to a server broke at that moment."""

    @property
    def owner(self) -> Owner:
        """This process, as actions name it."""
        return self._engine.owner

    @cached_property
    def seal_key(self) -> bytes:
        """What approvals are sealed with: a file of its own beside the state, that only its owner may read.

        Raises: ToolError if it can't be read, or is not one.
        """
        path, where = self._engine.seal, self._engine.where
        if path is None:
            raise ToolError(f"seal of {where!r}: its file is not named; name one file, the same for every process")
        with boundary(ToolError, f"seal of {where!r}: can't be read"):
            if not path.exists():
                draft = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
                with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(secrets.token_bytes(32))
                    os.fsync(file.fileno())
                with suppress(FileExistsError):
                    os.link(draft, path)  # whoever is first
                draft.unlink()
            key = path.read_bytes()
        if len(key) != 32:
            raise ToolError(f"seal of {where!r}: is not 32 bytes; approvals can't be trusted without it")
        return key

    def change(self, sql: str, values: Sequence[Value], *, lasting: bool = False) -> list[Row]:
        """One statement, whole or not at all; the rows that it returns.

        Raises: ToolError if it is refused or others are at work for too long; then nothing is changed. Where the way
        to a server breaks at that moment nobody knows.
        """
        return self._engine.change(sql, values, lasting=lasting)

    def transaction(self, *, lasting: bool = False) -> AbstractContextManager[Statements]:
        """Several statements, whole or not at all, and no other transaction beside them.

        Raises: ToolError as `change` does.
        """
        return self._engine.transaction(lasting=lasting)

    def purge(self) -> None:
        """Have nothing left of rows that were overwritten or removed.

        Raises: ToolError if that can't be done now: then do it again.
        """
        self._engine.purge()

    def close(self) -> None:
        """Let go; nothing is lost without it."""
        self._engine.close()


def is_url(place: Path | str) -> bool:
    """Whether a state lies in PostgreSQL.

    >>> is_url("postgresql://db/gates"), is_url("gates.db")
    (True, False)
    """
    return isinstance(place, str) and _URL.match(place) is not None


def _engine(place: Path | str, seal: Path | None, busy_seconds: float) -> Engine:
    if not is_url(place):
        return Sqlite(Path(place), seal=seal, busy_seconds=busy_seconds)
    with boundary(ToolError, 'tool state: PostgreSQL needs the extra "stores"; install it'):
        from workbench.tools.state_postgres import Postgres  # noqa: PLC0415 - its driver is an extra

    return Postgres(str(place), seal=seal, busy_seconds=busy_seconds)
