"""Tools of an MCP server: the one door of its client. Source: Model Context Protocol, revision 2026-07-28 and before.

The client speaks from an event loop in a thread of its own, and a connection stays open between calls. A server can
change its tools while it is connected to, so before each call the tool is looked at again, and nothing is done if it
is not as it was agreed to. What a server says of a tool's effects (its annotations) is not believed.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from workbench.core import boundary, canonical_json
from workbench.tools.errors import NotDone, ToolError, Unusable
from workbench.tools.facts import Facts
from workbench.tools.offer import MOST_BYTES, Offer, bearer, require_safe, require_set
from workbench.tools.tool import Attempt, Run

with boundary(ToolError, "MCP: its client can't be loaded; install workbench with the extra mcp"):
    import httpx2
    from mcp import Client, MCPError, StdioServerParameters
    from mcp.client.streamable_http import streamable_http_client
    from mcp.types import CallToolResult, TextContent
    from mcp.types import Tool as Described

T = TypeVar("T")
SECONDS = 120.0
"""To connect, and to list tools: a server that a command starts may load much before it speaks."""


@dataclass
class Connection:
    """A server that is connected to when it is first asked, and again after it was lost."""

    name: str
    """For errors: what is started, or the address."""
    command: StdioServerParameters | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop | None = None
    _client: Client | None = None
    _ended: asyncio.Event | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def offers(self) -> Mapping[str, Offer]:
        """All its tools by name. Raises: ToolError if it can't be reached, or does not keep to the protocol."""
        with boundary(ToolError, f"MCP server {self.name!r}: can't tell its tools"):
            return self._ask(self._listed, SECONDS)

    def runner(self, offer: Offer, facts: Facts) -> Run:
        """What calls a tool, as long as it is offered so. Raises: ToolError if its facts count on what MCP lacks."""
        if facts.idempotency == "key":
            raise ToolError(
                f'tool {offer.name!r}: the protocol has no idempotency key; say "natural" if twice is once, or "none"'
            )

        def run(arguments: Mapping[str, JsonValue], attempt: Attempt) -> JsonValue:
            try:
                now = self.offers().get(offer.name)
            except ToolError as cause:
                raise NotDone("the server can't be reached", again=True) from cause
            if now != offer:
                raise NotDone("the tool is no longer described as it was agreed to")
            try:
                result = self._ask(partial(self._called, offer.name, dict(arguments)), attempt.seconds)
            except MCPError as cause:
                raise ToolError("the server failed") from cause
            return _answer(result, structured=bool(offer.returns))

        return run

    def close(self) -> None:
        """Let go of the server; one that was started ends."""
        with self._lock:
            loop, ended = self._loop, self._ended
            self._loop = self._client = self._ended = None
        if loop is not None and ended is not None:
            loop.call_soon_threadsafe(ended.set)

    def _ask(self, work: Callable[[], Coroutine[object, object, T]], seconds: float) -> T:
        """Have the loop do it. A connection that fails is let go of, so that the next call makes a new one."""
        loop = self._connected()
        asked = asyncio.run_coroutine_threadsafe(work(), loop)
        try:
            return _in_time(asked, seconds)
        except BaseException:
            asked.cancel()
            self.close()
            raise

    def _connected(self) -> asyncio.AbstractEventLoop:
        """The loop of an open connection. Raises: whatever keeps it from being opened."""
        with self._lock:
            if self._loop is not None:
                return self._loop
            loop, opened = asyncio.new_event_loop(), Future[None]()
            threading.Thread(target=self._live, args=(loop, opened), name=f"mcp {self.name}", daemon=True).start()
            try:
                _in_time(opened, SECONDS)
            except Late:
                loop.call_soon_threadsafe(_give_up, loop)
                raise
            self._loop = loop
            return loop

    def _live(self, loop: asyncio.AbstractEventLoop, opened: "Future[None]") -> None:
        """A connection from its beginning to its end, in one task, as its library asks for."""

        async def live() -> None:
            try:
                async with AsyncExitStack() as stack:
                    self._ended = asyncio.Event()
                    self._client = await stack.enter_async_context(await self._reach(stack))
                    opened.set_result(None)
                    await self._ended.wait()
            except BaseException as error:
                if not opened.done():
                    opened.set_exception(error)
                raise

        with suppress(Exception, asyncio.CancelledError):  # whoever waits for it has been told
            loop.run_until_complete(live())
        loop.close()

    async def _reach(self, stack: AsyncExitStack) -> Client:
        if self.command is not None:
            return Client(self.command, cache=None)
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=dict(self.headers), timeout=SECONDS))
        return Client(streamable_http_client(self.url, http_client=http), cache=None)

    async def _listed(self) -> Mapping[str, Offer]:
        assert self._client is not None, "it is connected"
        found: dict[str, Offer] = {}
        cursor: str | None = None
        while True:
            page = await self._client.list_tools(cursor=cursor)
            for tool in page.tools:
                if tool.name in found:
                    raise ToolError(f"tool {tool.name!r}: is offered twice")
                found[tool.name] = _offered(tool)
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def _called(self, name: str, arguments: dict[str, JsonValue]) -> CallToolResult:
        assert self._client is not None, "it is connected"
        return await self._client.call_tool(name, arguments)


def connected(command: Sequence[str], environment: Sequence[str], *, url: str, token: str) -> Connection:
    """A server that a command starts, or at an address. Nothing is started before it is asked.

    Raises: ToolError if the environment lacks a variable, or the address is not safe.
    """
    require_set((*environment, *((token,) if token else ())), f"MCP server {url or command[0]!r}")
    if command:
        given = {name: os.environ[name] for name in environment}
        return Connection(
            Path(command[0]).name, StdioServerParameters(command=command[0], args=[*command[1:]], env=given)
        )
    require_safe(url)
    return Connection(url, url=url, headers=bearer(token))


def _in_time(asked: "Future[T]", seconds: float) -> T:
    """What is asked for. Raises: TimeoutError that says after how long; whatever it was answered with."""
    try:
        return asked.result(seconds)
    except Late:
        if asked.done():
            raise
        raise Late(f"no answer within {seconds:g} s") from None


def _give_up(loop: asyncio.AbstractEventLoop) -> None:
    """In the loop: what was begun is taken back, and a server that was started ends."""
    for task in asyncio.all_tasks(loop):
        task.cancel()


def _offered(tool: Described) -> Offer:
    return Offer(
        name=tool.name,
        description=tool.description or "",
        parameters={"additionalProperties": False, **tool.input_schema},
        returns=tool.output_schema or {},
        where="tools/call",
    )


def _answer(result: CallToolResult, *, structured: bool) -> JsonValue:
    """What a call came to. Raises: ToolError if the tool failed, Unusable if its answer can't be used."""
    if result.is_error:
        raise ToolError("the tool failed")
    if structured:
        found: JsonValue = result.structured_content
    else:
        texts = [part.text for part in result.content if isinstance(part, TextContent)]
        if len(texts) < len(result.content):
            raise Unusable("the answer is not text alone")
        found = "\n".join(texts)
    if len(canonical_json(found)) > MOST_BYTES:
        raise Unusable(f"the answer is longer than {MOST_BYTES} bytes")
    return found
