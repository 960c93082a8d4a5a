"""A service outside the process that is killed: it answers for a model, a tool, a retriever and a judge.

It writes down everything it does. Kept apart in a process of its own, so that what it did stands, whoever dies.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

from benchmarks import forked
from workbench.lms import idempotency_key
from workbench.lms.turns import Turns

LATENCY_SECONDS = 0.003
Answers = Mapping[str, Callable[[str], str]]
"""For each kind of call, what is answered to a text."""


@dataclass
class Service:
    """Answers calls; where `knows_keys`, a call of a key that it has answered is given that answer again."""

    folder: Path
    answers: Answers
    knows_keys: bool
    _given: dict[str, str] = field(default_factory=dict)
    _turns: Turns = field(default_factory=Turns)

    def serve(self) -> None:
        """Answer for ever; a thread for each connection."""
        did = forked.appender(self.folder / "did")
        with Listener(str(self.folder / "socket"), "AF_UNIX", backlog=64) as listener:
            while True:
                threading.Thread(target=self._talk, args=(listener.accept(), did), daemon=True).start()

    def _talk(self, caller: "Connection[bytes, bytes]", did: Callable[[str], None]) -> None:
        with suppress(EOFError, OSError):  # the caller was killed
            while True:
                kind, key, text = json.loads(caller.recv_bytes())
                caller.send_bytes(self._answer(kind, key, text, did).encode())

    def _answer(self, kind: str, key: str, text: str, did: Callable[[str], None]) -> str:
        with self._turns.alone(key):
            if self.knows_keys and key in self._given:
                return self._given[key]
            did(f"{kind} {key}")
            time.sleep(LATENCY_SECONDS)
            self._given[key] = self.answers[kind](text)
            return self._given[key]


class Caller:
    """Calls the service, with the key of the call that is under way."""

    def __init__(self, folder: Path) -> None:
        self._address = str(folder / "socket")
        self._local = threading.local()

    def __call__(self, kind: str, text: str) -> str:
        """The service's answer."""
        line: Connection[bytes, bytes] | None = getattr(self._local, "line", None)
        if line is None:
            line = self._local.line = Client(self._address, "AF_UNIX")
        line.send_bytes(json.dumps([kind, idempotency_key(), text]).encode())
        return line.recv_bytes().decode()
