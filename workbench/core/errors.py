"""The errors a person can meet, drawn once.

    WorkbenchError                 one line for a person, exit 2
    ├─ ConfigError                 an experiment file, a setting or a flag is wrong
    ├─ DataError                   a data set, case or line of a file is wrong
    ├─ RetrievalError              a corpus or index is wrong
    ├─ LMError                     a language model can't be reached or answered wrongly
    │  └─ CassetteMiss             a replayed model was asked what was never recorded
    ├─ AgentError                  an agent can't be built from its spec
    ├─ BudgetExceeded              a reservation that no longer fits
    ├─ EvaluationError             an evaluation can't begin or is inconsistent
    ├─ OptimizeError               an optimizer can't work with what it was given
    ├─ TrackingError               the tracking store refuses
    └─ PackageError                a package can't be written, verified or loaded
       ├─ GateNotPassed            there is no passing verdict
       └─ ChecksumMismatch         a file is not what the manifest says

A message names the noun, its name, where it stands, what is wrong and what to do.
"""

import difflib
from collections.abc import Iterable


class WorkbenchError(Exception):
    """Something a person can put right; its text is shown as one line."""


class ConfigError(WorkbenchError):
    """An experiment file, a setting or a flag is wrong."""


class DataError(WorkbenchError):
    """A data set, case or line of a file is wrong."""


class RetrievalError(WorkbenchError):
    """A corpus or an index is wrong."""


class LMError(WorkbenchError):
    """A language model can't be reached, or broke its contract."""


class CassetteMiss(LMError):
    """A replayed model was asked something that was never recorded."""


class AgentError(WorkbenchError):
    """An agent can't be built from its spec."""


class BudgetExceeded(WorkbenchError):
    """A reservation does not fit what is left of a budget; nothing was spent."""


class EvaluationError(WorkbenchError):
    """An evaluation can't begin, or its parts don't belong together."""


class OptimizeError(WorkbenchError):
    """An optimizer can't work with what it was given."""


class TrackingError(WorkbenchError):
    """The tracking store refuses, or lacks what was asked for."""


class PackageError(WorkbenchError):
    """A package can't be written, verified or loaded."""


class GateNotPassed(PackageError):
    """An export or a start without a passing verdict."""


class ChecksumMismatch(PackageError):
    """A file of a package is not what its manifest says."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that ends an error about an unknown name.

    >>> nearest("taks_success", ["task_success", "mrr"])
    'did you mean "task_success"?'
    >>> nearest("zzz", ["mrr", "abstention"])
    'known: abstention, mrr'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f'did you mean "{close[0]}"?' if close else f"known: {', '.join(names)}"


class boundary:  # noqa: N801 - reads as what it is used for; a generator in its place costs three times as much
    """Turn whatever foreign code raises inside into `error`, with the cause kept.

    The only place that catches `Exception`. A WorkbenchError passes unchanged; so does a
    KeyboardInterrupt.
    """

    def __init__(self, error: type[WorkbenchError], what: str) -> None:
        self._error = error
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, cause: BaseException | None, trace: object) -> None:
        if isinstance(cause, Exception) and not isinstance(cause, WorkbenchError):
            raise self._error(f"{self._what}: {type(cause).__name__}: {cause}") from cause
