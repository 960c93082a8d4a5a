"""An engine that answers in time or not at all."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TypeAlias, cast

from dspy.lm15 import LM15Error, Request, Response, TimeoutError

from workbench.core import LMError, WorkbenchError, boundary

Outcome: TypeAlias = Response | LM15Error | WorkbenchError


class TimedEngine:
    """Bounds one attempt as a whole; a provider's own time limits only bound the wait for the next byte.

    What is overdue is left alone: its thread ends with its connection or with the process.
    """

    def __init__(self, complete: Callable[[Request], Response], seconds: float) -> None:
        self._complete = complete
        self._seconds = seconds

    def complete(self, request: Request) -> Response:
        """Answer. Raises: lm15's TimeoutError; what the engine raises, and LMError for what is no error of models."""
        outcomes: SimpleQueue[Outcome] = SimpleQueue()
        work = (self._work, request, outcomes)
        threading.Thread(target=copy_context().run, args=work, daemon=True, name="model").start()
        try:
            outcome = outcomes.get(timeout=self._seconds)
        except Empty:
            raise TimeoutError(f"no whole answer within {self._seconds:g} s") from None
        if isinstance(outcome, Response):
            return outcome
        raise outcome

    def _work(self, request: Request, outcomes: SimpleQueue[Outcome]) -> None:
        try:
            with boundary(LMError, f"lm {request.model!r}: its client failed"):
                outcomes.put(self._tried(request))
        except WorkbenchError as error:
            outcomes.put(error)

    def _tried(self, request: Request) -> Outcome:
        try:
            return cast("Outcome", self._complete(request))
        except LM15Error as error:
            return cast("Outcome", error)
