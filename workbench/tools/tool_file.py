"""Tools of other people's servers: a file names the server, and each tool that is agreed to with its facts and pin.

    openapi: {document: crm.json, url: "https://crm.example", token: CRM_TOKEN}
    tools:
      get_order: {pin: 9c1e…, facts: {effect: read, trust: trusted}}

A server can change what it says of a tool after somebody agreed to it. So a pin names the description that was read,
with its schemas and where it is called; a tool that is described otherwise now is not imported. Nothing that a server
says of its tools' effects is believed: facts are a person's.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from pydantic import Field, model_validator

from workbench.core import Record, nearest
from workbench.datasets import fit, read_located
from workbench.tools.errors import ToolError
from workbench.tools.facts import Facts
from workbench.tools.offer import Offer, Server
from workbench.tools.tool import Tool


class OpenApi(Record):
    """A service that an OpenAPI document describes."""

    document: str = Field(min_length=1)
    """JSON or YAML, beside the file."""
    url: str = Field(min_length=1)
    """Where it answers; https, unless it is on this machine."""
    token: str = ""
    """Name of the environment variable whose value is sent as bearer token."""


class Mcp(Record):
    """An MCP server: a command that is started, or an address."""

    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    """Names of the environment variables that the command is given, beside those that any needs."""
    url: str = ""
    token: str = ""
    """Name of the environment variable whose value is sent as bearer token to the address."""

    @model_validator(mode="after")
    def _has_one_way(self) -> "Mcp":
        if bool(self.command) == bool(self.url):
            raise ValueError("name either a command or an url")
        return self


class Agreed(Record):
    """A tool that somebody read and agreed to."""

    pin: str = ""
    """Digest of the description that was read; see `workbench tools pins`."""
    facts: Facts


class ToolFile(Record):
    """A server, and what is agreed to of it."""

    openapi: OpenApi | None = None
    mcp: Mcp | None = None
    tools: dict[str, Agreed] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_one_server(self) -> "ToolFile":
        if (self.openapi is None) == (self.mcp is None):
            raise ValueError("name one server, under openapi or mcp")
        return self


class Pin(Record):
    """An offered tool against what a file agrees to."""

    offer: Offer
    standing: str
    """pinned, changed (it is described otherwise now), or new (nobody agreed to it)."""


def imported(path: Path) -> tuple[Tool, ...]:
    """The tools that a file agrees to, in its order, ready for a gate.

    Raises: ToolError if the file or its server is wrong, or a tool is not there, not pinned, or not as it was pinned.
    """
    file, lines = _read(path)
    if not file.tools:
        raise ToolError(f"tools ({path}): none is agreed to; see what there is with: workbench tools pins {path}")
    with ExitStack() as failing:
        server = failing.enter_context(closing(_server(file, path)))
        offers = server.offers()
        tools = []
        for name, agreed in file.tools.items():
            offer = _agreed(name, agreed, offers, path, lines.get(name, 1))
            tools.append(offer.declared(agreed.facts, server.runner(offer, agreed.facts)))
        failing.pop_all()  # the tools need it from here on
    return tuple(tools)


def _agreed(name: str, agreed: Agreed, offers: Mapping[str, Offer], path: Path, line: int) -> Offer:
    """What the server offers under that name. Raises: ToolError unless it is what was agreed to."""
    whose = f"tool {name!r} ({path}:{line})"
    if name not in offers:
        raise ToolError(f"{whose}: the server does not offer it; {nearest(name, offers)}")
    offer = offers[name]
    if agreed.pin != offer.digest:
        said = "is described otherwise than it was pinned" if agreed.pin else "is not pinned"
        raise ToolError(
            f"{whose}: {said}; read it with: workbench tools pins {path}, and if you agree write pin: {offer.digest}"
        )
    return offer


def pins(path: Path) -> Sequence[Pin]:
    """Every tool that a file's server offers, by name, and whether it is as the file agrees to.

    Raises: ToolError if the file or its server is wrong.
    """
    file, _ = _read(path)
    with closing(_server(file, path)) as server:
        offers = server.offers()
    return [Pin(offer=one, standing=_standing(one, file.tools)) for _, one in sorted(offers.items())]


def _standing(offer: Offer, agreed: dict[str, Agreed]) -> str:
    if offer.name not in agreed or not agreed[offer.name].pin:
        return "new"
    return "pinned" if agreed[offer.name].pin == offer.digest else "changed"


def _read(path: Path) -> tuple[ToolFile, dict[str, int]]:
    located = read_located(path, noun="tools", error=ToolError)
    file = fit(located, ToolFile, noun="tools", path=path, error=ToolError)
    return file, {name: located.line(("tools", name)) for name in file.tools}


def _server(file: ToolFile, path: Path) -> Server:
    """The door of a protocol is opened only where a file asks for it."""
    if file.openapi is not None:
        from workbench.tools.openapi import Service  # noqa: PLC0415 - it loads an HTTP client

        return Service.read(path.parent / file.openapi.document, file.openapi.url, file.openapi.token)
    assert file.mcp is not None, "a file has one server"
    from workbench.tools.mcp_server import connected  # noqa: PLC0415 - it loads the protocol, an extra

    return connected(file.mcp.command, file.mcp.environment, url=file.mcp.url, token=file.mcp.token)
