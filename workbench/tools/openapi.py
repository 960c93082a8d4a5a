"""Tools of an HTTP service, from its OpenAPI document. Source: OpenAPI Specification 3.0.4 and 3.1.1.

An operation's path, query and header parameters and the fields of its JSON body become one flat set of arguments.
What the specification leaves to a server is not guessed: an operation without an id, with a parameter in a cookie or
a body that is not JSON is not offered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
from pydantic import JsonValue

from workbench.core import boundary
from workbench.datasets import read_located
from workbench.tools.errors import NotDone, ToolError, Unusable
from workbench.tools.facts import Facts
from workbench.tools.offer import MOST_BYTES, Offer, bearer, require_safe, require_set
from workbench.tools.openapi_document import Json, Operation, Part, operations
from workbench.tools.tool import Attempt, Run


@dataclass(frozen=True)
class Service:
    """A service at an address."""

    url: str
    token: str
    operations: Mapping[str, Operation]

    @classmethod
    def read(cls, document: Path, url: str, token: str) -> "Service":
        """A service from its document. Raises: ToolError if the document is none, or the address is not safe."""
        require_safe(url)
        require_set([token] if token else [], f"the service's token; {document}")
        found = read_located(document, noun="OpenAPI document", error=ToolError).data
        if not isinstance(found, dict) or not str(found.get("openapi", "")).startswith("3."):
            raise ToolError(f"OpenAPI document ({document}): is not of version 3; convert it")
        known: dict[str, Operation] = {}
        with boundary(ToolError, f"OpenAPI document ({document}): can't be understood"):
            for one in operations(found):
                if one.offer.name in known:
                    raise ToolError(f"operation {one.offer.name!r} ({document}): stands there twice")
                known[one.offer.name] = one
        return cls(url.rstrip("/"), token, known)

    def offers(self) -> Mapping[str, Offer]:
        """All operations by their ids."""
        return {name: one.offer for name, one in self.operations.items()}

    def runner(self, offer: Offer, facts: Facts) -> Run:
        """What calls an operation; where the facts say so, under the action's idempotency key.

        Source: draft-ietf-httpapi-idempotency-key-header, the header "Idempotency-Key".
        """
        operation = self.operations[offer.name]

        def run(arguments: Mapping[str, JsonValue], attempt: Attempt) -> JsonValue:
            headers = {"Idempotency-Key": attempt.key} if facts.idempotency == "key" else {}
            request = self._request(operation, arguments, headers, attempt.seconds)
            return _answer(request, attempt.seconds)

        return run

    def close(self) -> None:
        """Nothing is kept open between calls."""

    def _request(
        self, operation: Operation, arguments: Mapping[str, JsonValue], headers: Mapping[str, str], seconds: float
    ) -> httpx.Request:
        given: dict[Part, Json] = {"path": {}, "query": {}, "header": {}, "body": {}}
        for name, value in arguments.items():
            given[operation.parts[name]][name] = value
        path = operation.path
        for name, value in given["path"].items():
            path = path.replace(f"{{{name}}}", _segment(name, value))
        body = given["body"].get("body") if operation.whole_body else given["body"]
        content = {} if body in ({}, None) else {"json": body}
        return httpx.Request(
            operation.method.upper(),
            f"{self.url}{path}",
            params={name: _plain(value) for name, value in given["query"].items() if value is not None},
            headers={
                **{name: str(_plain(value)) for name, value in given["header"].items()},
                **headers,
                **bearer(self.token),
            },
            extensions={"timeout": httpx.Timeout(seconds).as_dict()},
            **content,  # type: ignore[arg-type]  # json, or nothing
        )


def _answer(request: httpx.Request, seconds: float) -> JsonValue:
    """Send it and read what comes. Raises: NotDone if the service did nothing; ToolError if nobody knows."""
    try:
        with httpx.Client(timeout=seconds, follow_redirects=False) as client:
            response = client.send(request, stream=True)
            try:
                return _read(response)
            finally:
                response.close()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as cause:
        raise NotDone("the service can't be reached", again=True) from cause
    except httpx.HTTPError as cause:
        raise ToolError("the service did not answer") from cause


def _read(response: httpx.Response) -> JsonValue:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise NotDone("the service has too much to do", again=True)
    if 400 <= status < 500 and status not in {httpx.codes.REQUEST_TIMEOUT, httpx.codes.CONFLICT}:
        raise NotDone(f"the service refused it (status {status})")
    if not 200 <= status < 300:
        raise ToolError(f"the service failed (status {status})")
    read = bytearray()
    for chunk in response.iter_bytes():
        read += chunk
        if len(read) > MOST_BYTES:
            raise Unusable(f"the service's answer is longer than {MOST_BYTES} bytes")
    if not read:
        return None
    with boundary(Unusable, "the service's answer is not JSON"):
        found: JsonValue = httpx.Response(status, content=bytes(read)).json()
        return found


def _segment(name: str, value: JsonValue) -> str:
    """A value inside a path: it can't leave its place. Raises: NotDone if it would."""
    text = str(_plain(value))
    if text in {"", ".", ".."}:
        raise NotDone(f"argument {name!r} can't be part of an address")
    return quote(text, safe="")


def _plain(value: JsonValue) -> str | list[str]:
    """A value in an address or a header, as JSON writes numbers and truth. Raises: NotDone if it is an object."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        raise NotDone("an object can't be part of an address")
    if isinstance(value, list):
        return [str(_plain(one)) for one in value]
    return "" if value is None else str(value)
