"""Progress on standard error: a line for each stage, and a bar on what takes longer than two seconds."""

import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

BAR_AFTER_SECONDS = 2.0
LINE_EVERY_SECONDS = 15.0


@dataclass
class Terminal:
    """Shows stages as they come; where there is no terminal, as plain lines without a bar."""

    console: Console = field(default_factory=lambda: Console(file=sys.stderr, highlight=False, soft_wrap=True))
    _stage: str = "start"
    _began: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)
    _counts: str = ""
    _bar: Progress | None = None

    def __enter__(self) -> Self:
        self._begin("start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end("stopped" if kind else "done")

    def stage(self, name: str, *, skipped: bool) -> None:
        """End the stage before, and begin this one or say that it is skipped."""
        self._end("done")
        if skipped:
            self._line(name, "skipped, nothing that goes into it has changed")
            self._stage = ""
        else:
            self._begin(name)

    def advance(self, done: int, total: int) -> None:
        """Move the bar; without a terminal say a line now and then."""
        self._counts = f"{done} of {total}" if total else f"{done}"
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total or None, visible=self._is_slow())
        elif self._is_slow() and now - self._said > LINE_EVERY_SECONDS:
            self._line(self._stage, self._counts)

    def note(self, text: str) -> None:
        """Say something about the stage."""
        self._line("", text)

    def _begin(self, name: str) -> None:
        self._stage, self._began, self._counts = name, time.monotonic(), ""
        self._said = self._began
        if self.console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True)
            self._bar.add_task(f"{name:<10}", total=None)
            self._bar.start()

    def _end(self, how: str) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._stage:
            counts = f"{self._counts}, " if self._counts else ""
            self._line(self._stage, f"{how}, {counts}{time.monotonic() - self._began:.1f} s")
        self._stage = ""

    def _is_slow(self) -> bool:
        return time.monotonic() - self._began > BAR_AFTER_SECONDS

    def _line(self, name: str, text: str) -> None:
        self._said = time.monotonic()
        self.console.print(f"{name:<10} {text}", markup=False)
