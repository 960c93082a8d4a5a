"""Errors on the wire: problem details with stable codes, and no word of what went wrong inside."""

import re
import secrets

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from workbench.packaging import problem

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_RETRY_AFTER = {"busy": "1", "run_in_progress": "1", "not_ready": "5"}
"""Seconds after which asking again makes sense."""


class Refused(Exception):
    """A request that is answered with a problem; its text is the problem's code."""

    def __init__(self, code: str, *, run_id: str | None = None, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.run_id = run_id
        self.reasons = reasons


def trace_id(request: Request) -> str:
    """The caller's trace id if it sent one, else a new one; the same for all of one request.

    Source: W3C Trace Context, header traceparent; a trace id of zeros is none.
    """
    known = getattr(request.state, "trace_id", None)
    if known is None:
        match = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
        given = match["trace"] if match is not None else ""
        known = given if given.strip("0") else secrets.token_hex(16)
        request.state.trace_id = known
    return str(known)


def respond(request: Request, refused: Refused) -> JSONResponse:
    """The problem of a refusal as a response. Sources: RFC 9457; RFC 6750 for what a 401 asks for."""
    told = problem(refused.code, trace_id(request), run_id=refused.run_id, reasons=refused.reasons)
    headers = {"Retry-After": _RETRY_AFTER[refused.code]} if refused.code in _RETRY_AFTER else {}
    if told.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(
        told.model_dump(mode="json", exclude_defaults=True),
        status_code=told.status,
        media_type="application/problem+json",
        headers=headers,
    )


def respond_http(request: Request, error: HTTPException) -> JSONResponse:
    """The framework's own refusals as problems: unknown addresses and methods."""
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "internal")
    response = respond(request, Refused(code))
    response.headers.update(error.headers or {})
    return response
