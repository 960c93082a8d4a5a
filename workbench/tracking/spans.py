"""One episode as the rows by which MLflow stores a trace, its spans and its scores.

The rows are those that MLflow 3.17's own calls write; a test holds them against each other.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from workbench.core import Case, Episode, ExpectedAnswer, ExpectedCall, ExpectedState, Score, Usage, digest_json
from workbench.safety import Redactor

Value = str | int | float | bool | None
Row = dict[str, Value]

_TYPES = {
    "retriever": "RETRIEVER",
    "lm": "CHAT_MODEL",
    "chain": "CHAIN",
    "tool": "TOOL",
    "agent": "AGENT",
    "user": "USER",  # MLflow has no type for what a person says, and takes any
}
_ENCODER = json.JSONEncoder(ensure_ascii=False)  # json.dumps would make one for each value
_PREVIEW = 1000  # characters of request and response that the table of traces can hold
_TEXT = 8000  # characters that a tag or a piece of metadata can hold


@dataclass(frozen=True)
class TraceContext:
    """What the traces of one run have in common."""

    run_id: str
    experiment_id: int
    location: str
    """Where the experiment's artifacts lie; MLflow notes for each trace where its attachments would be."""
    agent: str
    split: str
    model: str
    """Name of the language model, shown beside its spans."""
    redactor: Redactor


@dataclass(frozen=True)
class TraceRows:
    """The rows of one trace, by table."""

    info: Row
    tags: list[Row]
    metadata: list[Row]
    spans: list[Row]
    assessments: list[Row]


def trace_id(run_id: str, episode: Episode) -> str:
    """The same run, case and repeat always have the same trace, so that logging twice is seen."""
    return f"tr-{digest_json([run_id, episode.case_id, episode.repeat])[:32]}"


def trace_rows(
    context: TraceContext, case: Case, episode: Episode, scores: Sequence[Score], *, start: int
) -> TraceRows:
    """The rows of an episode that began at `start`, in milliseconds since 1970."""
    identity = trace_id(context.run_id, episode)
    inputs = _dump(context.redactor.json({"request": case.request}))
    outputs = _dump(context.redactor.json(_answer(episode)))
    failure = episode.failure
    message = context.redactor.text(f"{failure.blame}:{failure.kind}: {failure.message}") if failure else ""
    spans = _spans(context, episode, start, {"mlflow.spanInputs": inputs, "mlflow.spanOutputs": outputs}, message)
    expected = context.redactor.text(_expected(case))
    info: Row = {
        "request_id": identity,
        "experiment_id": context.experiment_id,
        "timestamp_ms": start,
        "execution_time_ms": round(episode.milliseconds),
        "status": "ERROR" if failure else "OK",
        "request_preview": context.redactor.text(case.request)[:_PREVIEW],
        "response_preview": (message or context.redactor.text(_short_answer(episode)))[:_PREVIEW],
        "db_payload_generation": 1,
        "trace_name": context.redactor.text(episode.case_id),
        **_tokens(episode.usage),
        "total_cost": episode.usage.usd,
    }
    assessments = [_feedback(context, identity, score, start) for score in scores]
    assessments.append(_expectation(context, identity, expected, start))
    return TraceRows(
        info=info,
        tags=_keyed(identity, _tags(context, case, episode) | _place(context, identity)),
        metadata=_keyed(identity, _metadata(context, spans, inputs, outputs)),
        spans=spans,
        assessments=assessments,
    )


