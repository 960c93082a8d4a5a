"""Tools of an HTTP service: as its document says, pinned, and honest about what became of a call."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from pydantic import JsonValue

from workbench.tools import Attempt, NotDone, Tool, ToolError, Unusable, imported, pins, read_tools

DOCUMENT = """
openapi: 3.1.0
info: {title: Orders, version: "1"}
components:
  schemas:
    Order:
      type: object
      properties: {id: {type: string}, total: {type: number}, next: {$ref: "#/components/schemas/Order"}}
  parameters:
    Order: {name: order, in: path, required: true, schema: {type: string}}
paths:
  /orders/{order}:
    parameters: [{$ref: "#/components/parameters/Order"}]
    get:
      operationId: get_order
      summary: One order.
      parameters:
        - {name: fields, in: query, schema: {type: array, items: {type: string}}}
      responses:
        "200": {content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
  /orders/{order}/refund:
    post:
      operationId: refund
      parameters: [{$ref: "#/components/parameters/Order"}]
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [amount]
              properties: {amount: {type: number}, note: {type: string, nullable: true}}
      responses: {"201": {content: {application/json: {schema: {type: object}}}}}
  /files:
    post: {operationId: upload, requestBody: {content: {text/plain: {}}}, responses: {"200": {}}}
"""
FACTS: dict[str, JsonValue] = {
    "get_order": {"effect": "read", "trust": "trusted"},
    "refund": {"effect": "write", "idempotency": "key", "content": ["note"]},
}
ATTEMPT = Attempt(key="action-1", number=1, tenant="acme", principal="jo", seconds=5)


class Orders(BaseHTTPRequestHandler):
    """Answers as it is told, and keeps what it was asked."""

    asked: ClassVar[list[tuple[str, str, dict[str, str], str]]] = []
    status: ClassVar[int] = 200
    says: ClassVar[bytes] = b'{"id": "7", "total": 2.5}'

    def do_GET(self) -> None:
        """Any path."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.asked.append((self.command, self.path, dict(self.headers), body))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.says)))
        self.end_headers()
        self.wfile.write(self.says)

    do_POST = do_GET  # noqa: N815 - the server looks for that name

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file of a running service's tools, all agreed to."""
    monkeypatch.setenv("ORDERS_TOKEN", "s3cret")
    Orders.asked, Orders.status, Orders.says = [], 200, b'{"id": "7", "total": 2.5}'
    server = ThreadingHTTPServer(("127.0.0.1", 0), Orders)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "orders.openapi.yaml").write_text(DOCUMENT)
    path = tmp_path / "orders.yaml"
    write(path, f"http://127.0.0.1:{server.server_port}")
    write(path, f"http://127.0.0.1:{server.server_port}", {one.offer.name: one.offer.digest for one in pins(path)})
    yield path
    server.shutdown()
    server.server_close()


def write(path: Path, url: str, agreed: dict[str, str] | None = None) -> None:
    """The file, with pins."""
    tools = {name: {"pin": (agreed or {}).get(name, ""), "facts": facts} for name, facts in FACTS.items()}
    server = {"document": "orders.openapi.yaml", "url": url, "token": "ORDERS_TOKEN"}
    path.write_text(yaml.safe_dump({"openapi": server, "tools": tools}))


def named(path: Path, name: str) -> Tool:
    """One of the tools."""
    return next(tool for tool in imported(path) if tool.spec.name == name)


def test_a_call_is_the_request_that_the_document_describes(place: Path) -> None:
    """Path, query, body, token and idempotency key each stand where they belong."""
    read = named(place, "get_order").run({"order": "a/b c", "fields": ["id", "total"]}, ATTEMPT)
    named(place, "refund").run({"order": "7", "amount": 2.5}, ATTEMPT)
    (_, get, reading, _), (_, post, headers, body) = Orders.asked

    assert {"id": "7", "total": 2.5} == read
    assert ("/orders/a%2Fb%20c?fields=id&fields=total", "/orders/7/refund") == (get, post)
    assert ({"amount": 2.5}, "action-1") == (json.loads(body), headers["Idempotency-Key"])
    assert "Bearer s3cret" == headers["Authorization"]
    assert "Idempotency-Key" not in reading


