"""An engine that answers in time or not at all."""

from collections.abc import Callable
from functools import partial
from typing import cast

from dspy.lm15 import LM15Error, Request, Response, TimeoutError

from workbench.core import LMError, Overdue, Workers, boundary


class TimedEngine:
    """Bounds one attempt as a whole; a provider's own time limits only bound the wait for the next byte.

    What is overdue is left alone: its thread ends with its connection or with the process.
    """

    def __init__(self, complete: Callable[[Request], Response], seconds: float) -> None:
        self._complete = complete
        self._seconds = seconds
        self._workers = Workers()

    def complete(self, request: Request) -> Response:
        """Answer. Raises: lm15's TimeoutError; what the engine raises, and LMError for what is no error of models."""
        try:
            with boundary(LMError, f"lm {request.model!r}: its client failed"):
                outcome = self._workers.run(partial(self._tried, request), seconds=self._seconds)
        except Overdue:
            raise TimeoutError(f"no whole answer within {self._seconds:g} s") from None
        if isinstance(outcome, Response):
            return outcome
        raise outcome

    def _tried(self, request: Request) -> Response | LM15Error:
        """A provider's error is an answer here, so that the boundary does not change it."""
        try:
            return cast("Response", self._complete(request))
        except LM15Error as error:
            return cast("LM15Error", error)
