"""Questions, and an engine that is accounted for: what the tests of accounts share."""

import contextvars
import threading
from collections.abc import Callable

from dspy.lm15 import Config, Message, Request, Response

from workbench.core import Meter
from workbench.lms import AccountedEngine, CallStore, Price, ScriptedEngine
from workbench.lms.accounted import Terms

PRICE = Price(prompt_usd=1.0, completion_usd=1.0, date="2026-01-01")
TERMS = Terms(model="m", identity="i", max_tokens=50, timeout_seconds=2.0, price=PRICE)


def ask(text: str, temperature: float = 0.0) -> Request:
    """One question."""
    config = Config(temperature=temperature, max_tokens=20)
    return Request(model="m", messages=(Message.user(text),), config=config)


def engine(
    answer: Callable[[str], str] | ScriptedEngine, store: CallStore | None, meter: Meter | None = None
) -> AccountedEngine:
    """An accounted engine over a rule; a token costs a millionth of a dollar."""
    inner = answer if isinstance(answer, ScriptedEngine) else ScriptedEngine(answer)
    return AccountedEngine(inner, TERMS, pricing=_price, store=store, meter=meter)


def _price(_request: Request, response: Response) -> float:
    return ((response.usage.input_tokens or 0) + (response.usage.output_tokens or 0)) / 1e6


def in_threads(work: Callable[[int], None], count: int = 8) -> None:
    """Run `work` on so many threads, each with a copy of the caller's context."""
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(work, number), daemon=True)
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
