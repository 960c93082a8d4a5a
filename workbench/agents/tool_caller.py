"""The tool-calling pattern: find the tool, fill its arguments, or abstain."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import dspy
from dspy.utils.exceptions import AdapterParseError
from pydantic import JsonValue

from workbench.agents.schema import argument_schema
from workbench.agents.spec import AgentSpec
from workbench.agents.trace import Recorder
from workbench.core import Corpus, Document, Prediction, ToolCall, ToolSpec, canonical_json, tool_id
from workbench.lms import scope
from workbench.retrieval import ANYONE, Hit, Index, IndexSpec, View, build_index


class ChooseTool(dspy.Signature):
    """Choose the tool that serves the request."""

    tools: list[str] = dspy.InputField()
    request: str = dspy.InputField()
    choice: str = dspy.OutputField()


class FillArguments(dspy.Signature):
    """Call the tool: take each argument from the request."""

    tool: str = dspy.InputField()
    request: str = dspy.InputField()
    arguments: str = dspy.OutputField()


class ToolCaller(dspy.Module):
    """Retrieve tools, choose one, fill its arguments; abstain where nothing is similar enough.

    Predictors: `choose` (asked only if k > 1) and `fill`. The demos of `fill` are the solved requests
    that fixed and nearest demos are drawn from.
    """

    taught = "fill"
    """The predictor whose demos are the solved requests."""

    def __init__(self, spec: AgentSpec, index: Index) -> None:
        super().__init__()
        self.spec = spec
        self.index = index
        self._documents = {document.doc_id: document for document in index.corpus.documents}
        self.choose = dspy.Predict(ChooseTool)
        self.fill = dspy.Predict(FillArguments)
        self._solved: _Solved | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> "ToolCaller":
        """Optimizers copy programs: predictors are copied, the index is shared."""
        copied = ToolCaller(self.spec, self.index)
        for name, predictor in self.named_predictors():
            setattr(copied, name, predictor.deepcopy())
        return copied

    @property
    def asked(self) -> tuple[str, ...]:
        """The predictors that are ever asked; an optimizer can change the others, and nothing comes of it."""
        return ("choose", "fill") if self.spec.k > 1 else ("fill",)

    def forward(self, request: str, view: View = ANYONE) -> dspy.Prediction:
        """Answer one request with a tool that the view allows; the result is in the field `prediction`."""
        recorder = Recorder()
        hits = self._rank(request, recorder, view)
        ranked = tuple(hit.doc_id for hit in hits)
        if not hits or _similarity(hits) < self.spec.abstain_below:
            return dspy.Prediction(prediction=Prediction(ranked=ranked, abstained=True, steps=recorder.steps()))
        tool = self._choose(request, hits, recorder)
        call, problem = self._fill(request, tool, recorder)
        steps = recorder.steps()
        return dspy.Prediction(prediction=Prediction(ranked=ranked, call=call, malformed=problem, steps=steps))

    def rank(self, request: str) -> tuple[Sequence[Hit], float]:
        """The ranked tools and their best similarity in [0, 1]: all that is decided before a model is asked."""
        hits = self._rank(request, Recorder(), ANYONE)
        return hits, _similarity(hits)

    def _rank(self, request: str, recorder: Recorder, view: View) -> Sequence[Hit]:
        started = time.perf_counter()
        hits: Sequence[Hit] = self.index.search(request, max(10, self.spec.k), view)
        found: list[JsonValue] = [{"tool": hit.doc_id, "score": round(hit.score, 6)} for hit in hits]
        recorder.add("retrieve_tools", "retriever", {"query": request}, {"tools": found}, started)
        return hits

    def _choose(self, request: str, hits: Sequence[Hit], recorder: Recorder) -> ToolSpec:
        tools = [cast("ToolSpec", self._documents[hit.doc_id].tool) for hit in hits[: self.spec.k]]
        if len(tools) == 1:
            return tools[0]
        names = list(dict.fromkeys(tool.name for tool in tools))
        shown = [f"- {tool.name}: {tool.description}" for tool in tools]
        started = time.perf_counter()
        with scope(module="choose"):
            try:
                answer = self.choose(
                    tools=shown, request=request, config=_constrained("choice", {"type": "string", "enum": [*names]})
                )
                choice = _unquoted(str(answer.choice))
            except AdapterParseError:
                choice = ""
        shown_names: list[JsonValue] = [*names]
        recorder.add("choose_tool", "lm", {"tools": shown_names, "request": request}, {"choice": choice}, started)
        # What is none of the names says nothing: retrieval's first stands.
        return next((tool for tool in tools if tool.name == choice), tools[0])

    def _fill(self, request: str, tool: ToolSpec, recorder: Recorder) -> tuple[ToolCall | None, str]:
        demos = self._demos(request, tool)
        schema = argument_schema(tool, self.spec.arguments)
        started = time.perf_counter()
        with scope(module="fill"):
            try:
                answer = self.fill(
                    tool=tool.model_dump_json(), request=request, demos=demos, config=_constrained("arguments", schema)
                )
                text = str(answer.arguments)
            except AdapterParseError:
                text = ""
        arguments, problem = _arguments(text)
        outputs: dict[str, JsonValue] = {"arguments": text, "malformed": problem}
        inputs: dict[str, JsonValue] = {"tool": tool.name, "request": request, "demos": len(demos)}
        recorder.add("fill_arguments", "lm", inputs, outputs, started)
        if arguments is None:
            return None, problem
        return ToolCall(tool_id=tool_id(tool), name=tool.name, arguments=arguments), ""

    def _demos(self, request: str, tool: ToolSpec) -> list[dspy.Example]:
        if self.spec.demo_choice == "fixed" or not self.spec.demos:
            return list(self.fill.demos[: self.spec.demos])
        nearest = self._nearest(f"{tool.name} {tool.name}\n{request}", self.spec.demos)
        # The most similar one stands last, next to the request: small models copy what is near.
        return list(reversed(nearest))

    def _nearest(self, query: str, count: int) -> list[dspy.Example]:
        if not self.fill.demos:
            return []
        solved = self._solved_requests()
        return [solved.demos[int(hit.doc_id)] for hit in solved.index.search(query, count)]

    def _solved_requests(self) -> "_Solved":
        """The demos of `fill` with an index over them, made anew when an optimizer has changed them."""
        demos, solved = tuple(self.fill.demos), self._solved
        if solved is None or solved.demos != demos:
            documents = tuple(_solved(number, demo) for number, demo in enumerate(demos))
            corpus = Corpus(name="solved requests", documents=documents)
            solved = self._solved = _Solved(demos, build_index(corpus, IndexSpec(retriever="bm25")))
        return solved


@dataclass(frozen=True)
class _Solved:
    """Solved requests that can be searched; document i is demo i."""

    demos: tuple[dspy.Example, ...]
    index: Index


def _solved(number: int, demo: dspy.Example) -> Document:
    name = ToolSpec.model_validate_json(demo["tool"]).name
    return Document(doc_id=f"{number:06d}", text=f"{name}\n{demo['request']}", title=name)


def _similarity(hits: Sequence[Hit]) -> float:
    """The best similarity among the hits in [0, 1]; 1 where the index has no vectors, so that nothing abstains."""
    known = [hit.parts["dense_similarity"] for hit in hits if "dense_similarity" in hit.parts]
    return max(0.0, *known) if known else 1.0


def _constrained(name: str, schema: dict[str, JsonValue]) -> dict[str, object]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}}


def _unquoted(text: str) -> str:
    """The text of a JSON string; text that is none stays as it is."""
    try:
        return str(json.loads(text)) if text.startswith('"') else text
    except json.JSONDecodeError:
        return text


def _arguments(text: str) -> tuple[dict[str, JsonValue] | None, str]:
    """The arguments in a model's answer, or None and why there are none.

    What json reads but JSON can't carry is refused: NaN, infinity, half a character, a number without end.
    """
    try:
        value = json.loads(text)
        canonical_json(value)
    except json.JSONDecodeError as cause:
        return None, f"arguments are not JSON: {cause.msg} at character {cause.pos}" if text else "the answer is empty"
    except (ValueError, RecursionError) as cause:
        return None, f"arguments are not JSON: {cause}"
    if not isinstance(value, dict):
        return None, f"arguments are a JSON {type(value).__name__}, not an object"
    return value, ""