def test_arguments_and_answers_have_the_documents_types(place: Path) -> None:
    """References are followed, also round in a circle; what is not JSON is not offered."""
    order, refund = named(place, "get_order"), named(place, "refund")

    assert order.returned({"id": "7", "next": {"id": "8"}})
    assert not order.returned({"next": {"id": 8}})
    assert refund.fits({"order": "7", "amount": 1, "note": None})
    assert not refund.fits({"order": "7"})
    assert not refund.fits({"order": "7", "amount": 1, "more": 1})
    assert ["get_order", "refund"] == [one.offer.name for one in pins(place)]


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_never_leaves_its_place_in_a_path(place: Path, value: str) -> None:
    """It would be another operation."""
    with pytest.raises(NotDone):
        named(place, "get_order").run({"order": value}, ATTEMPT)
    assert [] == Orders.asked


@pytest.mark.parametrize(
    ("status", "says", "expected"),
    [
        (404, b"no such order", NotDone),
        (429, b"", NotDone),
        (409, b"", ToolError),
        (302, b"", ToolError),
        (500, b"Traceback", ToolError),
        (200, b"<html>", Unusable),
        (200, b"[" + b"0," * (1 << 20) + b"0]", Unusable),
    ],
)
def test_a_failure_says_only_what_is_known(place: Path, status: int, says: bytes, expected: type[ToolError]) -> None:
    """Refused: nothing happened. Failed: nobody knows. Neither tells what the service wrote."""
    Orders.status, Orders.says = status, says
    with pytest.raises(ToolError) as raised:
        named(place, "refund").run({"order": "7", "amount": 1}, ATTEMPT)

    assert expected is type(raised.value)
    assert "Traceback" not in str(raised.value)


def test_a_service_that_is_away_has_done_nothing(place: Path) -> None:
    """And may be asked again."""
    written = yaml.safe_load(place.read_text())
    write(place, "http://127.0.0.1:1", {name: one["pin"] for name, one in written["tools"].items()})
    with pytest.raises(NotDone) as raised:
        named(place, "refund").run({"order": "7", "amount": 1}, ATTEMPT)

    assert raised.value.again


def test_what_is_described_otherwise_is_not_imported(place: Path) -> None:
    """The error names the line, and a tool at another address is another tool."""
    document = place.parent / "orders.openapi.yaml"
    document.write_text(document.read_text().replace("/refund:", "/refund_all:"))
    with pytest.raises(ToolError, match=r"'refund' \(.*orders.yaml:\d+\): is described otherwise than it was pinned"):
        imported(place)

    assert {"get_order": "pinned", "refund": "changed"} == {one.offer.name: one.standing for one in pins(place)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"openapi": {"document": "orders.openapi.yaml", "url": "http://orders.example"}}, "is not safe; use https"),
        (
            {"openapi": {"document": "orders.openapi.yaml", "url": "https://a.b", "token": "NONE"}},
            "'NONE' .* is not set",
        ),
        ({"openapi": {"document": "gone.yaml", "url": "https://a.b"}}, "is missing"),
        ({"mcp": {"url": "https://a.b"}}, "name one server"),
        ({"tools": {"refnud": {"facts": {"effect": "read"}}}}, "does not offer it; .*refund"),
        ({"tools": {"refund": {"facts": {"effect": "read"}}}}, "is not pinned"),
        ({"tools": {}}, "none is agreed to"),
    ],
)
def test_a_wrong_file_says_where(place: Path, change: dict[str, JsonValue], expected: str) -> None:
    """Before anything is called."""
    place.write_text(yaml.safe_dump({**yaml.safe_load(place.read_text()), **change}))
    with pytest.raises(ToolError, match=expected):
        read_tools("orders.yaml", place.parent)
    assert [] == Orders.asked