def _spans(context: TraceContext, episode: Episode, start: int, content: dict[str, str], message: str) -> list[Row]:
    identity = trace_id(context.run_id, episode)
    steps = episode.prediction.steps if episode.prediction else ()
    usage = _usage(episode.usage)
    calls = [number for number, step in enumerate(steps, start=1) if step.kind == "lm"]
    # Usage is counted for the whole episode: it stands at the one model call, or at the root if there are several.
    payer = calls[0] if len(calls) == 1 else 0
    frame = _Frame(identity, context.experiment_id, start)
    root = frame.span(0, "agent", "AGENT", (0.0, episode.milliseconds), content | (usage if payer == 0 else {}))
    if message:
        root = frame.failed(root, message)
    rows = [root]
    for number, step in enumerate(steps, start=1):
        attributes = {
            "mlflow.spanInputs": _dump(context.redactor.json(step.inputs)),
            "mlflow.spanOutputs": _dump(context.redactor.json(step.outputs)),
        }
        if step.kind == "lm":
            attributes |= {"mlflow.llm.model": _dump(context.model)}
        if number == payer:
            attributes |= usage
        times = (step.start_milliseconds, step.milliseconds)
        row = frame.span(number, context.redactor.text(step.name), _TYPES[step.kind], times, attributes)
        rows.append(frame.failed(row, context.redactor.text(step.error)) if step.error else row)
    return rows


@dataclass(frozen=True)
class _Frame:
    """Writes the spans of one trace."""

    trace_id: str
    experiment_id: int
    start: int

    def span(self, number: int, name: str, kind: str, times: tuple[float, float], attributes: Mapping[str, str]) -> Row:
        """Span 0 is the root and the parent of all others; `times` are start and length in milliseconds."""
        began = self.start * 1_000_000 + round(times[0] * 1_000_000)
        row: Row = {
            "trace_id": self.trace_id,
            "experiment_id": self.experiment_id,
            "span_id": self._span_id(number),
            "parent_span_id": None if number == 0 else self._span_id(0),
            "name": name,
            "type": kind,
            "status": "OK",
            "start_time_unix_nano": began,
            "end_time_unix_nano": began + round(times[1] * 1_000_000),
            "total_cost": _cost(attributes),
            "model_name": json.loads(attributes.get("mlflow.llm.model", "null")),
        }
        marks = {"mlflow.traceRequestId": _dump(self.trace_id), "mlflow.spanType": _dump(kind)}
        return row | {"content": self._content(row, {**marks, **attributes}, "")}

    def failed(self, row: Row, message: str) -> Row:
        """The span with an error in place of success."""
        content = json.loads(str(row["content"]))
        return row | {"status": "ERROR", "content": self._content(row, content["attributes"], message)}

    def _content(self, row: Row, attributes: Mapping[str, str], message: str) -> str:
        parent = row["parent_span_id"]
        return _dump(
            {
                "trace_id": _base64(self.trace_id.removeprefix("tr-")),
                "span_id": _base64(str(row["span_id"])),
                "parent_span_id": None if parent is None else _base64(str(parent)),
                "name": row["name"],
                "start_time_unix_nano": row["start_time_unix_nano"],
                "end_time_unix_nano": row["end_time_unix_nano"],
                "events": [],
                "status": {"code": "STATUS_CODE_ERROR" if message else "STATUS_CODE_OK", "message": message},
                "attributes": dict(attributes),
                "links": [],
            }
        )

    def _span_id(self, number: int) -> str:
        return f"{self.trace_id.removeprefix('tr-')[:12]}{number + 1:04x}"


def _answer(episode: Episode) -> JsonValue:
    prediction = episode.prediction
    if prediction is None:
        return None
    answer = prediction.model_dump(mode="json", exclude={"steps", "ranked"}, exclude_defaults=True)
    return answer or {"answer": None}


def _short_answer(episode: Episode) -> str:
    prediction = episode.prediction
    if prediction is None:
        return ""
    if prediction.call is not None:
        arguments = (f"{name}={_dump(value)}" for name, value in prediction.call.arguments.items())
        return f"{prediction.call.name}({', '.join(arguments)})"
    if prediction.abstained:
        return "abstained"
    return prediction.answer or (f"malformed: {prediction.malformed}" if prediction.malformed else "no answer")


def _expected(case: Case) -> str:
    """What would be right, as one line: a call with the values each argument may have."""
    task = case.task
    if isinstance(task, ExpectedCall):
        choices = ((name, " or ".join(map(_dump, values))) for name, values in task.arguments.items())
        return f"{task.tool.name}({', '.join(f'{name}={values}' for name, values in choices)})"
    if isinstance(task, ExpectedState):
        return f"state: {_dump(task.state)}"
    return " or ".join(task.answers) if isinstance(task, ExpectedAnswer) else "abstained"


