"""Repeats of a sampled question: the second asking is another question than the first."""

import heapq
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.core import digest_json


def repeated(key: str, nth: int) -> str:
    """The key of the nth asking of a sampled question, from 1."""
    return digest_json({"question": key, "nth": nth})


class Repeats:
    """Numbers the askings of each question in each run; safe under threads.

    A number whose call failed is handed out again, lowest first: so the answers that were paid for always
    carry the numbers 1, 2, 3 …, and a resumed run finds every one of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Counter[tuple[str, str]] = Counter()
        self._free: defaultdict[tuple[str, str], list[int]] = defaultdict(list)

    @contextmanager
    def number(self, run: str, key: str) -> Iterator[int]:
        """The number of an asking, from 1; given back if it fails."""
        nth = self.take(run, key)
        try:
            yield nth
        except BaseException:
            self.give_back(run, key, nth)
            raise

    def take(self, run: str, key: str) -> int:
        """The number of this asking, from 1."""
        with self._lock:
            if self._free[run, key]:
                return heapq.heappop(self._free[run, key])
            self._last[run, key] += 1
            return self._last[run, key]

    def give_back(self, run: str, key: str, nth: int) -> None:
        """The asking of that number got no answer."""
        with self._lock:
            heapq.heappush(self._free[run, key], nth)
