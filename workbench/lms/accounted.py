"""The engine every model is asked through: it keeps the answer, fills the ledger and holds the budget."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from dspy._vendor.lm15.serde import request_to_dict, response_from_dict, response_to_dict
from dspy.lm15 import LM15Error, Request, Response

from workbench.core import Meter, Record, Spend, canonical_json, digest_json
from workbench.lms.embedded import WORKED
from workbench.lms.once import Due, Once, idempotency_key
from workbench.lms.repeats import Repeats, repeated
from workbench.lms.scope import Miss, here, own
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


@dataclass(frozen=True)
class Asking:
    """A question that is put to one model now."""

    key: str
    """Names its answer in the store."""
    request: Request
    """As the model gets it."""
    nth: int


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
        with self.numbered(request) as asking:
            return self.answer(asking)

    @contextmanager
    def numbered(self, request: Request) -> Iterator[Asking]:
        """A question as it is asked now; where the model samples it has a number, which it gives back if it fails."""
        if not request.config.temperature:
            yield self.asking(request, 0)
            return
        with self._repeats.number(here().run, own(question(request, self.terms.identity))) as nth:
            yield self.asking(request, nth)

    def asking(self, request: Request, nth: int) -> Asking:
        """The nth asking of a question, from 1; 0 where the model does not sample."""
        key = own(question(request, self.terms.identity))
        if not nth:
            return Asking(key, request, nth)
        if self.terms.seeded and request.config.seed is None:
            request = replace(request, config=replace(request.config, seed=nth - 1))
        return Asking(repeated(key, nth), request, nth)

    def kept(self, asking: Asking) -> bool:
        """Whether its answer is in the store."""
        return self._once.kept(asking.key)

    def answer(self, asking: Asking) -> Response:
        """Its answer; raises like `complete`."""
        request = asking.request
        due = Due(key=asking.key, kind="lm", name=self.terms.model, most=lambda: self._most(request))
        # What is answered now is made from what is kept, so that it is the same when it is replayed.
        return response_from_dict(self._once.answer(due, lambda: self._ask(request)).response)

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
        started, clock = datetime.now(UTC), time.perf_counter()
        try:
            response = self.inner.complete(request)
        except LM15Error as error:
            self._miss(error, started, (time.perf_counter() - clock) * 1000)
            raise
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

    def _miss(self, error: LM15Error, started: datetime, milliseconds: float) -> None:
        """Set down that an attempt got no answer, and why: the error's code, never its text."""
        miss = Miss(
            key=idempotency_key(),
            where=here(),
            model=self.terms.model,
            error=error.code or "unknown",
            milliseconds=milliseconds,
            started=started.isoformat(timespec="milliseconds"),
        )
        self._once.miss(miss)
