"""The kill switch: one row that every gate reads before each call, and again at the moment an effect begins."""

import time
from collections.abc import Callable
from typing import Literal

from workbench.core import Record
from workbench.tools.errors import ToolError
from workbench.tools.state import State

Mode = Literal["run", "read_only", "stop"]
"""Run everything; only what changes nothing; nothing."""


class Position(Record):
    """How the switch stands."""

    mode: Mode
    epoch: int
    """Grows by one each time it is set."""
    who: str
    why: str


class Switch:
    """The switch of one state file."""

    def __init__(self, state: State, *, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock

    def read(self) -> Position:
        """How it stands now.

        Raises: ToolError if that can't be known, which stops everything.
        """
        rows = self._state.change("SELECT mode, epoch, who, why FROM switch WHERE id = 1", ())
        if not rows or rows[0][0] not in {"run", "read_only", "stop"}:
            raise ToolError("kill switch: its row is gone or unreadable; set it again")
        mode, epoch, who, why = rows[0]
        return Position.model_validate({"mode": mode, "epoch": epoch, "who": who, "why": why})

    def permits(self, *, effect: bool) -> bool:
        """Whether an effect, or else a read, may begin; False also where the switch is unreadable."""
        rows = self._state.change("SELECT mode FROM switch WHERE id = 1", ())
        mode = rows[0][0] if rows else "stop"
        return mode == "run" or (mode == "read_only" and not effect)

    def set(self, mode: Mode, *, who: str, why: str) -> Position:
        """Set it, for every process at once: when this returns, no further effect begins against it."""
        self._state.change(
            "INSERT INTO switch VALUES (1, ?, 1, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "mode = excluded.mode, epoch = switch.epoch + 1, at = excluded.at, who = excluded.who, why = excluded.why",
            (mode, self._clock(), who, why),
            lasting=True,
        )
        return self.read()
