"""OpenTelemetry traces of generative-AI agents, as OTLP JSON: one episode for each trace.

Source: OpenTelemetry, Semantic Conventions for generative AI: agent spans, client spans, and the event
`gen_ai.evaluation.result`; OTLP's JSON encoding, where whole numbers may be texts.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter

from workbench.core import DataError, Episode, Prediction, Score, Step, Usage
from workbench.datasets.recording import (
    Attempt,
    Foreign,
    Origin,
    Recorded,
    assemble,
    content,
    failed,
    lines,
    parse,
    scored,
    stem,
    unscored,
)

Kind = Literal["lm", "tool", "chain", "retriever"]
_KINDS: Mapping[str, Kind] = {
    "chat": "lm",
    "text_completion": "lm",
    "generate_content": "lm",
    "execute_tool": "tool",
    "embeddings": "retriever",
    "retrieval": "retriever",
    "invoke_agent": "chain",
    "invoke_workflow": "chain",
    "create_agent": "chain",
    "plan": "chain",
}
"""The step that a span of each `gen_ai.operation.name` is; spans of no such operation are none."""
_LABELS = {"pass": 1.0, "passed": 1.0, "correct": 1.0, "fail": 0.0, "failed": 0.0, "incorrect": 0.0}
"""Values of evaluations that have a label and no number."""
_EVALUATION = "gen_ai.evaluation.result"


class _Value(Foreign):
    model_config = ConfigDict(strict=False)  # 64-bit numbers are texts in OTLP's JSON, or numbers in what others write

    text: str | None = Field(default=None, alias="stringValue")
    whole: int | None = Field(default=None, alias="intValue")
    number: float | None = Field(default=None, alias="doubleValue")
    truth: bool | None = Field(default=None, alias="boolValue")
    array: "_Values | None" = Field(default=None, alias="arrayValue")
    table: "_Attributes | None" = Field(default=None, alias="kvlistValue")

    def plain(self) -> JsonValue:
        """The value as JSON has it."""
        if self.array is not None:
            return [value.plain() for value in self.array.values]
        if self.table is not None:
            return _plain(self.table.values)
        given = (self.text, self.whole, self.number, self.truth)
        return next((value for value in given if value is not None), None)


class _Values(Foreign):
    values: list[_Value] = Field(default_factory=list)


class _Attribute(Foreign):
    key: str
    value: _Value = Field(default_factory=_Value)


class _Attributes(Foreign):
    values: list[_Attribute] = Field(default_factory=list)


class _Event(Foreign):
    name: str = ""
    attributes: list[_Attribute] = Field(default_factory=list)


class _Status(Foreign):
    code: int | str = 0
    message: str = ""


class _Span(Foreign):
    model_config = ConfigDict(strict=False)  # as above: times are texts

    trace: str = Field(alias="traceId", min_length=1)
    span: str = Field(alias="spanId", min_length=1)
    parent: str = Field(default="", alias="parentSpanId")
    name: str = ""
    start: int = Field(alias="startTimeUnixNano", ge=0)
    end: int = Field(alias="endTimeUnixNano", ge=0)
    attributes: list[_Attribute] = Field(default_factory=list)
    events: list[_Event] = Field(default_factory=list)
    status: _Status = _Status()


class _Scope(Foreign):
    spans: list[_Span] = Field(default_factory=list)


class _Resource(Foreign):
    attributes: list[_Attribute] = Field(default_factory=list)


class _Group(Foreign):
    resource: _Resource = _Resource()
    scopes: list[_Scope] = Field(default_factory=list, alias="scopeSpans")


class _Export(Foreign):
    groups: list[_Group] = Field(alias="resourceSpans")


_EXPORT = TypeAdapter(_Export)


class _Node(Foreign):
    """A span with its attributes as JSON has them."""

    span: _Span
    service: str
    values: dict[str, JsonValue]

    @property
    def kind(self) -> Kind | None:
        """The kind of step it is, if it is one."""
        return _KINDS.get(self.text("gen_ai.operation.name"))

    @property
    def error(self) -> str:
        """Why it failed; empty if it did not."""
        if self.span.status.code not in (2, "2", "STATUS_CODE_ERROR") and not self.text("error.type"):
            return ""
        return self.span.status.message or self.text("error.type") or "failed"

    def text(self, name: str) -> str:
        """An attribute that is a text; empty if it is not."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def count(self, *names: str) -> int | None:
        """The first of these attributes that is a whole number."""
        found = (self.values.get(name) for name in names)
        return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), None)

    def parsed(self, name: str) -> JsonValue:
        """An attribute that holds JSON, structured or as text."""
        value = self.values.get(name)
        if isinstance(value, str):
            try:
                return TypeAdapter(JsonValue).validate_python(json.loads(value))
            except ValueError:
                return value
        return value


