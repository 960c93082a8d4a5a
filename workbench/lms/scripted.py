"""A model that answers by rule: for tests, notebooks and simulations. It costs nothing and never varies."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from dspy.lm15 import Message, Request, Response, TextPart, Usage


def prompt_text(request: Request) -> str:
    """The texts of a request in order, joined by line breaks: what a scripted model is asked."""
    system = request.system if isinstance(request.system, str) else ""
    return "\n".join(text for text in (system, *(message.text or "" for message in request.messages)) if text)


@dataclass
class ScriptedEngine:
    """Answers with `answer(prompt)`; counts whitespace-separated words as tokens.

    >>> from dspy.lm15 import Message, Request
    >>> engine = ScriptedEngine(lambda prompt: "yes")
    >>> engine.complete(Request(model="scripted", messages=(Message.user("is it so?"),))).message.text
    'yes'
    >>> (engine.calls, engine.prompt_tokens, engine.completion_tokens)
    (1, 3, 1)
    """

    answer: Callable[[str], str]
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def complete(self, request: Request) -> Response:
        """Answer at once; whatever the rule raises passes through."""
        prompt = prompt_text(request)
        text = self.answer(prompt)
        tokens_in, tokens_out = len(prompt.split()), len(text.split())
        with self._lock:
            self.calls += 1
            self.prompt_tokens += tokens_in
            self.completion_tokens += tokens_out
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(text)]),
            finish_reason="stop",
            usage=Usage(input_tokens=tokens_in, output_tokens=tokens_out),
        )

    def __deepcopy__(self, memo: dict[int, object]) -> "ScriptedEngine":
        """Shared, so that its counters stay true."""
        return self
