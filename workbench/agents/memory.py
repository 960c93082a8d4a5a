"""Memory: what an agent keeps of one tenant's person, for so long, with the label that it had."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

from workbench.agents.outcome import Known
from workbench.agents.shelf import Shelf, Value
from workbench.core import AgentError, boundary
from workbench.tools import Caller

MOST_CHARACTERS = 10_000
"""Of one memory, as JSON."""

_TABLES = """
CREATE TABLE IF NOT EXISTS memories (
  tenant TEXT NOT NULL, principal TEXT NOT NULL, name TEXT NOT NULL, expires REAL NOT NULL, known TEXT NOT NULL,
  PRIMARY KEY (tenant, principal, name)) WITHOUT ROWID;
"""


class Memory:
    """The memories of one file. Nothing crosses tenants or persons; what has expired is gone. Safe under threads.

    What untrusted content left here is untrusted when it is recalled: it taints whatever is decided from it.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Raises: AgentError if the file can't be opened or holds something else."""
        self._shelf = Shelf(path, _TABLES)
        self._clock = clock

    def remember(self, caller: Caller, known: Known, *, keep_seconds: float) -> None:
        """Keep something under its name, in place of what had that name.

        Raises: AgentError if it is too long or to be kept for no time, or the file refuses; then nothing is changed.
        """
        if not 0 < keep_seconds < math.inf:
            raise AgentError(f"memory {known.name!r}: is to be kept for {keep_seconds} seconds; give a positive number")
        text = known.model_dump_json()
        if len(text) > MOST_CHARACTERS:
            raise AgentError(f"memory {known.name!r}: has {len(text)} characters; shorten it to {MOST_CHARACTERS}")
        self._drop_expired()
        self._shelf.change(
            "INSERT OR REPLACE INTO memories VALUES (?,?,?,?,?)",
            (caller.tenant, caller.principal, known.name, self._clock() + keep_seconds, text),
        )

    def recall(self, caller: Caller) -> tuple[Known, ...]:
        """All that is kept of this person, by name. Raises: AgentError if the file refuses or can't be read."""
        self._drop_expired()
        sql = "SELECT known FROM memories WHERE tenant = ? AND principal = ? ORDER BY name"
        return tuple(_known(row[0]) for row in self._shelf.change(sql, (caller.tenant, caller.principal)))

    def forget(self, caller: Caller, name: str) -> bool:
        """Forget one; whether it was there."""
        sql = "DELETE FROM memories WHERE tenant = ? AND principal = ? AND name = ? RETURNING 1"
        return bool(self._shelf.change(sql, (caller.tenant, caller.principal, name)))

    def erase(self, tenant: str) -> int:
        """Forget a whole tenant, to the last byte of the file; how many memories there were.

        Raises: AgentError if others read the file for too long: then bytes are left, and it is to be erased again.
        """
        rows = self._shelf.change("DELETE FROM memories WHERE tenant = ? RETURNING 1", (tenant,))
        self._shelf.wipe()
        return len(rows)

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        self._shelf.close()

    def _drop_expired(self) -> None:
        self._shelf.change("DELETE FROM memories WHERE expires <= ?", (self._clock(),))


def _known(text: Value) -> Known:
    with boundary(AgentError, "memory: can't be read"):
        return Known.model_validate(json.loads(str(text)))
