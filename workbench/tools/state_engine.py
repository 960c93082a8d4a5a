"""What keeps the rows of a state: the statements are the same for each engine, which says how they are kept.

A statement has `?` for its values. `FOR SHARE` and `FOR UPDATE` say which rows must stay as they were read until the
change is over; an engine in which a change is alone leaves that out.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

Value = str | int | float
Row = tuple[Value, ...]

_TABLES = """
CREATE TABLE IF NOT EXISTS actions (
  key {text} PRIMARY KEY, tenant {text} NOT NULL, tool {text} NOT NULL, arguments {text} NOT NULL,
  call_id {text} NOT NULL, state {text} NOT NULL, owner {text} NOT NULL, attempt INTEGER NOT NULL,
  approval {text} NOT NULL, result {text} NOT NULL, at DOUBLE PRECISION NOT NULL){keyed};
CREATE TABLE IF NOT EXISTS approvals (
  id {text} PRIMARY KEY, binding {text} NOT NULL, tenant {text} NOT NULL, asked {text} NOT NULL, state {text} NOT NULL,
  approver {text} NOT NULL, decided DOUBLE PRECISION NOT NULL, expires DOUBLE PRECISION NOT NULL, seal {text} NOT NULL,
  used_by {text} NOT NULL);
CREATE INDEX IF NOT EXISTS approvals_binding ON approvals (binding);
CREATE TABLE IF NOT EXISTS switch (
  id INTEGER PRIMARY KEY CHECK (id = 1), mode {text} NOT NULL, epoch INTEGER NOT NULL, at DOUBLE PRECISION NOT NULL,
  who {text} NOT NULL, why {text} NOT NULL);
"""
NEW_SWITCH = "INSERT INTO switch VALUES (1, 'run', 0, 0, '', '') ON CONFLICT (id) DO NOTHING"
"""Only of a new state: a row that is gone later stops everything, as it should."""


def tables(*, text: str = "TEXT", keyed: str = "") -> str:
    """The statements that make the tables: how a text is ordered, and what is said of a table kept by its key."""
    return _TABLES.format(text=text, keyed=keyed)


class Statements(Protocol):
    """A change under way."""

    def execute(self, sql: str, values: Sequence[Value]) -> list[Row]:
        """One statement of it; the rows that it returns."""


class Owner(Protocol):
    """This process, as those that share the state know it."""

    @property
    def name(self) -> str:
        """What actions are marked with."""

    def alive(self, name: str) -> bool:
        """Whether the owner of that name is, or may be, at work. Raises whatever it likes if that can't be known."""


class Engine(Protocol):
    """What keeps the rows. Safe under threads; a process that was forked off opens its own."""

    where: str
    """For people: without a secret."""
    seal: Path | None
    """The file of the key that approvals are sealed with, which stands beside the rows and not among them."""

    @property
    def owner(self) -> Owner:
        """This process."""

    def change(self, sql: str, values: Sequence[Value], *, lasting: bool) -> list[Row]:
        """One statement, whole or not at all; the rows that it returns.

        Raises: ToolError if it is refused, or waits too long; then nothing is changed, as far as can be known.
        """

    def transaction(self, *, lasting: bool) -> AbstractContextManager[Statements]:
        """Several statements, whole or not at all, and no other transaction beside them.

        Raises: ToolError as `change` does.
        """

    def purge(self) -> None:
        """Have nothing left of rows that were overwritten or removed.

        Raises: ToolError if that can't be done now: then do it again.
        """

    def close(self) -> None:
        """Let go; nothing is lost without it."""
