"""What a server of a package answers: the records, the problems and the OpenAPI document that ship with it."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue

from workbench.agents import Citation, citations
from workbench.core import Prediction, Record, Status, ToolCall, Usage
from workbench.packaging.parts import Limits, Override

PROBLEMS: Mapping[str, tuple[int, str]] = {
    "invalid_json": (400, "The body is not strict JSON: one value, no NaN or Infinity, no key twice, valid Unicode."),
    "body_too_deep": (400, "The body is nested too deeply."),
    "invalid_idempotency_key": (400, "The Idempotency-Key is not 1 to 200 visible ASCII characters."),
    "unauthenticated": (401, "The key is not one of a caller that this server knows; send another, or none."),
    "not_found": (404, "There is nothing under this address."),
    "method_not_allowed": (405, "This address does not take this method."),
    "body_timeout": (408, "The body took too long to arrive."),
    "run_in_progress": (409, "A run with this Idempotency-Key has not ended yet; ask again later."),
    "body_too_large": (413, "The body is too large."),
    "unsupported_media_type": (415, "The body must be sent as application/json."),
    "invalid_request": (422, "The body must be an object with the one field request, a text that is not blank."),
    "request_too_long": (422, "The request has more characters than this package accepts."),
    "idempotency_conflict": (422, "This Idempotency-Key was used with another body."),
    "internal": (500, "Something went wrong here; the trace id finds it in the server's log."),
    "model_unavailable": (502, "The language model could not answer."),
    "busy": (503, "Too many runs are waiting; ask again later."),
    "interrupted": (503, "The server stopped before the run ended; ask again."),
    "not_ready": (503, "The server is not ready to answer."),
    "deadline_exceeded": (504, "The run did not end in time; its address may answer later."),
}
"""Stable codes with status and title. Clients may rely on code and status; a title may be reworded."""


_SECURITY: JsonValue = [{}, {"callerKey": []}]
_KEY = "Says who asks: answers then rest on what that caller may read. Without it, on what everyone may."


class RunRequest(Record):
    """What a caller sends."""

    request: str = Field(min_length=1)


class RunResult(Record):
    """What the agent answered."""

    outcome: Literal["call", "answer", "abstention", "malformed"]
    """"malformed": the language model's output could not be used; there is then neither call nor answer."""
    call: ToolCall | None = None
    """A proposal: nothing was executed."""
    answer: str | None = None
    abstained: bool = False
    ranked: tuple[str, ...] = ()
    """Ids of what was retrieved, best first."""
    grounding: tuple[str, ...] = ()
    """Ids of the sources that the call or answer was made from."""
    passages: tuple[Citation, ...] = ()
    """Of an answer, the passages behind it as they were found: source, offsets, trust, score and whether stale."""
    stale: tuple[str, ...] = ()
    """Those of the grounding that had outlived their freshness rule: the answer may be out of date."""


class RunView(Record):
    """A run as the server shows it."""

    run_id: str
    status: Literal["running", "succeeded", "failed"]
    result: RunResult | None = None
    problem: str | None = None
    """The code of what went wrong, if it failed."""
    package: str
    """Digest of the package that answered."""
    trace_id: str
    usage: Usage = Usage()


class Problem(Record):
    """An error as RFC 9457 has it, with a stable code."""

    type: str
    title: str
    status: int
    code: str
    trace_id: str
    run_id: str | None = None
    reasons: tuple[str, ...] = ()
    """For "not_ready": what is missing."""


class PackageView(Record):
    """What a server says of the package it serves."""

    name: str
    version: str
    package_digest: str
    agent_digest: str
    evalset_digest: str
    verdict: Status
    verdict_digest: str
    override: Override | None
    model: str


def to_result(prediction: Prediction, *, shown: int) -> RunResult:
    """What a caller sees of a prediction; `shown` is how many documents the agent's model sees."""
    call, answer, ranked = prediction.call, prediction.answer, prediction.ranked
    if call is not None:
        return RunResult(outcome="call", call=call, ranked=ranked, grounding=(call.tool_id,))
    if answer is not None:
        passages = citations(prediction)[:shown]
        return RunResult(
            outcome="answer",
            answer=answer,
            ranked=ranked,
            grounding=ranked[:shown],
            passages=passages,
            stale=tuple(passage.id for passage in passages if passage.stale),
        )
    if prediction.abstained:
        return RunResult(outcome="abstention", abstained=True, ranked=ranked)
    return RunResult(outcome="malformed", ranked=ranked)


