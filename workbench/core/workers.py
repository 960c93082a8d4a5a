"""Threads that work for a caller who can stop waiting at a deadline."""

import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Generic, TypeVar

from workbench.core.errors import WorkbenchError

T = TypeVar("T")


class Overdue(WorkbenchError):
    """The deadline passed; what was begun may still go on."""


class _Job(Generic[T]):
    """One thing to do, and what came of it."""

    def __init__(self, work: Callable[[], T], context: Context, ended: Callable[[], None]) -> None:
        self._work = work
        self._context = context
        self._ended = ended
        self._over = threading.Lock()
        self._over.acquire()
        self._value: tuple[T] | None = None
        self._error: BaseException | None = None

    def do(self) -> None:
        """On the worker's thread: whatever is raised is carried to the caller, or to nobody if it left."""
        try:
            self._value = (self._context.run(self._work),)
        except BaseException as error:  # carried to the caller, who has the boundary
            self._error = error
        finally:
            self._ended()
            self._over.release()

    def result(self, seconds: float) -> T:
        """On the caller's thread. Raises: Overdue; whatever the work raised."""
        if not self._over.acquire(timeout=seconds):
            raise Overdue(f"not done within {seconds:g} s")
        if self._value is None:
            if isinstance(self._error, Exception):
                raise self._error
            raise WorkbenchError("it ended its own thread") from self._error
        return self._value[0]


class Workers:
    """Threads that wait for work; as many as were ever needed at once. They end with the process, even if they hang."""

    def __init__(self) -> None:
        self._idle: deque[SimpleQueue[_Job[object]]] = deque()

    def run(self, work: Callable[[], T], *, seconds: float, ended: Callable[[], None] = lambda: None) -> T:
        """Do it, in a copy of the caller's context; `ended` is called when it really ends, in time or not.

        Raises: Overdue at the deadline; whatever the work raises.
        """
        job = _Job(work, copy_context(), ended)
        try:
            jobs = self._idle.pop()
        except IndexError:
            jobs = SimpleQueue()
            threading.Thread(target=self._serve, args=(jobs,), daemon=True, name="worker").start()
        jobs.put(job)  # type: ignore[arg-type]  # a queue takes jobs of any answer
        return job.result(seconds)

    def _serve(self, jobs: SimpleQueue[_Job[object]]) -> None:
        while True:
            jobs.get().do()
            self._idle.append(jobs)