def read_otel(path: Path) -> Recorded:
    """One run for each agent that a trace names first, else for its service; a trace is a case.

    A cluster is a conversation, where the trace names one. A file is one export, or, if it ends in .jsonl, one a line.
    Tokens are the sum over the calls of models. Metrics are the evaluations that the spans carry as events; without one
    there is none. A trace whose outermost span failed is blamed on the infrastructure, since a trace does not say whose
    fault it was. Messages are there only if the instrumentation was told to record them.

    Raises: DataError with file and line, or with the field where it stands.
    """
    traces: dict[str, list[_Node]] = {}
    for node in _nodes(path):
        traces.setdefault(node.span.trace, []).append(node)
    agentic = [nodes for nodes in map(_in_order, traces.values()) if any(node.kind for node in nodes)]
    if not agentic:
        raise DataError(
            f"OpenTelemetry recording ({path}): no span has a gen_ai.operation.name that is known; "
            "record with an instrumentation that follows the conventions for generative AI"
        )
    models = [node for nodes in agentic for node in nodes if node.kind == "lm"]
    counted = bool(models) and all(_tokens(node) is not None for node in models)
    origin = Origin(
        name=stem(path),
        source="recorded as OpenTelemetry traces",
        grader="OpenTelemetry: gen_ai.evaluation.result",
        metrics=tuple(sorted({name for nodes in agentic for name in _evaluations(nodes)})),
        unmeasured=(*(() if counted else ("tokens",)), "usd"),
    )
    return assemble(origin, (_attempt(origin, nodes) for nodes in agentic), path)


def _nodes(path: Path) -> Iterator[_Node]:
    if path.name.removesuffix(".gz").removesuffix(".zst").endswith(".jsonl"):
        parts: Iterable[tuple[str, bytes]] = ((f"{path}:{number}", line) for number, line in lines(path))
    else:
        parts = ((str(path), data) for data in (content(path),))
    for where, data in parts:
        for group in parse(_EXPORT, data, where=where, kind="OpenTelemetry").groups:
            service = _plain(group.resource.attributes).get("service.name")
            for scope in group.scopes:
                for span in scope.spans:
                    values = _plain(span.attributes)
                    yield _Node.model_construct(span=span, service=str(service or "agent"), values=values)


def _plain(attributes: Iterable[_Attribute]) -> dict[str, JsonValue]:
    return {attribute.key: attribute.value.plain() for attribute in attributes}


def _in_order(nodes: Sequence[_Node]) -> list[_Node]:
    """By beginning; of those that began together, the longest first: it is around the others."""
    return sorted(nodes, key=lambda node: (node.span.start, -node.span.end, node.span.span))


def _attempt(origin: Origin, nodes: Sequence[_Node]) -> Attempt:
    outer = next((node for node in nodes if node.kind == "chain"), next(node for node in nodes if node.kind))
    failure = failed("infrastructure", "span failed", outer.error) if outer.error else None
    models = [node for node in nodes if node.kind == "lm"]
    episode = Episode(
        case_id=outer.span.trace,
        prediction=None if failure else _prediction(outer, nodes),
        failure=failure,
        usage=_usage(models),
        milliseconds=_span_milliseconds(outer),
    )
    evaluations = _evaluations(nodes)
    return Attempt(
        agent=outer.text("gen_ai.agent.name") or outer.service,
        request=_message(outer, "gen_ai.input.messages", "user") or _first_request(models),
        cluster=next(filter(None, (node.text("gen_ai.conversation.id") for node in nodes)), outer.span.trace),
        episode=episode,
        scores=tuple(_score(episode, metric, evaluations.get(metric)) for metric in origin.metrics),
    )


