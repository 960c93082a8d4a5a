"""What an agent would ask, found out without asking anybody: a mute model takes down each question."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import dspy
from dspy.lm15 import Request, Response

from workbench.agents import Agent, AgentSpec, build_agent
from workbench.core import Budget, Case, Meter, OptimizeError, Spend, boundary
from workbench.lms import LMSpec, Price, ScriptedEngine, identity, question, scope, scripted_lm
from workbench.retrieval import Index

NOTHING = "{}"
"""What the mute model says: valid JSON, so that a second question of the same case is still asked."""


@dataclass(frozen=True)
class Question:
    """One question that an agent would ask."""

    key: str
    """Its key in the call store, as it is first asked."""
    prompt_bytes: int
    most_tokens: int
    """What a budget reserves for it."""


Asking = tuple[Question, ...]
"""What an agent asks about one case; empty where it abstains before it asks."""


class _Listener(Meter):
    """A budget without limits that remembers what was reserved."""

    def __init__(self) -> None:
        super().__init__(Budget())
        self.reserved: list[Spend] = []

    @contextmanager
    def reserve(self, most: Spend) -> Iterator[list[Spend]]:
        """As the meter does."""
        self.reserved.append(most)
        with super().reserve(most) as actual:
            yield actual


@dataclass
class _Mute(ScriptedEngine):
    """Takes down the key of each question."""

    answer: Callable[[str], str] = lambda _prompt: NOTHING
    identity: str = ""
    asked: list[tuple[str, int]] = field(default_factory=list)

    def complete(self, request: Request) -> Response:
        """Nothing, at once."""
        texts = (message.text or "" for message in request.messages)
        prompt = sum(len(text.encode()) for text in texts)
        self.asked.append((question(request, self.identity), prompt))
        return super().complete(request)


def weigh(spec: AgentSpec, cases: Sequence[Case], *, index: Index) -> tuple[Asking, ...]:
    """What the agent would ask about each case over this index; no model is connected and nothing is spent.

    Where an agent's next step hangs on what the model said, only the path of an empty answer is seen.
    Raises: OptimizeError if the agent can't be tried.
    """
    engine, meter = _Mute(identity=identity(spec.lm)), _Listener()
    agent = _over(index, spec, scripted_lm(engine, spec=spec.lm, meter=meter))
    return tuple(_asking(agent, case, engine, meter) for case in cases)


def mute_agent(spec: AgentSpec, index: Index) -> Agent:
    """The agent over this index, with a model that has nothing to say."""
    return _over(index, spec, scripted_lm(lambda _prompt: NOTHING, spec=spec.lm))


def _over(index: Index, spec: AgentSpec, lm: dspy.LM) -> Agent:
    return build_agent(spec.model_copy(update={"index": index.spec}), index=index, lm=lm)


def _asking(agent: Agent, case: Case, engine: _Mute, meter: _Listener) -> Asking:
    before = len(engine.asked)
    with boundary(OptimizeError, f"case {case.case_id!r}: its prompt can't be written"):
        agent(case.request)
    pairs = zip(engine.asked[before:], meter.reserved[before:], strict=True)
    return tuple(Question(key, size, most.tokens) for (key, size), most in pairs)


def price_of(spec: LMSpec) -> Price | None:
    """US dollars for a million tokens of a model, as its calls will be priced; None if unknown."""
    prompt, completion = _priced(spec, (1000, 0)), _priced(spec, (0, 1000))
    if prompt is None or completion is None:
        return None
    return Price(prompt_usd=prompt * 1000, completion_usd=completion * 1000, date="")


def _priced(spec: LMSpec, tokens: tuple[int, int]) -> float | None:
    engine = _Counted(answer=lambda _prompt: NOTHING, tokens=tokens)
    lm: dspy.LM = scripted_lm(engine, spec=spec)
    with scope() as tally:
        lm("How much?")
    return tally.calls()[0].usd


@dataclass
class _Counted(ScriptedEngine):
    """Says that it read and wrote so many tokens."""

    tokens: tuple[int, int] = (0, 0)

    def complete(self, request: Request) -> Response:
        """Nothing, at a length."""
        response = super().complete(request)
        read, written = self.tokens
        return replace(response, usage=replace(response.usage, input_tokens=read, output_tokens=written))
