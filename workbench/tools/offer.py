"""What a server offers: tools as their owner describes them, each under a digest that a person can agree to."""

import os
from collections.abc import Iterable, Mapping
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import Field, JsonValue

from workbench.core import Record, ToolSpec
from workbench.safety import is_protected
from workbench.tools.errors import ToolError
from workbench.tools.facts import Facts
from workbench.tools.tool import Run, Tool

MOST_BYTES = 1 << 20
"""Of an answer; what is longer is not read."""


def require_safe(url: str) -> None:
    """Do nothing if what is sent to an address can't be read on the way. Raises: ToolError if it can."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not is_protected(parts.scheme, parts.hostname):
        raise ToolError(f"url {url!r}: is not safe; use https")


def require_set(names: Iterable[str], whose: str) -> None:
    """Do nothing if the environment has all variables of these names. Raises: ToolError that names one it lacks."""
    for name in names:
        if name not in os.environ:
            raise ToolError(f"environment variable {name!r} ({whose}): is not set")


def bearer(token: str) -> dict[str, str]:
    """The header that shows a server who asks: the token is in the variable of that name; without a name, none."""
    return {"Authorization": f"Bearer {os.environ[token]}"} if token else {}


class Offer(Record):
    """A tool of a server. Its digest changes with anything that a model is told of it, and with where it is called."""

    name: str = Field(min_length=1)
    description: str = ""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """A JSON Schema of type object."""
    returns: dict[str, JsonValue] = Field(default_factory=dict)
    """A JSON Schema of what it answers; empty allows everything."""
    where: str = ""
    """What of the server is called, such as "POST /orders/{order}/refund"."""

    def declared(self, facts: Facts, run: Run) -> Tool:
        """The tool with what a person says of it. Raises: ToolError if the facts name arguments that it lacks."""
        spec = ToolSpec(name=self.name, description=self.description, parameters=self.parameters)
        return Tool(spec=spec, facts=facts, run=run, returns=self.returns)


class Server(Protocol):
    """Somebody else's tools."""

    def offers(self) -> Mapping[str, Offer]:
        """All of them by name, as they are described now. Raises: ToolError if the server can't say."""

    def runner(self, offer: Offer, facts: Facts) -> Run:
        """What calls one of them, as it was offered."""

    def close(self) -> None:
        """Let go of it; who calls one of its tools later reaches it anew."""