def problem(code: str, trace_id: str, *, run_id: str | None = None, reasons: tuple[str, ...] = ()) -> Problem:
    """The problem of that code; KeyError if there is no such code.

    >>> problem("busy", "0" * 32).status
    503
    """
    status, title = PROBLEMS[code]
    kind = f"urn:workbench:problem:{code}"
    return Problem(type=kind, title=title, status=status, code=code, trace_id=trace_id, run_id=run_id, reasons=reasons)


def input_schema(limits: Limits) -> dict[str, JsonValue]:
    """JSON Schema of what a caller sends."""
    schema: dict[str, JsonValue] = RunRequest.model_json_schema()
    text: JsonValue = {"type": "string", "minLength": 1, "maxLength": limits.most_request_characters}
    return {**schema, "properties": {"request": text}}


def output_schema() -> dict[str, JsonValue]:
    """JSON Schema of a run."""
    return RunView.model_json_schema(mode="serialization")


def error_schema() -> dict[str, JsonValue]:
    """JSON Schema of a problem."""
    schema: dict[str, JsonValue] = Problem.model_json_schema(mode="serialization")
    return schema


def openapi(name: str, version: str, limits: Limits) -> dict[str, JsonValue]:
    """The OpenAPI 3.1 document of a package's server, the same for the same package."""
    return {
        "openapi": "3.1.0",
        "info": {"title": name, "version": version},
        "paths": _paths(),
        "components": {
            "schemas": _components(limits),
            "securitySchemes": {"callerKey": {"type": "http", "scheme": "bearer", "description": _KEY}},
        },
    }


def _paths() -> dict[str, JsonValue]:
    run, readiness = _run_responses(), _problems("not_ready")
    body: JsonValue = {"required": True, "content": {"application/json": {"schema": _ref("RunRequest")}}}
    key: JsonValue = {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        "description": "The same key with the same body gives the same run, unless that run failed.",
    }
    run_id: JsonValue = {"name": "run_id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/v1/runs": {
            "post": {
                "operationId": "createRun",
                "security": _SECURITY,
                "parameters": [key],
                "requestBody": body,
                "responses": run,
            }
        },
        "/v1/runs/{run_id}": {
            "get": {
                "operationId": "readRun",
                "parameters": [run_id],
                "security": _SECURITY,
                "responses": {"200": _json("The run.", "RunView"), **_problems("unauthenticated", "not_found")},
            }
        },
        "/v1/package": {"get": _get("readPackage", _json("The package that answers.", "PackageView"))},
        "/livez": {"get": _get("live", {"description": "The process answers."})},
        "/readyz": {
            "get": {"operationId": "ready", "responses": {"200": {"description": "Ready to answer."}, **readiness}}
        },
        "/metrics": {"get": _get("metrics", {"description": "Prometheus text format."})},
        "/openapi.json": {"get": _get("openapi", {"description": "This document."})},
    }


def _run_responses() -> dict[str, JsonValue]:
    outside = {"not_found", "method_not_allowed"}
    return {
        "200": _json("The run that this Idempotency-Key already had.", "RunView"),
        "201": _json("The run, ended.", "RunView"),
        **_problems(*(code for code in PROBLEMS if code not in outside)),
    }


def _problems(*codes: str) -> dict[str, JsonValue]:
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code][0]), []).append(code)
    content: JsonValue = {"application/problem+json": {"schema": _ref("Problem")}}
    return {
        status: {"description": f"Code {' or '.join(found)}.", "content": content}
        for status, found in by_status.items()
    }


def _get(operation: str, response: JsonValue) -> JsonValue:
    return {"operationId": operation, "responses": {"200": response}}


def _json(description: str, name: str) -> JsonValue:
    return {"description": description, "content": {"application/json": {"schema": _ref(name)}}}


def _ref(name: str) -> JsonValue:
    return {"$ref": f"#/components/schemas/{name}"}


def _components(limits: Limits) -> JsonValue:
    found: dict[str, JsonValue] = {}
    for kind in (RunView, Problem, PackageView):
        schema = kind.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[kind.__name__] = schema
    found["RunRequest"] = input_schema(limits)
    return {name: found[name] for name in sorted(found)}
