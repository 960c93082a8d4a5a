"""Runs that can be left and gone on with: all that a run knows, as JSON, under its tenant and its person.

A run is written down before each call of a tool with the call that it is about to make. Whoever goes on with it, after
a pause or a crash, makes that very call again, for the same occasion; the gate knows whether it was made.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from workbench.agents.outcome import RESUMABLE, Act, Known, Outcome
from workbench.agents.plan import Plan
from workbench.agents.shelf import Shelf, Value
from workbench.core import AgentError, Record, boundary
from workbench.safety import Label
from workbench.tools import Call, Caller

KEEP_SECONDS = 30 * 86_400.0

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
  tenant TEXT NOT NULL, principal TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, waits TEXT NOT NULL,
  expires REAL NOT NULL, state TEXT NOT NULL, PRIMARY KEY (tenant, id)) WITHOUT ROWID;
"""


Pattern = Literal["tool_loop", "plan_execute"]


class RunState(Record):
    """A run as it stands."""

    run_id: str = Field(min_length=1)
    version: int = 0
    """Grows by one each time it is written down."""
    pattern: Pattern
    request: str
    label: Label
    """Of the request."""
    caller: Caller
    occasion: str
    known: tuple[Known, ...] = ()
    plan: Plan | None = None
    work: tuple[Act, ...] = ()
    waiting: Call | None = None
    """The call that is about to be made; it may have been made, if its process was killed."""
    decisions: int = 0
    tokens: int = 0
    outcome: Outcome | None = None
    """How it stands, if it does not go on by itself."""

    @property
    def ended(self) -> Outcome | None:
        """Its outcome, if nothing can change it any more; None if it can be gone on with."""
        if self.outcome is None or self.waiting is not None or self.outcome.code in RESUMABLE:
            return None
        return self.outcome


class Runs:
    """The runs of one file. Nothing crosses tenants or persons; what is older than `keep_seconds` is gone."""

    def __init__(
        self, path: Path, *, clock: Callable[[], float] = time.time, keep_seconds: float = KEEP_SECONDS
    ) -> None:
        """Raises: AgentError if the file can't be opened or holds something else."""
        self.clock = clock
        self._shelf = Shelf(path, _TABLES)
        self._keep_seconds = keep_seconds

    def begin(self, state: RunState) -> RunState:
        """Write a new run down. Raises: AgentError if the tenant has a run of that id."""
        self._drop_expired()
        first = state.model_copy(update={"version": 1})
        caller = first.caller
        rows = self._shelf.change(
            "INSERT INTO runs VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING RETURNING 1",
            (caller.tenant, caller.principal, first.run_id, 1, _waits(first), self._ends(), first.model_dump_json()),
        )
        if not rows:
            raise AgentError(f"run {state.run_id!r}: is there already; begin it under another id, or resume it")
        return first

    def save(self, state: RunState) -> RunState:
        """Write down how a run stands now.

        Raises: AgentError if another went on with it meanwhile, or it is gone: this one must stop.
        """
        self._drop_expired()
        following = state.model_copy(update={"version": state.version + 1})
        rows = self._shelf.change(
            "UPDATE runs SET version = ?, waits = ?, expires = ?, state = ? "
            "WHERE tenant = ? AND id = ? AND version = ? RETURNING 1",
            (
                following.version, _waits(following), self._ends(), following.model_dump_json(),
                state.caller.tenant, state.run_id, state.version,
            ),
        )  # fmt: skip
        if not rows:
            raise AgentError(f"run {state.run_id!r}: another went on with it, or it was erased; look at how it stands")
        return following

    def find(self, run_id: str, caller: Caller) -> RunState:
        """The caller's own run.

        Raises: AgentError if this tenant and person have none of that id, in the same words whoever else has one.
        """
        self._drop_expired()
        rows = self._shelf.change(
            "SELECT state FROM runs WHERE tenant = ? AND id = ? AND principal = ?",
            (caller.tenant, run_id, caller.principal),
        )
        if not rows:
            raise AgentError(f"run {run_id!r}: is not one of yours, or was kept long enough; begin another")
        return _state(rows[0][0])

    def waiting(self, tenant: str) -> tuple[RunState, ...]:
        """A tenant's runs that stand before a call, by id: to be gone on with once it is approved, or after a crash."""
        self._drop_expired()
        rows = self._shelf.change("SELECT state FROM runs WHERE tenant = ? AND waits <> '' ORDER BY id", (tenant,))
        return tuple(_state(row[0]) for row in rows)

    def erase(self, tenant: str) -> int:
        """Forget a tenant's runs, to the last byte of the file; how many there were."""
        rows = self._shelf.change("DELETE FROM runs WHERE tenant = ? RETURNING 1", (tenant,))
        self._shelf.wipe()
        return len(rows)

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        self._shelf.close()

    def _drop_expired(self) -> None:
        self._shelf.change("DELETE FROM runs WHERE expires <= ?", (self.clock(),))

    def _ends(self) -> float:
        return self.clock() + self._keep_seconds


def _waits(state: RunState) -> str:
    return "" if state.waiting is None else state.waiting.tool


def _state(text: Value) -> RunState:
    with boundary(AgentError, "run: what was written down can't be read"):
        return RunState.model_validate(json.loads(str(text)))
