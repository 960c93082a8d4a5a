"""A language model as a judge: a versioned artefact that is asked, understood, and blamed for its own mistakes.

A `Judge` is prompt, model, scale and parser in one record; its digest is its version, so whoever changes a word of
the prompt has another judge, which has to earn its admission anew. `judge_metric` makes a metric of it that is
unscored until then.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic import Field, JsonValue, model_validator

from workbench.core import (
    INAPPLICABLE,
    BudgetExceeded,
    Case,
    Episode,
    EvaluationError,
    ExpectedAnswer,
    LMError,
    Prediction,
    Record,
    Score,
    WorkbenchError,
    boundary,
    digest_json,
)
from workbench.evals.admission import Admission, Guarded
from workbench.evals.groundedness import retrieved
from workbench.evals.metric import Mark, foreign_score, unanswered

if TYPE_CHECKING:  # reading a judge must not load a language-model library
    import dspy

    from workbench.lms import LMSpec

JUDGING = "judge:"
"""What the ledger's name of a module begins with where a judge asked and not the agent."""
_HOLE = re.compile(r"\{(request|answer|expected|passages)\}")


class Grade(Record):
    """A word of the judge, and what it is worth."""

    label: str = Field(min_length=1)
    score: float = Field(ge=0, le=1)
    """Higher is better; from 0.5 on the answer counts as sound."""


class Judge(Record):
    """Everything that decides what a judge says; its digest is its version."""

    name: str = Field(min_length=1)
    """Of the metric."""
    prompt: str
    """With holes: {answer}, and if wanted {request}, {passages} (what the agent retrieved) and {expected}. The answer
    of an agent that calls a tool instead of speaking is the call as JSON."""
    model: str
    model_identity: str
    """Digest of who answers: model, address, weights."""
    temperature: float
    max_tokens: int
    scale: tuple[Grade, ...] = Field(min_length=2)
    parser: Literal["last-line@1", "first-line@1"] = "last-line@1"
    """Which line of the reply holds the verdict: the last, after the reasons, or the first. It must have one label, as
    a word of its own, whatever the case; a reply that was cut has none there."""

    @model_validator(mode="after")
    def _can_be_asked(self) -> "Judge":
        labels = [grade.label.lower() for grade in self.scale]
        if len(set(labels)) < len(labels):
            raise ValueError(f"judge {self.name!r}: its scale has a label twice; give each once")
        if "{answer}" not in self.prompt:
            raise ValueError(f"judge {self.name!r}: its prompt has no {{answer}}, so it could not see what it judges")
        if not any(grade.score < 0.5 for grade in self.scale) or not any(grade.score >= 0.5 for grade in self.scale):
            raise ValueError(f"judge {self.name!r}: its scale can't tell sound from faulty; give scores on both sides")
        return self

    def read(self, reply: str) -> Grade | None:
        """The verdict in a reply; None if it has none, or more than one."""
        lines = [line for line in reply.splitlines() if line.strip()]
        if not lines:
            return None
        known = {grade.label.lower(): grade for grade in self.scale}
        labels = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))  # "not sound" before "sound"
        line = lines[-1 if self.parser == "last-line@1" else 0]
        found = set(re.findall(rf"(?<!\w)(?:{labels})(?!\w)", line.lower()))
        return known[found.pop()] if len(found) == 1 else None


def make_judge(name: str, prompt: str, *, spec: "LMSpec", scale: Mapping[str, float]) -> Judge:
    """A judge that asks the model of `spec`; `scale` gives each label's score.

    >>> from workbench.lms import LMSpec
    >>> scale = {"sound": 1.0, "faulty": 0.0}
    >>> judge = make_judge("sound", "Is it sound or faulty? {answer}", spec=LMSpec(model="scripted"), scale=scale)
    >>> judge.read("It misses the point.\\nVerdict: Faulty.").score
    0.0
    >>> judge.read("Sound or faulty?") is None
    True
    """
    from workbench.lms import identity  # noqa: PLC0415

    return Judge(
        name=name,
        prompt=prompt,
        model=spec.model,
        model_identity=identity(spec),
        temperature=spec.temperature,
        max_tokens=spec.max_tokens,
        scale=tuple(Grade(label=label, score=score) for label, score in scale.items()),
    )


