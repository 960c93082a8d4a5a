"""Silence for foreign code that prints, draws bars and logs, and for nobody else in the process."""

import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TextIO, cast
from weakref import WeakSet

import tqdm  # type: ignore[import-untyped]  # comes with dspy, which draws with it

_HUSHED: ContextVar[bool] = ContextVar("hushed", default=False)


class _Muffler:
    """A stream that swallows what is written inside `quiet` and passes on everything else."""

    def __init__(self, through: TextIO) -> None:
        self.through = through

    def write(self, text: str) -> int:
        """As the stream behind it does, or nothing."""
        return len(text) if _HUSHED.get() else self.through.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.through, name)


class _Bars(WeakSet[object]):
    """The bars of the process. dspy clears this set before each of its own, also under a bar that another thread opens:
    tqdm then misses what it has just added, or iterates over a set that changes."""

    def __iter__(self) -> Iterator[object]:
        """The bars there are now."""
        refs = list(self.data)  # type: ignore[attr-defined]  # WeakSet has it, typeshed does not
        return iter([bar for known in refs if (bar := known()) is not None])

    def remove(self, item: object) -> None:
        """Forget a bar, also one that is forgotten already."""
        self.discard(item)


@dataclass
class _Streams:
    """Both streams of the process, with a muffler before each while anyone is quiet."""

    users: int = 0
    own: list[TextIO] = field(default_factory=list)
    muffled: list[TextIO] = field(default_factory=list)
    interval: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def muffle(self) -> None:
        """Count one user; the first one brings the mufflers."""
        with self.lock:
            self.users += 1
            if self.users > 1:
                return
            self.own = [sys.stdout, sys.stderr]
            self.muffled = [cast("TextIO", _Muffler(stream)) for stream in self.own]
            sys.stdout, sys.stderr = self.muffled
            # Its monitor redraws slow bars from a thread of its own, which no context variable reaches.
            self.interval, tqdm.tqdm.monitor_interval = tqdm.tqdm.monitor_interval, 0
            with tqdm.tqdm.get_lock():
                tqdm.tqdm._instances = _Bars(tqdm.tqdm._instances)

    def restore(self) -> None:
        """The last user puts back what was there, unless someone has put another stream there since."""
        with self.lock:
            self.users -= 1
            if self.users:
                return
            sys.stdout = self.own[0] if sys.stdout is self.muffled[0] else sys.stdout
            sys.stderr = self.own[1] if sys.stderr is self.muffled[1] else sys.stderr
            tqdm.tqdm.monitor_interval = self.interval


_STREAMS = _Streams()


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing that this context writes to stdout or stderr is seen; other threads go on printing.

    dspy's optimizers have no switch for their bars and prints. `contextlib.redirect_stdout` would silence the
    whole process, and two of them that overlap leave it silent for good.
    """
    _STREAMS.muffle()
    token = _HUSHED.set(True)
    try:
        yield
    except BaseException as error:
        # A bar that is left open writes once more when it is collected: let that be now.
        _release(error)
        raise
    finally:
        _HUSHED.reset(token)
        _STREAMS.restore()


def _release(error: BaseException) -> None:
    """Let go of what the frames of an error, and of those behind it, hold on to."""
    behind, known = [error], set[int]()
    while behind:
        one = behind.pop()
        if id(one) not in known:  # an error can stand behind itself
            known.add(id(one))
            traceback.clear_frames(one.__traceback__)
            behind += [other for other in (one.__cause__, one.__context__) if other is not None]
