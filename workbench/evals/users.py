"""Users of a scenario: what they say next, by a script or by a language model.

A mistake of theirs is the simulator's, never the agent's. What a simulated user's model costs is in the ledger under
the module "user", and not in what the agent cost.
"""

import contextvars
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from workbench.core import (
    BudgetExceeded,
    EvaluationError,
    LMError,
    Persona,
    Record,
    Reply,
    ToolCall,
    UserScript,
    boundary,
)

if TYPE_CHECKING:
    import dspy

END = "(end)"
_PROMPT = """You are a person who talks to an assistant. Who you are and what you want:
{persona}

Say only what you know, a little at a time, in your own words. When you have what you want, or see that you can't \
get it, answer with {end} and nothing else.

{talk}
You:
"""
_NAMES = {"user": "You", "agent": "Assistant"}


class SimulatorError(EvaluationError):
    """A simulated user or world broke; the agent is not to blame."""


class Message(Record):
    """One thing that was said or returned in a conversation."""

    role: Literal["user", "agent", "tool"]
    text: str
    """What was said; for a tool what it returned, as JSON, or why it refused."""
    call: ToolCall | None = None
    """The call that the agent wants, or the one that the tool answers."""
    refused: bool = False
    """Whether the tool refused the call."""


class SpeakingUser(Protocol):
    """The other side of one conversation."""

    def reply(self, messages: Sequence[Message]) -> str | None:
        """What the user says to what the agent said last; None if they have nothing more to say."""
        ...


class ScriptedUser:
    """Says the replies of a script, each at most once: always the first whose conditions hold."""

    def __init__(self, script: UserScript) -> None:
        self._left = list(script.replies)

    def reply(self, messages: Sequence[Message]) -> str | None:
        """The next reply; None if none fits."""
        chosen = next((reply for reply in self._left if _holds(reply, messages)), None)
        if chosen is None:
            return None
        self._left.remove(chosen)
        return chosen.says


class SimulatedUser:
    """Says what a language model makes of a persona and of the conversation; tool calls are hidden from it."""

    def __init__(self, persona: Persona, lm: "dspy.LM") -> None:
        self._persona = persona
        self._lm = lm

    def reply(self, messages: Sequence[Message]) -> str | None:
        """The model's next words; None once it ends the conversation.

        Raises: SimulatorError if the model fails or says nothing; BudgetExceeded if the budget is used up.
        """
        talk = "\n".join(f"{_NAMES[message.role]}: {message.text}" for message in messages if message.call is None)
        prompt = _PROMPT.format(persona=self._persona.persona, end=END, talk=talk)
        said = _ask(self._lm, prompt).strip()
        if not said:
            raise SimulatorError("simulated user: its language model said nothing; use another model")
        # What a small model adds after its own words, the assistant's next ones, is not the user's.
        first = said.split(f"\n{_NAMES['agent']}:")[0].strip()
        return None if END in first else first


def _holds(reply: Reply, messages: Sequence[Message]) -> bool:
    last = next((message.text for message in reversed(messages) if message.role == "agent"), "")
    spoke = max((place for place, message in enumerate(messages) if message.role == "user"), default=0)
    called = {message.call.name for message in messages[spoke:] if message.role == "tool" and message.call is not None}
    return reply.if_says.casefold() in last.casefold() and (not reply.if_called or reply.if_called in called)


def _ask(lm: "dspy.LM", prompt: str) -> str:
    # Here and not above: reading a run or a report must not load a language-model library.
    from workbench.agents import blamed  # noqa: PLC0415
    from workbench.lms import here, scope  # noqa: PLC0415

    where = here()

    def ask() -> str:
        with scope(run=where.run, candidate=where.candidate, case=where.case_id, module="user"):
            return str(lm(prompt)[0])

    try:
        with boundary(SimulatorError, "simulated user"):
            # In an empty context no scope of the agent's episode counts the call as the agent's.
            return contextvars.Context().run(ask)
    except (SimulatorError, LMError) as error:
        cause = blamed(error.__cause__ or error)
        if isinstance(cause, BudgetExceeded):
            raise cause from error
        raise SimulatorError(f"simulated user: its language model failed: {cause}") from error
