"""One writer at a time in Qdrant, which has no locks: a point that says who writes, and until when that holds.

It is looked at before each change and again before the change is published, so of two writers that came at the same
moment one is told. Between such a look and the write after it another may come in: where that can happen, see to it
that one process writes. A writer that was killed keeps others out until its time is over; clocks of writers must agree
to a minute.
"""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from qdrant_client import QdrantClient, models

from workbench.core import RetrievalError

LOCK = str(uuid.uuid5(uuid.NAMESPACE_URL, "workbench:lock"))
"""The point that names the writer; it has no reader, so no question finds it."""
HELD_SECONDS = 900.0
"""How long a writer may take for a batch, embedding included, before another may come in."""


class WriterLock:
    """The right to write one collection, held from `take` to `release`."""

    def __init__(self, client: QdrantClient, name: str, where: str, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._name = name
        self._where = where
        self._clock = clock
        self._writer = uuid.uuid4().hex

    def take(self) -> None:
        """Raises: RetrievalError if another writes."""
        holder, until = self._look()
        if holder and holder != self._writer and until > self._clock():
            at = datetime.fromtimestamp(until, UTC).isoformat(timespec="minutes")
            raise RetrievalError(
                f"store {self._where!r}: is being written by another process or thread; wait until it is done, or "
                f"until {at} if it was killed"
            )
        self._write()
        self.hold()

    def hold(self) -> None:
        """Go on writing, for as long again. Raises: RetrievalError if another has begun to write meanwhile."""
        if self._look()[0] != self._writer:
            raise RetrievalError(
                f"store {self._where!r}: another process began to write meanwhile; see to it that only one does, and "
                "refresh it again"
            )
        self._write()

    def release(self) -> None:
        """Let others write."""
        if self._look()[0] == self._writer:
            self._client.delete(self._name, points_selector=models.PointIdsList(points=[LOCK]), wait=True)

    def _look(self) -> tuple[str, float]:
        """Who writes, and until when; nobody if there is no lock."""
        found = self._client.retrieve(self._name, [LOCK], with_payload=True)
        payload = found[0].payload if found else None
        return (str(payload["writer"]), float(payload["until"])) if payload else ("", 0.0)

    def _write(self) -> None:
        payload = {"writer": self._writer, "until": self._clock() + HELD_SECONDS}
        self._client.upsert(self._name, [models.PointStruct(id=LOCK, vector={}, payload=payload)], wait=True)
