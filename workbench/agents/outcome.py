"""What became of a run: one of five typed ends, with the work so far."""

from typing import Literal

from pydantic import Field, JsonValue

from workbench.core import Manner, Prediction, Record, Step
from workbench.safety import Label
from workbench.tools import Call, Result

OutcomeKind = Literal["answered", "clarify", "confirm", "handed_over", "failed"]
"""Answered: the request is done or replied to. Clarify: the user is asked. Confirm: a call waits for an approval.
Handed over: a person goes on from the work so far. Failed: the model said nothing usable, or can't be asked."""

_MANNERS: dict[OutcomeKind, Manner] = {"clarify": "clarify", "confirm": "escalate", "handed_over": "escalate"}


RESUMABLE = ("model_failed", "budget")
"""Codes of ends that nobody decided: the same run may go on later."""


class Limits(Record):
    """What one run may use. Tokens are counted before each question, so that the last one may go beyond."""

    steps: int = Field(default=12, ge=1, le=100)
    tokens: int = Field(default=50_000, ge=1)


class Known(Record):
    """Something that a model may be shown beside the request, such as a memory."""

    name: str = Field(min_length=1)
    value: JsonValue
    label: Label


class Act(Record):
    """A call that was made, and what came of it."""

    call: Call
    result: Result
    label: Label
    """Of what a model learns from it: also that it failed, which its tool may have decided."""
    started: float
    """Seconds since 1970."""
    milliseconds: float = Field(ge=0)


class Outcome(Record):
    """How a run stands when it no longer goes on by itself."""

    run_id: str
    """By which it is resumed; empty if it can't be."""
    kind: OutcomeKind
    text: str
    """The answer, the question, or why it ended; for a person, and written by a model or by us."""
    label: Label
    """Of the text."""
    code: str = ""
    """Why it is not answered, stable for programs."""
    approval_id: str = ""
    """What a person is asked to grant, if it is to confirm."""
    request: str
    work: tuple[Act, ...] = ()
    """What was done and found, in order: what a person goes on from."""

    def prediction(self) -> Prediction:
        """The same as evaluation sees it: whatever is not answered is an abstention, a failure is malformed."""
        return Prediction(
            answer=self.text if self.kind == "answered" else None,
            abstained=self.kind in _MANNERS,
            manner=_MANNERS.get(self.kind),
            malformed=self.text if self.kind == "failed" else "",
            steps=tuple(_step(act, self.work[0].started) for act in self.work),
        )


def _step(act: Act, began: float) -> Step:
    result = act.result
    return Step(
        name=act.call.tool,
        kind="tool",
        inputs=act.call.arguments,
        outputs={"kind": result.kind, "value": result.value},
        start_milliseconds=max(0.0, (act.started - began) * 1000),
        milliseconds=act.milliseconds,
        error="" if result.kind == "done" else f"{result.code}: {result.message}",
    )
