"""A simulated model that costs what it draws, fails now and then, and keeps its own account."""

import threading
import time
from dataclasses import dataclass, field
from random import Random

from dspy.lm15 import Config, Message, Request, Response, TextPart, Usage

from workbench.core import Meter, Spend
from workbench.lms import AccountedEngine, CallStore, Price
from workbench.lms.accounted import Engine, Terms
from workbench.lms.embedded import WORKED

MOST_TOKENS = 40
MOST_SECONDS = 0.5
PRICE = Price(prompt_usd=3.0, completion_usd=15.0, date="2026-01-01")
TERMS = Terms(model="simulated", identity="i", max_tokens=MOST_TOKENS, timeout_seconds=MOST_SECONDS, price=PRICE)


@dataclass
class Simulated:
    """A model that costs what it draws, and keeps its own account."""

    random: Random
    failing: float
    latency_seconds: float
    calls: int = 0
    failed: int = 0
    spent: Spend = field(default_factory=Spend)
    given: list[tuple[Request, str]] = field(default_factory=list)
    """What it was asked and what it answered, in order."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def complete(self, request: Request) -> Response:
        """Fail, or answer with a text that is never the same."""
        with self._lock:
            fails = self.random.random() < self.failing
            tokens = self.random.randint(1, len(request.messages[0].text or "")), self.random.randint(1, MOST_TOKENS)
            seconds = MOST_SECONDS * self.random.random()
            wait = self.latency_seconds * self.random.random()
        time.sleep(wait)
        with self._lock:
            if fails:
                self.failed += 1
                raise ConnectionError
            self.calls += 1
            text = f"answer {self.calls} {self.random.random()}"
            response = Response(
                id=None,
                model="simulated",
                message=Message.assistant([TextPart(text)]),
                finish_reason="stop",
                usage=Usage(input_tokens=tokens[0], output_tokens=tokens[1]),
                provider_data={WORKED: seconds * 1000},
            )
            self.spent = self.spent.plus(cost(response))
            self.given.append((request, text))
        return response


def ask(text: str) -> Request:
    """One question."""
    return Request(model="simulated", messages=(Message.user(text),), config=Config(max_tokens=MOST_TOKENS))


def cost(response: Response) -> Spend:
    """What an answer cost."""
    tokens = response.usage.input_tokens or 0, response.usage.output_tokens or 0
    seconds = float((response.provider_data or {})[WORKED]) / 1000
    return Spend(calls=1, tokens=sum(tokens), seconds=seconds, usd=PRICE.usd(*tokens))


def engine(model: Engine, store: CallStore, meter: Meter) -> AccountedEngine:
    """The model as it is asked."""
    return AccountedEngine(model, TERMS, pricing=lambda _, response: cost(response).usd, store=store, meter=meter)
