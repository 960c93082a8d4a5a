"""Providers on loopback that fail as they are told to: an OpenAI-compatible server for `failing_providers`."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

from workbench.core import stream

HANG_SECONDS = 6.0
RETRY_AFTER = 1
_SUM = re.compile(r"what is (\d+) plus (\d+)\?")
_BODIES = (
    b"<html><body>502 Bad Gateway</body></html>",
    b'{"id": "1", "object": "chat.completion", "choices": [{"index": 0, "mess',
    b'{"id": "1", "object": "chat.completion", "model": "m", "created": 1}',
    b"",
)
"""A gateway's page, a body cut short, an answer without an answer, nothing."""


@dataclass
class Provider:
    """One provider: what it does with each request is drawn from a seeded stream, in the order they come."""

    rates: Mapping[str, float]
    """Chance of "5xx", "hang", "garbage" and "429"."""
    seed: int
    asked: Counter[str] = field(default_factory=Counter)
    address: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _random: Random = field(init=False)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._random = stream(self.seed, "provider")

    def fate(self) -> tuple[str, bytes]:
        """What becomes of the next request, and a body of garbage."""
        with self._lock:
            drawn, garbage = self._random.random(), self._random.choice((*_BODIES, _chat("lorem ipsum, 42")))
            chosen = "answered"
            for name, rate in self.rates.items():
                if 0 <= drawn < rate:
                    chosen = name
                    break
                drawn -= rate
            self.asked[chosen] += 1
            return chosen, garbage

    def reply(self, prompt: str) -> tuple[int, bytes]:
        """Status and body for one request; a hang takes until the caller is gone."""
        fate, garbage = self.fate()
        if fate == "hang":
            self._over.wait(HANG_SECONDS)
        if fate in ("5xx", "429"):
            return (503 if fate == "5xx" else 429), b'{"error": {"message": "try later", "type": "server_error"}}'
        if fate == "garbage":
            return 200, garbage
        one, other = _SUM.findall(prompt)[-1]
        return 200, _chat(f"[[ ## answer ## ]]\n{int(one) + int(other)}\n\n[[ ## completed ## ]]")

    def end(self) -> None:
        """Let go of whoever hangs."""
        self._over.set()


def _chat(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    body = {
        "id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 12, "total_tokens": 52},
    }  # fmt: skip
    return json.dumps(body).encode()


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_POST(self) -> None:
        """Answer, or fail."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, data = self.provider.reply(json.dumps(body["messages"]))
        try:
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", str(RETRY_AFTER))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # who asked is gone

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(*providers: Provider) -> Iterator[None]:
    """Run each on a port of its own while inside."""
    servers = []
    for provider in providers:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": provider}))
        provider.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append((server, provider))
    try:
        yield
    finally:
        for server, provider in servers:
            provider.end()
            server.shutdown()
            server.server_close()
