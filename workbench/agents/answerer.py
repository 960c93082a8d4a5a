"""The answer pattern: find passages, answer from them, name the sources."""

import json
import time

import dspy
from dspy.utils.exceptions import AdapterParseError
from pydantic import JsonValue

from workbench.agents.citation import RETRIEVED, cite
from workbench.agents.spec import AgentSpec
from workbench.agents.trace import Recorder
from workbench.core import Prediction
from workbench.lms import scope
from workbench.retrieval import ANYONE, Index, LiveIndex, View, passages_of


class AnswerFromPassages(dspy.Signature):
    """Answer the request from the passages."""

    passages: list[str] = dspy.InputField()
    request: str = dspy.InputField()
    answer: str = dspy.OutputField()


MOST_CHARACTERS = 400


class Answerer(dspy.Module):
    """Retrieve k passages and answer from them; abstain where nothing is similar enough. Predictor: `respond`."""

    taught = "respond"
    """The predictor whose demos are the solved requests."""
    asked = ("respond",)
    """The predictors that are ever asked."""

    def __init__(self, spec: AgentSpec, index: Index | LiveIndex) -> None:
        super().__init__()
        self.spec = spec
        self.index = index
        self._source = passages_of(index)
        self.respond = dspy.Predict(AnswerFromPassages)

    def __deepcopy__(self, memo: dict[int, object]) -> "Answerer":
        """Optimizers copy programs: the predictor is copied, the index is shared."""
        copied = Answerer(self.spec, self.index)
        copied.respond = self.respond.deepcopy()
        return copied

    def forward(self, request: str, view: View = ANYONE) -> dspy.Prediction:
        """Answer one request from what the view allows; the result is in the field `prediction`."""
        recorder = Recorder()
        started = time.perf_counter()
        found = self._source.passages(request, self.spec.k, view)
        ranked = tuple(one.hit.doc_id for one in found)
        hits: list[JsonValue] = [cite(one).model_dump(mode="json") for one in found]
        inputs: dict[str, JsonValue] = {"query": request, "view": view.model_dump(mode="json")}
        recorder.add(RETRIEVED, "retriever", inputs, {"documents": list(ranked), "hits": hits}, started)
        similar = max((one.hit.parts.get("dense_similarity", 1.0) for one in found), default=0.0)
        if not found or similar < self.spec.abstain_below:
            return dspy.Prediction(prediction=Prediction(ranked=ranked, abstained=True, steps=recorder.steps()))
        passages = [one.document.text for one in found]
        text, problem = self._respond(request, passages, recorder)
        steps = recorder.steps()
        return dspy.Prediction(prediction=Prediction(ranked=ranked, answer=text, malformed=problem, steps=steps))

    def _respond(self, request: str, passages: list[str], recorder: Recorder) -> tuple[str | None, str]:
        schema: dict[str, JsonValue] = {"type": "string", "maxLength": MOST_CHARACTERS}
        constraint = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        started = time.perf_counter()
        with scope(module="respond"):
            try:
                reply = self.respond(
                    passages=passages,
                    request=request,
                    demos=self.respond.demos[: self.spec.demos],
                    config={"response_format": constraint},
                )
                text, problem = _unquoted(str(reply.answer))
            except AdapterParseError:
                text, problem = None, "the answer is empty"
        recorder.add("answer", "lm", {"request": request}, {"answer": text, "malformed": problem}, started)
        return text, problem


def _unquoted(text: str) -> tuple[str | None, str]:
    """The text of a JSON string, and why there is none; text that is not JSON stays as it is.

    A string without its end was cut at the token limit: what it would have said is not known.
    """
    if not text.startswith('"'):
        return text, ""
    try:
        return str(json.loads(text)), ""
    except json.JSONDecodeError as cause:
        cut = cause.msg.startswith("Unterminated string")
        return (None, "the answer was cut before its end") if cut else (text, "")