def _first_request(models: Sequence[_Node]) -> str:
    return _message(models[0], "gen_ai.input.messages", "user") if models else ""


def _prediction(outer: _Node, nodes: Sequence[_Node]) -> Prediction:
    last = [node for node in (outer, *reversed(nodes)) if "gen_ai.output.messages" in node.values]
    answer = _message(last[0], "gen_ai.output.messages", "assistant") if last else ""
    steps = tuple(_step(node, node.kind, outer.span.start) for node in nodes if node.kind and node is not outer)
    return Prediction(answer=answer or None, steps=steps)


def _step(node: _Node, kind: Kind, began: int) -> Step:
    before, after = ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result")
    if kind != "tool":
        before, after = ("gen_ai.input.messages", "gen_ai.output.messages")
    inputs, outputs = node.parsed(before), node.parsed(after)
    return Step(
        name=node.text("gen_ai.tool.name") or node.text("gen_ai.agent.name") or node.span.name,
        kind=kind,
        inputs=inputs if isinstance(inputs, dict) else {} if inputs is None else {"messages": inputs},
        outputs={} if outputs is None else {"result" if kind == "tool" else "messages": outputs},
        start_milliseconds=max(0.0, (node.span.start - began) / 1e6),
        milliseconds=_span_milliseconds(node),
        error=node.error,
    )


def _span_milliseconds(node: _Node) -> float:
    return max(0.0, (node.span.end - node.span.start) / 1e6)


def _message(node: _Node, name: str, role: str) -> str:
    """The texts of the first message of that role, or of the last if it is the assistant's."""
    messages = node.parsed(name)
    if not isinstance(messages, list):
        return ""
    texts = [_texts(message) for message in messages if isinstance(message, dict) and message.get("role") == role]
    return (texts[-1] if role == "assistant" else texts[0]) if texts else ""


def _texts(message: Mapping[str, JsonValue]) -> str:
    parts = message.get("parts")
    if not isinstance(parts, list):
        return str(message.get("content") or "")
    told = [part for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    return "\n".join(str(part.get("content", "")) for part in told)


def _tokens(node: _Node) -> tuple[int, int] | None:
    """Tokens in and out of one call, by their names of today or of before version 1.27."""
    into = node.count("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    out = node.count("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    return None if into is None or out is None else (into, out)


def _usage(models: Sequence[_Node]) -> Usage:
    tokens = [_tokens(node) or (0, 0) for node in models]
    spent = sum(_span_milliseconds(node) for node in models)
    return Usage(
        calls=len(models),
        prompt_tokens=sum(into for into, _ in tokens),
        completion_tokens=sum(out for _, out in tokens),
        usd=None,
        milliseconds=spent,
        model_milliseconds=spent,
    )


def _evaluations(nodes: Iterable[_Node]) -> dict[str, Mapping[str, JsonValue]]:
    """The attributes of each evaluation by its name; of several with one name the last counts."""
    events = (_plain(event.attributes) for node in nodes for event in node.span.events if event.name == _EVALUATION)
    return {str(event.get("gen_ai.evaluation.name") or "evaluation"): event for event in events}


def _score(episode: Episode, metric: str, event: Mapping[str, JsonValue] | None) -> Score:
    if event is None:
        return unscored(episode, metric, "data", "the trace holds no evaluation of this name")
    label = str(event.get("gen_ai.evaluation.score.label") or "")
    number = event.get("gen_ai.evaluation.score.value")
    value = float(number) if isinstance(number, int | float) else _LABELS.get(label.lower())
    if value is None or not 0 <= value <= 1:
        given = label if number is None else number
        return unscored(episode, metric, "grader", f"{given!r} is no score in [0, 1]")
    return scored(episode, metric, value, str(event.get("gen_ai.evaluation.explanation") or label))
