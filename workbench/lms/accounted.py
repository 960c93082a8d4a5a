"""The engine every model is asked through: it keeps the answer, fills the ledger and holds the budget."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from dspy._vendor.lm15.serde import request_to_dict, response_from_dict, response_to_dict
from dspy.lm15 import Request, Response

from workbench.core import Meter, Record, Spend, canonical_json, digest_json
from workbench.lms.embedded import WORKED
from workbench.lms.repeats import Repeats, repeated
from workbench.lms.scope import Call, account, here
from workbench.lms.store import Answer, CallStore


class Engine(Protocol):
    """Whatever can answer one request once; dspy's own engines and ours."""

    def complete(self, request: Request) -> Response:
        """Answer, or raise an lm15 error or a WorkbenchError."""
        ...


Pricing = Callable[[Request, Response], float | None]
"""US dollars of one answered request, or None if the price is unknown."""


class Terms(Record):
    """What an accounted engine needs to know of the model behind it."""

    model: str
    identity: str
    """Digest of who is asked: model, address, weights. Part of every key, so no model answers for another."""
    max_tokens: int
    timeout_seconds: float
    reserve_usd: float | None
    """The most one call may cost in US dollars; None if the price is unknown."""
    seeded: bool = False
    """True if the model draws by the request's seed: each repeat of a sampled question is then given its own."""


def question(request: Request, identity: str) -> str:
    """The key of a request: digest of what is asked and of who is asked; no key, header or address in clear."""
    return digest_json({"identity": identity, "request": request_to_dict(request)})


@dataclass
class _Turn:
    """Who asks a question, and how many wait for the answer."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    holders: int = 0


class AccountedEngine:
    """Asks an engine at most once for each question, and accounts for every call.

    A kept answer is replayed and costs nothing now. Where a model samples (temperature above 0), the
    second identical question of a run is another question, the third another still: so repeats differ,
    and a resumed run finds each of them again. Equal questions asked at once wait for one answer.

    A budget is charged for a question once: when it is paid, or when this run's own earlier payment is
    replayed after a crash. So a resumed search stops exactly where an uninterrupted one would have.
    """

    def __init__(
        self, inner: Engine, terms: Terms, *, pricing: Pricing, store: CallStore | None, meter: Meter | None
    ) -> None:
        self.inner = inner
        self.terms = terms
        self._pricing = pricing
        self._store = store
        self._meter = meter
        self._lock = threading.Lock()
        self._busy: dict[str, _Turn] = {}
        self._repeats = Repeats()
        self._charged: set[str] = set()

    def complete(self, request: Request) -> Response:
        """Answer from the store, or pay for an answer and keep it.

        Raises: BudgetExceeded before anything is spent; whatever the engine raises, with nothing kept.
        """
        with self._numbered(request) as (key, asked), self._alone(key):
            kept = self._store.find(key) if self._store is not None else None
            if kept is not None:
                return self._replay(key, kept)
            return self._pay(key, asked)

    def dump_state(self) -> dict[str, str]:
        """Names the model and nothing else: an engine is connected anew, never restored from a file."""
        return {"model": self.terms.model}

    @classmethod
    def load_state(cls, state: dict[str, str]) -> "AccountedEngine":
        """Refused: connections come from an LMSpec."""
        raise TypeError(
            f"model {state.get('model')!r}: is connected by workbench.lms.connect, not restored from a file"
        )

    def __deepcopy__(self, memo: dict[int, object]) -> "AccountedEngine":
        """Programs are copied by optimizers; they go on sharing one account."""
        return self

    @contextmanager
    def _numbered(self, request: Request) -> Iterator[tuple[str, Request]]:
        """The key of this asking and the request as the model gets it; a failed asking gives its number back."""
        key, run = question(request, self.terms.identity), here().run
        if not request.config.temperature:
            yield key, request
            return
        nth = self._repeats.take(run, key)
        seeded = self.terms.seeded and request.config.seed is None
        try:
            yield (
                repeated(key, nth),
                replace(request, config=replace(request.config, seed=nth - 1)) if seeded else request,
            )
        except BaseException:
            self._repeats.give_back(run, key, nth)
            raise

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        with self._lock:
            turn = self._busy.setdefault(key, _Turn())
            turn.holders += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.holders -= 1
                if not turn.holders:
                    del self._busy[key]

    def _replay(self, key: str, kept: Answer) -> Response:
        if self._meter is not None and kept.paid_by == here().run and self._first(key):
            self._meter.charge(kept.spend)
        call = self._call(key, kept, cached=True, started=datetime.now(UTC))
        if self._store is not None:
            self._store.record(call)
        account(call)
        return response_from_dict(kept.response)

    def _pay(self, key: str, request: Request) -> Response:
        with self._reserved(request) as actual:
            started, clock = datetime.now(UTC), time.perf_counter()
            response = self.inner.complete(request)
            waited = (time.perf_counter() - clock) * 1000
            worked = (response.provider_data or {}).get(WORKED)
            answer = self._answer(request, response, float(worked) if isinstance(worked, int | float) else waited)
            actual.append(answer.spend)
        if self._meter is not None:
            self._first(key)
        call = self._call(key, answer, cached=False, started=started)
        if self._store is not None:
            self._store.record(call, answer)
        account(call)
        return response

    @contextmanager
    def _reserved(self, request: Request) -> Iterator[list[Spend]]:
        if self._meter is None:
            yield []
            return
        # A token is at least one byte of UTF-8, so the bytes of all that is sent bound the prompt's tokens: texts,
        # and the output schema and roles, which providers count too.
        prompt = len(canonical_json(request_to_dict(request)))
        most = Spend(
            calls=1,
            tokens=prompt + (request.config.max_tokens or self.terms.max_tokens),
            seconds=self.terms.timeout_seconds,
            usd=self.terms.reserve_usd,
        )
        with self._meter.reserve(most) as actual:
            yield actual

    def _answer(self, request: Request, response: Response, milliseconds: float) -> Answer:
        return Answer(
            response=response_to_dict(response),
            paid_by=here().run,
            prompt_tokens=response.usage.input_tokens or 0,
            completion_tokens=response.usage.output_tokens or 0,
            usd=self._pricing(request, response),
            milliseconds=milliseconds,
        )

    def _call(self, key: str, answer: Answer, *, cached: bool, started: datetime) -> Call:
        return Call(
            key=key,
            where=here(),
            model=self.terms.model,
            cached=cached,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            usd=answer.usd,
            milliseconds=answer.milliseconds,
            started=started.isoformat(timespec="milliseconds"),
        )

    def _first(self, key: str) -> bool:
        with self._lock:
            new = key not in self._charged
            self._charged.add(key)
        return new
