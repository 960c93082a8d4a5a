"""What a tool's calls may take: so many a minute and at once, and none while it keeps failing."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from workbench.core import Breaker
from workbench.tools.errors import ToolError
from workbench.tools.facts import Facts

_MINUTE = 60.0


class Refused(ToolError):
    """A limit does not let the call begin; `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Limit:
    """The limits of one tool for one tenant, in this process. Safe under threads.

    Times are of a monotonic clock, in seconds.
    """

    facts: Facts
    clock: Callable[[], float] = time.monotonic
    _begun: deque[float] = field(default_factory=deque)
    _under_way: int = 0
    _breaker: Breaker = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._breaker = Breaker(clock=self.clock)

    def enter(self) -> None:
        """Begin a call, ended by `leave`, and judged by `judge`.

        Raises: Refused if it may not begin now.
        """
        with self._lock:
            now = self.clock()
            if self._under_way >= self.facts.at_once:
                raise Refused("busy", "too many calls of this tool are under way; try again later")
            if not self._breaker.enter():
                raise Refused("unavailable", "this tool keeps failing and is left alone for a while")
            if self.facts.calls_per_minute is not None:
                self._count(now, self.facts.calls_per_minute)
            self._under_way += 1

    def leave(self) -> None:
        """The call really ended; what hangs does not leave."""
        with self._lock:
            self._under_way -= 1
        self._breaker.leave()

    def judge(self, *, well: bool) -> None:
        """Say how an attempt went: an answer, even a refusal, is well; an error or none in time is not."""
        self._breaker.judge(well=well)

    @property
    def open(self) -> bool:
        """Whether the breaker keeps calls away."""
        return self._breaker.open

    def _count(self, now: float, most: int) -> None:
        while self._begun and now - self._begun[0] >= _MINUTE:
            self._begun.popleft()
        if len(self._begun) >= most:
            self._breaker.leave()
            raise Refused("rate", "this tool was called too often within a minute; try again later")
        self._begun.append(now)
