"""An ordered list of models behind one name: who is asked, when again, and when it is given up.

    lm: {model: openai/gpt-4o-mini, fallback: [anthropic/claude-sonnet-4-5], deadline_seconds: 60}

Each model has a breaker of its own; one that says when to come back is left alone until then. Every attempt
reserves from the budget and is set down in the call store, and an answer is kept under the name of whoever gave
it, so a run that goes on is given the same one. Nothing is asked of two models at once.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from dspy.lm15 import (
    RETRYABLE_ERRORS,
    InvalidRequestError,
    LM15Error,
    ProviderError,
    RateLimitError,
    Request,
    Response,
    UnsupportedModelError,
)

from workbench.core import FAILURES, Breaker, LMError
from workbench.lms.accounted import AccountedEngine, Asking

ATTEMPTS = 4
"""Most for one answer; where there are more models, one of each."""
FIRST_WAIT_SECONDS = 0.5
"""After every model was asked once; doubled each further time, with up to as much again at random."""
LONGEST_WAIT_SECONDS = 8.0
FIRST_REST_SECONDS = 1.0
"""How long a model that keeps failing is left alone at first; doubled while it goes on, up to the breaker's rest."""
AMONG = 10
"""A breaker looks at so many last attempts where another model stands by: one that fails half of the time is worse than
that. The last one rests only after failures one after another."""
SHARE = 0.4
"""Further attempts for each question that is asked, in the long run."""
SAVED = 10.0
"""Most of them that are saved up for bad times."""


class NoAnswer(LMError):
    """No model of a route answered in time. Its text has codes in it, and nothing that a provider wrote."""