def judge_metric(
    judge: Judge,
    lm: "dspy.LM",
    *,
    admission: Admission | None = None,
    texts: Mapping[str, str] | None = None,
    called: str = "",
) -> Guarded:
    """The judge as a metric that asks `lm`; unscored until it holds an admission of its own.

    `texts` gives the text of each document that retriever steps name by its id, for {passages}. `called` is the
    metric's name if not the judge's: the judge stays the same.
    Raises: EvaluationError if `lm` is another model than the judge's, or is asked otherwise.
    """
    asked = (str(lm.model), lm.kwargs.get("temperature"), lm.kwargs.get("max_tokens"))
    due = (judge.model, judge.temperature, judge.max_tokens)
    if asked != due:
        raise EvaluationError(f"judge {judge.name!r}: asks {due}, and was given {asked}; connect its own model")
    held = (texts or {}) if "{passages}" in judge.prompt else {}
    return Guarded(_Asking(judge, lm, held, called or judge.name), admission, digest_json(dict(held)) if held else "")


def ask(lm: "dspy.LM", prompt: str, who: str) -> str:
    """The first answer of a model to a prompt.

    Raises: BudgetExceeded if it is no longer paid for, which dspy hides behind an error of its own; LMError otherwise.
    """
    try:
        with boundary(LMError, f"{who}: does not answer"):
            return str(lm(prompt)[0])
    except WorkbenchError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, BudgetExceeded):
            cause = cause.__cause__
        raise cause or error from error


class _GraderError(WorkbenchError):
    """The judge failed, not who is judged."""


@dataclass(frozen=True)
class _Asking:
    """Asks for each episode; knows nothing of admission."""

    judge: Judge
    lm: "dspy.LM" = field(repr=False)
    texts: Mapping[str, str] = field(repr=False)
    name: str

    @property
    def digest(self) -> str:
        return self.judge.digest

    def __call__(self, case: Case, episode: Episode) -> Score:
        return foreign_score(self.name, case, episode, self._mark)

    def _mark(self, case: Case, episode: Episode) -> Mark:
        prediction = episode.prediction
        if prediction is None:
            return unanswered(episode)
        answer = _said(prediction)
        if not answer:
            return Mark(None, f"{INAPPLICABLE}there is no answer to judge")
        expected = " | ".join(case.task.answers) if isinstance(case.task, ExpectedAnswer) else ""
        if "{expected}" in self.judge.prompt and not expected:
            return Mark(None, f"{INAPPLICABLE}the case expects no text: {case.expected.kind}")
        holes = {
            "request": case.request,
            "answer": answer,
            "expected": expected,
            "passages": self._passages(prediction),
        }
        # In one pass: what an agent wrote can't open another hole.
        reply = self._ask(case, _HOLE.sub(lambda hole: holes[hole.group(1)], self.judge.prompt))
        grade = self.judge.read(reply)
        if grade is None:
            labels = ", ".join(grade.label for grade in self.judge.scale)
            raise _GraderError(f"judge {self.name!r}: its reply has not one verdict of {labels}: {_end(reply)!r}")
        return Mark(grade.score, "" if grade.score == 1 else f"judged {grade.label!r}: {_end(reply)}")

    def _passages(self, prediction: Prediction) -> str:
        if "{passages}" not in self.judge.prompt:
            return ""
        passages, lacking = retrieved(prediction, self.texts)
        if lacking:
            raise _GraderError(f"document {lacking[0]!r}: its text is not known here; pass the corpus's texts")
        return "\n\n".join(passages or ())

    def _ask(self, case: Case, prompt: str) -> str:
        from workbench.lms import scope  # noqa: PLC0415

        with scope(case=case.case_id, module=JUDGING + self.name):
            return ask(self.lm, prompt, f"judge {self.name!r}")


def _said(prediction: Prediction) -> str:
    """What the agent answered: its text, or the call that it wants to make; empty if it did neither."""
    if prediction.answer or prediction.call is None:
        return prediction.answer or ""
    call: dict[str, JsonValue] = {"tool": prediction.call.name, "arguments": prediction.call.arguments}
    return json.dumps(call, ensure_ascii=False)


def _end(reply: str) -> str:
    """What a person reads of a reply."""
    text = " ".join(reply.split())
    return text if len(text) <= 200 else f"…{text[-200:]}"
