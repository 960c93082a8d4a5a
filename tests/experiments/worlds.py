"""What tests of worlds to act in share: a log that is looked at, and a call of somebody's task."""

from typing import NamedTuple

from pydantic import JsonValue

from workbench.tools import AuditEntry


class Log:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def append(self, entry: AuditEntry) -> None:
        """Keep it."""
        self.entries.append(entry)


class Asked(NamedTuple):
    """A call of a task, on whose behalf."""

    tool: str
    arguments: dict[str, JsonValue]
    customer: str
