"""The engine every model is asked through: it keeps the answer, fills the ledger and holds the budget."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from dspy._vendor.lm15.serde import request_to_dict, response_from_dict, response_to_dict
from dspy.lm15 import Request, Response

from workbench.core import Meter, Record, Spend, canonical_json, digest_json
from workbench.lms.embedded import WORKED
from workbench.lms.once import Due, Once
from workbench.lms.repeats import Repeats, repeated
from workbench.lms.scope import here
from workbench.lms.spec import Price
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
    price: Price | None
    """The most its tokens cost; None if the price is unknown."""
    seeded: bool = False
    """True if the model draws by the request's seed: each repeat of a sampled question is then given its own."""


def question(request: Request, identity: str) -> str:
    """The key of a request: digest of what is asked and of who is asked; no key, header or address in clear."""
    return digest_json({"identity": identity, "request": request_to_dict(request)})


class AccountedEngine:
    """Asks an engine at most once for each question, and accounts for every call.

    A kept answer is replayed and costs nothing now. Where a model samples (temperature above 0), the
    second identical question of a run is another question, the third another still: so repeats differ,
    and a resumed run finds each of them again. Equal questions asked at once wait for one answer.
    """

    def __init__(
        self, inner: Engine, terms: Terms, *, pricing: Pricing, store: CallStore | None, meter: Meter | None
    ) -> None:
        self.inner = inner
        self.terms = terms
        self._pricing = pricing
        self._once = Once(store, meter)
        self._repeats = Repeats()

    def complete(self, request: Request) -> Response:
        """Answer from the store, or pay for an answer and keep it.

        Raises: BudgetExceeded before anything is spent; whatever the engine raises, with nothing kept.
        """
        with self._numbered(request) as (key, asked):
            due = Due(key=key, kind="lm", name=self.terms.model, most=lambda: self._most(asked))
            # What is answered now is made from what is kept, so that it is the same when it is replayed.
            return response_from_dict(self._once.answer(due, lambda: self._ask(asked)).response)

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
        seeded = self.terms.seeded and request.config.seed is None
        with self._repeats.number(run, key) as nth:
            yield (
                repeated(key, nth),
                replace(request, config=replace(request.config, seed=nth - 1)) if seeded else request,
            )

    def _most(self, request: Request) -> Spend:
        # A token is at least one byte of UTF-8, so the bytes of all that is sent bound the prompt's tokens: texts,
        # and the output schema and roles, which providers count too.
        prompt = len(canonical_json(request_to_dict(request)))
        completion = request.config.max_tokens or self.terms.max_tokens
        price = self.terms.price
        return Spend(
            calls=1,
            tokens=prompt + completion,
            seconds=self.terms.timeout_seconds,
            usd=None if price is None else price.usd(prompt, completion),
        )

    def _ask(self, request: Request) -> Answer:
        clock = time.perf_counter()
        response = self.inner.complete(request)
        waited = (time.perf_counter() - clock) * 1000
        worked = (response.provider_data or {}).get(WORKED)
        return Answer(
            response=response_to_dict(response),
            paid_by=here().run,
            prompt_tokens=response.usage.input_tokens or 0,
            completion_tokens=response.usage.output_tokens or 0,
            usd=self._pricing(request, response),
            milliseconds=float(worked) if isinstance(worked, int | float) else waited,
        )
