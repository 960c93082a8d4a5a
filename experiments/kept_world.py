"""Worlds that tools act in: what they change stands in a file, is done once by its key, and undone where it fails.

A world is a pydantic model whose fields are tables: things by their names. `KeptWorld(world, path).once(…)` changes it.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from workbench.core import Record, read_record, write_record

W = TypeVar("W", bound=BaseModel)


class Kept(BaseModel):
    """What the data has beside the fields that rules speak of stays as it is."""

    model_config = ConfigDict(extra="allow")


class Closed(BaseModel):
    """What a call names: these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Place(NamedTuple):
    """Where a thing of the world is."""

    table: str
    name: str


class Changes(Record):
    """What is no longer as the data has it, and what each action came to."""

    tables: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    done: dict[str, Place] = Field(default_factory=dict)
    """What an action answers with, by the action's key."""


class KeptWorld(Generic[W]):
    """A world and what was changed in it. Safe under threads."""

    def __init__(self, world: W, path: Path) -> None:
        """Changes are kept in that file, and taken up from it. Raises: DataError if it can't be read."""
        self.world, self._path, self._lock = world, path, threading.Lock()
        self._done: dict[str, Place] = {}
        self._changed: set[Place] = set()
        if path.exists():
            self._take(read_record(path, Changes))

    def once(
        self, key: str, reach: Callable[[], Iterable[Place]], change: Callable[[], BaseModel]
    ) -> dict[str, JsonValue]:
        """Do it unless it is done; it is done when the file says so. `reach` are all things that it may change.

        The answer is the thing that `change` gives back, one of these, as it is when this is called.

        Raises: whatever `change` does, or DataError if the file can't be written; then nothing is changed.
        """
        with self._lock:
            if key not in self._done:
                before = {place: self._copy(place) for place in reach()}
                try:
                    answer = change()
                    done = {**self._done, key: next(place for place in before if self._find(place) is answer)}
                    changed = self._changed | {place for place, one in before.items() if self._find(place) != one}
                    self._write(changed, done)
                except BaseException:
                    self._restore(before)
                    raise
                self._changed, self._done = changed, done
            found = self._find(self._done[key])
            return {} if found is None else shown(found)

    def _table(self, name: str) -> dict[str, BaseModel]:
        table: dict[str, BaseModel] = getattr(self.world, name)
        return table

    def _find(self, place: Place) -> BaseModel | None:
        return self._table(place.table).get(place.name)

    def _copy(self, place: Place) -> BaseModel | None:
        found = self._find(place)
        return None if found is None else found.model_copy(deep=True)

    def _restore(self, before: dict[Place, BaseModel | None]) -> None:
        for place, one in before.items():
            if one is None:
                self._table(place.table).pop(place.name, None)
            else:
                self._table(place.table)[place.name] = one

    def _write(self, changed: set[Place], done: dict[str, Place]) -> None:
        tables: defaultdict[str, dict[str, JsonValue]] = defaultdict(dict)
        for place in sorted(changed):
            found = self._find(place)
            if found is not None:
                tables[place.table][place.name] = shown(found)
        write_record(self._path, Changes(tables=dict(tables), done=done))

    def _take(self, changes: Changes) -> None:
        kind = type(self.world)
        part = kind.model_validate({name: changes.tables.get(name, {}) for name in kind.model_fields})
        for name, things in changes.tables.items():
            self._table(name).update(getattr(part, name))
            self._changed |= {Place(name, one) for one in things}
        self._done = dict(changes.done)


def shown(one: BaseModel) -> dict[str, JsonValue]:
    """A thing as a tool returns it and as the file keeps it."""
    told: dict[str, JsonValue] = one.model_dump(mode="json", exclude_none=True)
    return told
