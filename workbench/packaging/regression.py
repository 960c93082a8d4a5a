"""Recorded cases: what a package must answer for ever, and how that is checked without a language model."""

import time
from collections.abc import Collection, Sequence

from pydantic import JsonValue

from workbench.agents import Agent
from workbench.core import CassetteMiss, PackageError, Prediction, Record
from workbench.lms import Recording
from workbench.packaging.parts import RecordedCase, Regression
from workbench.safety import Redactor


class Replayed(Record):
    """What came of answering recorded cases again."""

    same: int
    different: tuple[str, ...]
    """Ids of the cases that were answered otherwise."""
    unrecorded: tuple[str, ...]
    """Ids of the cases that need an answer which is not in the cassette."""
    left: int
    """Cases that were not begun when the time was over."""


def answer_alone(prediction: Prediction) -> Prediction:
    """The prediction without its steps: what must not change."""
    return Prediction(
        ranked=prediction.ranked,
        call=prediction.call,
        answer=prediction.answer,
        abstained=prediction.abstained,
        malformed=prediction.malformed,
    )


def replay(agent: Agent, cases: Sequence[RecordedCase], *, most_seconds: float) -> Replayed:
    """Answer each case again with the agent's replayed model and compare with what was recorded.

    No case is begun once `most_seconds` are over.
    """
    ends = time.monotonic() + most_seconds
    same = 0
    different: list[str] = []
    unrecorded: list[str] = []
    for position, recorded in enumerate(cases):
        if time.monotonic() > ends:
            left = len(cases) - position
            return Replayed(same=same, different=tuple(different), unrecorded=tuple(unrecorded), left=left)
        try:
            answered = answer_alone(agent(recorded.case.request, recorded.view))
        except CassetteMiss:
            unrecorded.append(recorded.case.case_id)
            continue
        if answered == answer_alone(recorded.prediction):
            same += 1
        else:
            different.append(recorded.case.case_id)
    return Replayed(same=same, different=tuple(different), unrecorded=tuple(unrecorded), left=0)


def clean_recordings(recordings: Sequence[Recording], redactor: Redactor) -> tuple[Recording, ...]:
    """The recordings that hold nothing to redact, sorted by key, each once.

    A redacted answer would be another answer, so what holds something is left out instead.
    """
    unique = {recording.key: recording for recording in recordings}
    return tuple(unique[key] for key in sorted(unique) if redactor.json(unique[key].response) == unique[key].response)


def keep_cases(
    agent: Agent, cases: Sequence[RecordedCase], *, dirty: bool, redactor: Redactor
) -> tuple[tuple[RecordedCase, ...], Regression]:
    """The cases that can ship, sorted by id: those that hold nothing to redact and that the cassette answers.

    `dirty` says that recordings were left out, so that a case may lack its own.

    Raises: PackageError if a case is answered otherwise than recorded, or misses a recording that was never given.
    """
    ordered = sorted(cases, key=lambda recorded: recorded.case.case_id)
    clean = [recorded for recorded in ordered if _is_clean(recorded, redactor)]
    replayed = replay(agent, clean, most_seconds=float("inf"))
    if replayed.different:
        raise PackageError(
            f"case {replayed.different[0]!r}: the agent answers otherwise than recorded; record it again with this one"
        )
    if replayed.unrecorded and not dirty:
        raise PackageError(
            f"case {replayed.unrecorded[0]!r}: the recordings lack an answer it needs; record it again with this agent"
        )
    kept = tuple(
        recorded.model_copy(update={"prediction": answer_alone(recorded.prediction)})
        for recorded in clean
        if recorded.case.case_id not in replayed.unrecorded
    )
    return kept, Regression(kept=len(kept), left_out=_missing(ordered, {recorded.case.case_id for recorded in kept}))


def _missing(cases: Sequence[RecordedCase], kept: Collection[str]) -> tuple[str, ...]:
    return tuple(recorded.case.case_id for recorded in cases if recorded.case.case_id not in kept)


def _is_clean(recorded: RecordedCase, redactor: Redactor) -> bool:
    answered = answer_alone(recorded.prediction)
    held: list[JsonValue] = [recorded.case.model_dump(mode="json"), answered.model_dump(mode="json")]
    return redactor.json(held) == held
