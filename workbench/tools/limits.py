"""What a tool's calls may take: so many a minute and at once, and none while it keeps failing."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from workbench.tools.errors import ToolError
from workbench.tools.facts import Facts

FAILURES = 5
"""So many one after another open the breaker."""
REST_SECONDS = 30.0
"""How long it stays open before one call tries again."""

_MINUTE = 60.0


class Refused(ToolError):
    """A limit does not let the call begin; `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Limit:
    """The limits of one tool for one tenant, in this process. Safe under threads.

    Times are of a monotonic clock, in seconds. Source of the breaker's states: Nygard 2018, "Release It!", ch. 5.
    """

    facts: Facts
    clock: Callable[[], float] = time.monotonic
    _begun: deque[float] = field(default_factory=deque)
    _under_way: int = 0
    _failures: int = 0
    _opened: float | None = None
    _trying: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self) -> None:
        """Begin a call, ended by `leave`, and judged by `judge`.

        Raises: Refused if it may not begin now.
        """
        with self._lock:
            now = self.clock()
            if self._under_way >= self.facts.at_once:
                raise Refused("busy", "too many calls of this tool are under way; try again later")
            if self._opened is not None and (self._trying or now - self._opened < REST_SECONDS):
                raise Refused("unavailable", "this tool keeps failing and is left alone for a while")
            if self.facts.calls_per_minute is not None:
                self._count(now, self.facts.calls_per_minute)
            self._trying = self._opened is not None
            self._under_way += 1

    def leave(self) -> None:
        """The call really ended; what hangs does not leave."""
        with self._lock:
            self._under_way -= 1
            self._trying = False

    def judge(self, *, well: bool) -> None:
        """Say how an attempt went: an answer, even a refusal, is well; an error or none in time is not."""
        with self._lock:
            self._failures = 0 if well else self._failures + 1
            if well:
                self._opened = None
            elif self._opened is not None or self._failures >= FAILURES:
                self._opened = self.clock()

    @property
    def open(self) -> bool:
        """Whether the breaker keeps calls away."""
        return self._opened is not None

    def _count(self, now: float, most: int) -> None:
        while self._begun and now - self._begun[0] >= _MINUTE:
            self._begun.popleft()
        if len(self._begun) >= most:
            raise Refused("rate", "this tool was called too often within a minute; try again later")
        self._begun.append(now)
