"""Turns: equal questions asked at once on several threads are asked one after another."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class _Turn:
    """Who asks a question, and how many wait for the answer."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    holders: int = 0


class Turns:
    """One turn for each question; different questions don't wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: dict[str, _Turn] = {}

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Wait until no other thread asks this question."""
        with self._lock:
            turn = self._busy.setdefault(key, _Turn())
            turn.holders += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.holders -= 1
                if not turn.holders:
                    del self._busy[key]
