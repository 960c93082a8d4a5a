"""Cassettes: answers that were paid for once, replayed for ever."""

from collections.abc import Iterable, Sequence

from dspy._vendor.lm15.serde import response_from_dict
from dspy.lm15 import Request, Response
from pydantic import JsonValue

from workbench.core import CassetteMiss, Record
from workbench.lms.accounted import question
from workbench.lms.repeats import Repeats, repeated
from workbench.lms.store import CallStore

MOST_REPEATS = 64
"""How many askings of one sampled question are looked for in a cassette."""


class Recording(Record):
    """One recorded answer; of the question only its digest is kept."""

    key: str
    response: dict[str, JsonValue]


class ReplayEngine:
    """Answers what was recorded and nothing else; never reaches a model.

    The repeats of a sampled question are answered in the order they were recorded in, then from the first again.
    """

    def __init__(self, recordings: Iterable[Recording], identity: str) -> None:
        """`identity` is that of the model that was recorded: see `Terms`."""
        self._responses = {recording.key: recording.response for recording in recordings}
        self._identity = identity
        self._repeats = Repeats()

    def complete(self, request: Request) -> Response:
        """The recorded answer.

        Raises: CassetteMiss if this exact question was never recorded.
        """
        key = question(request, self._identity)
        keys = [key]
        if request.config.temperature:
            keys = [repeated(key, nth) for nth in range(1, MOST_REPEATS + 1)]
        recorded = [self._responses[one] for one in keys if one in self._responses]
        if not recorded:
            raise CassetteMiss(
                f"question {key[:12]!r}: was never recorded; record the cassette anew with the real model"
            )
        nth = self._repeats.take("", key)
        return response_from_dict(recorded[(nth - 1) % len(recorded)])

    def __deepcopy__(self, memo: dict[int, object]) -> "ReplayEngine":
        """Shared, so that repeats go on being counted."""
        return self


def record(store: CallStore, keys: Sequence[str]) -> tuple[Recording, ...]:
    """Cut a cassette from a call store: the kept answers to `keys`, sorted by key, each once.

    Raises: CassetteMiss if one was never paid for.
    """
    answers = store.answers(sorted(set(keys)))
    missing = sorted(set(keys) - set(answers))
    if missing:
        raise CassetteMiss(
            f"question {missing[0][:12]!r}: is not in call store {str(store.path)!r}; run the case first"
        )
    return tuple(Recording.model_validate({"key": key, "response": answers[key].response}) for key in sorted(answers))
