"""A breaker: what keeps failing is left alone for a while, then tried once."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

FAILURES = 5
"""So many open a breaker."""
REST_SECONDS = 30.0
"""How long it stays open before one attempt tries again."""


@dataclass
class Breaker:
    """Keeps attempts away from one thing outside while that keeps failing. Safe under threads.

    It opens when `failures` of the last `among` attempts failed: with both equal, so many one after another. After a
    rest one attempt tries: if it goes well the breaker closes, else it rests again, twice as long up to the longest.
    Times are of a monotonic clock, in seconds. Source of the states: Nygard 2018, "Release It!", ch. 5.

    >>> breaker = Breaker(clock=lambda: 0.0)
    >>> for _ in range(5):
    ...     breaker.judge(well=False)
    >>> breaker.enter(), breaker.wait_seconds()
    (False, 30.0)
    """

    failures: int = FAILURES
    among: int = FAILURES
    rest_seconds: float = REST_SECONDS
    longest_seconds: float = REST_SECONDS
    clock: Callable[[], float] = time.monotonic
    _last: deque[bool] = field(default_factory=deque)
    """How the last attempts went, since it was last closed."""
    _opened: float | None = None
    _rest: float = 0.0
    _trying: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self) -> bool:
        """Whether an attempt may begin now; it is then judged by `judge`, and ended by `leave`."""
        with self._lock:
            if self._opened is not None and (self._trying or self._remaining() > 0):
                return False
            self._trying = self._opened is not None
            return True

    def leave(self) -> None:
        """The attempt really ended; what hangs does not leave, and no other tries while it does."""
        with self._lock:
            self._trying = False

    def judge(self, *, well: bool) -> None:
        """Say how an attempt went: an answer, even a refusal, is well; an error or none in time is not.

        How attempts end that began before it opened plays no part while it rests.
        """
        with self._lock:
            if self._opened is None:
                self._count(failed=not well)
            elif self._remaining() > 0:
                return
            elif well:
                self._opened = None
                self._last.clear()
            else:
                self._opened = self.clock()
                self._rest = min(self._rest * 2, self.longest_seconds)

    @property
    def open(self) -> bool:
        """Whether it keeps attempts away."""
        return self._opened is not None

    def wait_seconds(self) -> float:
        """How long until an attempt may begin; 0.0 also where the one that tries is under way."""
        with self._lock:
            return 0.0 if self._opened is None else max(0.0, self._remaining())

    def _remaining(self) -> float:
        return self._rest if self._opened is None else self._opened + self._rest - self.clock()

    def _count(self, *, failed: bool) -> None:
        self._last.append(failed)
        while len(self._last) > self.among:
            self._last.popleft()
        if sum(self._last) >= self.failures:
            self._opened = self.clock()
            self._rest = self.rest_seconds
