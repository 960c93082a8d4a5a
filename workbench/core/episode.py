"""What happened when an agent met a case."""

from typing import Literal

from pydantic import Field, JsonValue

from workbench.core.record import Record

Blame = Literal["agent", "tool", "grader", "simulator", "infrastructure", "data"]
Manner = Literal["refuse", "clarify", "escalate"]
"""How to abstain: the request is not allowed, not clear, or for a person."""


class ToolCall(Record):
    """A call an agent wants to make."""

    tool_id: str
    """The catalogue's id of the chosen tool."""
    name: str
    arguments: dict[str, JsonValue]


class Step(Record):
    """One thing that happened in an episode, for a trace: what the agent did, and what a user said to it."""

    name: str
    kind: Literal["retriever", "lm", "chain", "tool", "agent", "user"]
    """"agent" is a message to the user, "user" a message from them."""
    inputs: dict[str, JsonValue]
    outputs: dict[str, JsonValue]
    start_milliseconds: float = Field(ge=0)
    """Since the episode began."""
    milliseconds: float = Field(ge=0)
    error: str = ""
    """Why it failed, for instance what a tool refused; empty if it did not."""


class Prediction(Record):
    """An agent's answer: a call, a text, or neither, which is an abstention when `abstained` says so."""

    ranked: tuple[str, ...] = ()
    """Ids of what was retrieved, best first."""
    call: ToolCall | None = None
    answer: str | None = None
    abstained: bool = False
    manner: Manner | None = None
    """How it abstained; None if it did not, or did not say."""
    state: dict[str, JsonValue] | None = None
    """What the world looked like when it was done; None where it acted on none."""
    malformed: str = ""
    """Why the model's output could not be used; empty if it could."""
    steps: tuple[Step, ...] = ()


class Failure(Record):
    """Why an episode has no prediction, and whose fault it was."""

    blame: Blame
    kind: str
    message: str


class Usage(Record):
    """What one episode's model calls cost. Cached calls are counted apart and cost nothing now."""

    calls: int = 0
    """Calls that were paid for."""
    cached_calls: int = 0
    """Calls answered from the call store."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    saved_tokens: int = 0
    """Tokens of cached calls: what they would have cost."""
    usd: float | None = 0.0
    """US dollars of the paid calls; None where a price is unknown."""
    milliseconds: float = 0.0
    """Time in paid calls."""
    model_milliseconds: float = 0.0
    """Time all calls took when they were paid: comparable between a fresh and a replayed run."""

    @property
    def tokens(self) -> int:
        """Tokens that this agent needs for the case, whether or not the store answered."""
        return self.prompt_tokens + self.completion_tokens + self.saved_tokens


class Episode(Record):
    """One attempt of one agent at one case."""

    case_id: str
    repeat: int = 0
    prediction: Prediction | None
    failure: Failure | None = None
    usage: Usage = Usage()
    milliseconds: float = Field(ge=0)
    """Wall time of the attempt."""


INAPPLICABLE = "does not apply: "
"""How the reason of a score begins where there was nothing to judge; such a case is no gap in what was measured."""


class Score(Record):
    """How good an episode was by one metric."""

    case_id: str
    repeat: int = 0
    metric: str
    value: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    """In [0, 1], higher is better; None is unscored, and then `reason` says why."""
    reason: str = ""

    def model_post_init(self, _context: object) -> None:
        """An unscored score without a reason is not allowed."""
        if self.value is None and not self.reason:
            raise ValueError(f"score {self.metric!r} of case {self.case_id!r}: is unscored without a reason")
