"""Threads and children of a benchmark; what killed children did is read from files that survive them."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def in_threads(work: Callable[[int], T], count: int) -> list[T]:
    """Do some work on so many threads at once, each in a copy of the caller's context; an error comes out."""
    with ThreadPoolExecutor(count) as pool:
        waiting = [pool.submit(copy_context().run, work, number) for number in range(count)]
        return [one.result() for one in waiting]


def start(work: Callable[[], object]) -> int:
    """Do some work in a forked child, which then ends; its process id.

    All that the work needs of files, stores and threads is opened in the child.
    """
    sys.stdout.flush()  # else the child would write it once more
    child = os.fork()
    if child:
        return child
    done = False
    try:
        work()
        done = True
    finally:
        if not done:
            traceback.print_exc()
        os._exit(0 if done else 1)


def finish(child: int) -> None:
    """Wait for a child that has to end well."""
    status = os.waitpid(child, 0)[1]
    assert status == 0, f"a child ended with {status}; what it said stands above"


def kill(child: int) -> bool:
    """Kill -9 a child; False if it had ended before."""
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def ended(child: int) -> bool:
    """Has a child ended by itself? It stays to be waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def appender(path: Path) -> Callable[[str], None]:
    """Appends a line at once: one write to the operating system, which survives a killed process."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def append(text: str) -> None:
        os.write(file, f"{text}\n".encode())

    return append


def lines(path: Path) -> list[str]:
    """What was appended so far."""
    return path.read_text().splitlines() if path.exists() else []