@dataclass
class Allowance:
    """Bounds further attempts by the questions asked, so that failing providers aren't asked all the more.

    Source: Beyer et al. 2016, "Site Reliability Engineering", ch. 21, retry budgets.
    """

    _left: float = SAVED
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def earn(self) -> None:
        """A question is asked."""
        with self._lock:
            self._left = min(SAVED, self._left + SHARE)

    def take(self) -> bool:
        """Whether a further attempt may be made; then it is counted."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True


@dataclass
class Standing:
    """One model of a route, and how it fares. Safe under threads."""

    engine: AccountedEngine
    clock: Callable[[], float]
    among: int
    """So many last attempts its breaker looks at."""
    _breaker: Breaker = field(init=False)
    _until: float = 0.0
    """When it may be asked again by its own word."""

    def __post_init__(self) -> None:
        self._breaker = Breaker(among=self.among, rest_seconds=FIRST_REST_SECONDS, clock=self.clock)

    def enter(self) -> bool:
        """Whether it may be asked now; `ask` or `leave` follows."""
        return self.clock() >= self._until and self._breaker.enter()

    def leave(self) -> None:
        """It is not asked after all."""
        self._breaker.leave()

    def ask(self, asking: Asking) -> Response:
        """One attempt. Raises: whatever the engine raises."""
        try:
            response = self.engine.answer(asking)
            self._breaker.judge(well=True)
        except LM15Error as error:
            self._judge(error)
            raise
        finally:
            self._breaker.leave()
        return response

    def wait_seconds(self) -> float:
        """How long until it may be asked, as far as is known."""
        return max(0.0, self._until - self.clock(), self._breaker.wait_seconds())

    def _judge(self, error: LM15Error) -> None:
        if isinstance(error, RateLimitError):  # it works, and says when to come back
            self._until = max(self._until, self.clock() + (error.retry_after or 0.0))
        elif isinstance(error, (ProviderError, *RETRYABLE_ERRORS)):
            sound = isinstance(error, InvalidRequestError) and not isinstance(error, UnsupportedModelError)
            self._breaker.judge(well=sound)


@dataclass
class _Quest:
    """One question on its way from model to model."""

    askings: Sequence[Asking]
    """As it is put to each model."""
    ends: float
    """When no attempt may begin any more."""
    attempts: list[str] = field(default_factory=list)
    refused: dict[int, LM15Error] = field(default_factory=dict)
    """Models that would say the same again, by their place."""
    last: LM15Error | None = None
    passes: int = 0
    """How often every model was asked or passed over."""

    def fail(self, place: int, model: str, error: LM15Error) -> None:
        """Note what came of an attempt."""
        self.last = error
        self.attempts.append(f"{model}: {error.code or 'unknown'}")
        if not _passing(error):
            self.refused[place] = error


class RoutedEngine:
    """Asks the first model of a list that answers; one that fails is asked again after the others."""

    def __init__(
        self,
        engines: Sequence[AccountedEngine],
        *,
        deadline_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        *first, last = engines
        self._standings = [*(Standing(one, clock, AMONG) for one in first), Standing(last, clock, FAILURES)]
        self._deadline = deadline_seconds
        self._clock = clock
        self._allowance = Allowance()
        self._most = max(ATTEMPTS, len(engines))

    def complete(self, request: Request) -> Response:
        """The kept answer of any model, or the first that one gives.

        Raises: NoAnswer; BudgetExceeded before anything is spent; what the first model raised, if every one refused
        the question as such.
        """
        first = self._standings[0].engine
        with first.numbered(request) as asking:
            others = [standing.engine for standing in self._standings[1:]]
            askings = [asking, *(_put(one, request, asking.nth) for one in others)]
            kept = self._kept(askings)
            if kept is not None:
                return kept
            self._allowance.earn()
            longest = max(standing.engine.terms.timeout_seconds for standing in self._standings)
            return self._seek(_Quest(askings, self._clock() + self._deadline - longest))

    def dump_state(self) -> dict[str, str]:
        """Names the first model and nothing else: an engine is connected anew, never restored from a file."""
        return self._standings[0].engine.dump_state()

    @classmethod
    def load_state(cls, state: dict[str, str]) -> "RoutedEngine":
        """Refused: connections come from an LMSpec."""
        raise TypeError(
            f"model {state.get('model')!r}: is connected by workbench.lms.connect, not restored from a file"
        )

    def __deepcopy__(self, memo: dict[int, object]) -> "RoutedEngine":
        """Programs are copied by optimizers; they go on sharing one account."""
        return self

    def _kept(self, askings: Sequence[Asking]) -> Response | None:
        for standing, asking in zip(self._standings, askings, strict=True):
            if standing.engine.kept(asking):
                return standing.engine.answer(asking)
        return None

    def _seek(self, quest: _Quest) -> Response:
        while True:
            response = self._pass(quest)
            if response is not None:
                return response
            # Not stamina: it decides on a wait only after it can no longer be held against the deadline.
            time.sleep(self._wait_seconds(quest))
            quest.passes += 1

    def _pass(self, quest: _Quest) -> Response | None:
        """Ask each model once that may be asked; None if none answered and another pass may help."""
        for place, standing in enumerate(self._standings):
            if place in quest.refused or not standing.enter():
                continue
            if why := self._over(quest):
                standing.leave()
                raise self._given_up(quest, why) from quest.last
            try:
                return standing.ask(quest.askings[place])
            except LM15Error as error:
                quest.fail(place, standing.engine.terms.model, error)
        if len(quest.refused) == len(self._standings):
            raise quest.refused[0]
        return None

    def _wait_seconds(self, quest: _Quest) -> float:
        """How long to wait before the next pass. Raises: NoAnswer if no attempt could begin then."""
        known = min(one.wait_seconds() for place, one in enumerate(self._standings) if place not in quest.refused)
        usual = min(FIRST_WAIT_SECONDS * 2**quest.passes, LONGEST_WAIT_SECONDS)
        wait = max(known, usual if quest.last else 0.0) + random.uniform(0, FIRST_WAIT_SECONDS)
        if self._clock() + wait > quest.ends:
            why = f"none may be asked again within deadline_seconds: {self._deadline:g}"
            raise self._given_up(quest, why) from quest.last
        return wait

    def _over(self, quest: _Quest) -> str:
        """Why no further attempt is made; empty for the first, and where one may be."""
        if not quest.attempts:
            return ""
        if len(quest.attempts) >= self._most:
            return f"after {self._most} attempts"
        if self._clock() > quest.ends:
            return f"no further attempt fits into deadline_seconds: {self._deadline:g}"
        return "" if self._allowance.take() else "too many attempts fail for more of them"

    def _given_up(self, quest: _Quest, why: str) -> NoAnswer:
        model = self._standings[0].engine.terms.model
        came = ", ".join(quest.attempts) or "every model rests after failures"
        return NoAnswer(f"lm {model!r}: no answer ({came}); {why}; try again later, or name a model in fallback")


def _put(engine: AccountedEngine, request: Request, nth: int) -> Asking:
    """A question as another model is asked it."""
    return engine.asking(replace(request, model=engine.terms.model), nth)


def _passing(error: LM15Error) -> bool:
    """Whether the same model may answer the same question another time."""
    garbled = type(error) is ProviderError and (error.status is None or error.status < 300)
    return garbled or isinstance(error, RETRYABLE_ERRORS)