def _usage(usage: Usage) -> dict[str, str]:
    tokens = {name: count for name, count in _tokens(usage).items() if count is not None}
    attributes = {"mlflow.chat.tokenUsage": _dump(tokens)} if tokens else {}
    return attributes if usage.usd is None else attributes | {"mlflow.llm.cost": _dump({"total_cost": usage.usd})}


def _tokens(usage: Usage) -> dict[str, int | None]:
    """Paid and saved tokens; nothing, rather than zeros, for an episode without a model call."""
    if not usage.calls + usage.cached_calls:
        return {"input_tokens": None, "output_tokens": None, "total_tokens": None}
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.tokens,
    }


def _cost(attributes: Mapping[str, str]) -> float | None:
    cost = attributes.get("mlflow.llm.cost")
    return None if cost is None else float(json.loads(cost)["total_cost"])


def _tags(context: TraceContext, case: Case, episode: Episode) -> dict[str, str]:
    own = {"case": episode.case_id, "repeat": str(episode.repeat), "split": context.split, "agent": context.agent}
    own |= {"cluster": case.cluster, "slices": ", ".join(case.tags)}
    if episode.failure:
        own["failure"] = f"{episode.failure.blame}:{episode.failure.kind}"
    return {name: context.redactor.text(value)[:_TEXT] for name, value in own.items() if value}


def _place(context: TraceContext, identity: str) -> dict[str, str]:
    return {
        "mlflow.artifactLocation": f"{context.location}/traces/{identity}/artifacts",
        "mlflow.trace.spansLocation": "TRACKING_STORE",
    }


def _metadata(context: TraceContext, spans: Sequence[Row], inputs: str, outputs: str) -> dict[str, str]:
    sizes = [len(str(span["content"]).encode()) for span in spans]
    return {
        "mlflow.sourceRun": context.run_id,
        "mlflow.source.name": "workbench",
        "mlflow.trace.infoFinalized": "true",
        "mlflow.trace.sizeBytes": str(sum(sizes)),
        "mlflow.trace.sizeStats": _dump({"total_size_bytes": sum(sizes), "num_spans": len(sizes), "max": max(sizes)}),
        "mlflow.traceInputs": inputs[:_TEXT],
        "mlflow.traceOutputs": outputs[:_TEXT],
        "mlflow.trace_schema.version": "3",
    }


def _feedback(context: TraceContext, identity: str, score: Score, start: int) -> Row:
    error = None if score.value is not None else {"error_code": "UNSCORED", "error_message": score.reason}
    return _assessment(context, identity, score.metric, start) | {
        "assessment_type": "feedback",
        "value": _dump(score.value),
        "error": None if error is None else _dump(context.redactor.json(dict(error))),
        "rationale": context.redactor.text(score.reason) or None,
        "aggregate_value": score.value,
        "is_numeric_value": score.value is not None,
    }


def _expectation(context: TraceContext, identity: str, expected: str, start: int) -> Row:
    return _assessment(context, identity, "expected", start) | {
        "assessment_type": "expectation",
        "value": _dump(expected),
        "error": None,
        "rationale": None,
        "aggregate_value": None,
        "is_numeric_value": False,
    }


def _assessment(context: TraceContext, identity: str, name: str, start: int) -> Row:
    return {
        "assessment_id": f"a-{digest_json([identity, name])[:32]}",
        "trace_id": identity,
        "name": name,
        "created_timestamp": start,
        "last_updated_timestamp": start,
        "experiment_id": context.experiment_id,
        "trace_timestamp_ms": start,
        "source_type": "CODE",
        "source_id": "workbench",
        "run_id": context.run_id,
        "valid": True,
    }


def _keyed(identity: str, values: Mapping[str, str]) -> list[Row]:
    return [{"request_id": identity, "key": name, "value": value} for name, value in values.items()]


def _dump(value: object) -> str:
    return _ENCODER.encode(value)


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
