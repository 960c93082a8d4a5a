"""Conversations: an agent, a user and a world, until the user has nothing more to say.

`converse` plays one and gives it back as a `Prediction` whose steps are what was said and done, and whose `state` is
what the world looked like in the end. `InWorld` makes of any agent one that the runner can try on a suite: cases that
expect a state are played in their world, all others are asked as ever.

Why the agent is asked for one move at a time: so it is the conversation that calls the world, and an agent can't
report a call that never happened.
"""

import json
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from pydantic import JsonValue

from workbench.core import (
    AgentError,
    Case,
    EvaluationError,
    ExpectedState,
    Persona,
    Prediction,
    Step,
    ToolCall,
    ToolSpec,
    boundary,
    nearest,
)
from workbench.evals.users import Message, ScriptedUser, SimulatedUser, SimulatorError, SpeakingUser
from workbench.evals.worlds import World, Worlds

if TYPE_CHECKING:
    import dspy

    from workbench.evals.runner import Agent

MOST_CALLS = 30
"""Calls of tools in one conversation; then it ends, by the agent's fault. Source: the limit of steps of tau-bench's
agents (Yao et al. 2024, tau-bench: A Benchmark for Tool-Agent-User Interaction in Real-World Domains)."""


@runtime_checkable
class Converser(Protocol):
    """An agent that can hold a conversation."""

    def respond(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Prediction:
        """The next move: a call, which is answered by a message of role "tool", or what to say, or an abstention.

        Raises: AgentError if it is the agent's fault that it can't go on.
        """
        ...


class SingleRequests:
    """An agent that knows single requests only, in a conversation.

    It is asked what the user has said since it last called a tool, line by line. After a call it says whether it was
    done: it has no words of its own for what a tool returned.
    """

    def __init__(self, agent: "Agent") -> None:
        self._agent = agent

    def respond(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Prediction:
        """The agent's answer to what the user said; after a call, whether it was done."""
        if messages[-1].role == "tool":
            return Prediction(answer="That was refused." if messages[-1].refused else "Done.")
        served = max((place for place, message in enumerate(messages) if message.role == "tool"), default=-1)
        return self._agent("\n".join(message.text for message in messages[served + 1 :] if message.role == "user"))


@runtime_checkable
class CaseAgent(Protocol):
    """An agent that must see the case, because its request does not say in which world it plays."""

    def try_case(self, case: Case) -> Prediction:
        """Try one case."""
        ...


class InWorld:
    """An agent on the cases of a suite, each in its own world; safe to call from many threads if the agent is."""

    def __init__(
        self,
        agent: "Agent | Converser",
        cases: Sequence[Case],
        *,
        worlds: Worlds,
        connect: "Callable[[str], dspy.LM]",
    ) -> None:
        """`connect` gives the language model of a name; it is called here, once for each that plays a user.

        Raises: EvaluationError if a case needs a world that is not there, or if one that plays in a world begins with
        the request of another; whatever `connect` raises.
        """
        self._agent = agent
        self._worlds = worlds
        self._played = {case.request: case for case in cases if isinstance(case.task, ExpectedState)}
        for case in cases:
            self._check(case)
        personas = (case.task.user for case in cases if isinstance(case.task, ExpectedState))
        models = sorted({user.model for user in personas if isinstance(user, Persona)})
        self._simulators = {model: connect(model) for model in models}

    def __call__(self, request: str) -> Prediction:
        """Play the case that begins with this request; any other is just asked."""
        case = self._played.get(request)
        return self._ask(request) if case is None else self.try_case(case)

    def try_case(self, case: Case) -> Prediction:
        """Play the case in its world, or ask its request if it has none.

        Raises: SimulatorError if the user or the world breaks; whatever the agent raises.
        """
        expected = case.task
        if not isinstance(expected, ExpectedState):
            return self._ask(case.request)
        with boundary(SimulatorError, f"world {expected.world!r}: can't begin"):
            world = self._worlds[expected.world](expected)
        agent = self._agent
        converser = agent if isinstance(agent, Converser) else SingleRequests(agent)
        return converse(
            converser, case.request, world=world, user=self._user(expected), most_turns=expected.user.most_turns
        )

    def _user(self, expected: ExpectedState) -> SpeakingUser:
        if isinstance(expected.user, Persona):
            return SimulatedUser(expected.user, self._simulators[expected.user.model])
        return ScriptedUser(expected.user)

    def _ask(self, request: str) -> Prediction:
        if isinstance(self._agent, Converser):
            return self._agent.respond([Message(role="user", text=request)], ())
        return self._agent(request)

    def _check(self, case: Case) -> None:
        played = self._played.get(case.request, case)
        if played.case_id != case.case_id:
            names = f"cases {case.case_id!r} and {played.case_id!r}"
            raise EvaluationError(f"{names}: begin with the same request, and one plays in a world; reword one")
        expected = case.task
        if isinstance(expected, ExpectedState) and expected.world not in self._worlds:
            raise EvaluationError(
                f"case {case.case_id!r}: world {expected.world!r} is unknown; {nearest(expected.world, self._worlds)}"
            )


def converse(
    converser: Converser, request: str, *, world: World, user: SpeakingUser, most_turns: int = 8
) -> Prediction:
    """Play one conversation: the user says the request; the agent calls tools until it says something; and so on.

    It ends when the user has nothing more to say or has spoken `most_turns` times. The answer is what the agent said
    last, and whether that was an abstention. An agent that calls more than `MOST_CALLS` tools is stopped; then the
    prediction is malformed.

    Raises: SimulatorError if the user or the world breaks; whatever the agent raises.
    """
    talk = _Talk(world)
    talk.hear(request)
    turns, move = 1, talk.answer(converser)
    while not talk.exhausted and turns < most_turns:
        began = time.perf_counter()
        with boundary(SimulatorError, "user"):
            said = user.reply(tuple(talk.messages))
        if said is None:
            break
        talk.hear(said, began)
        turns, move = turns + 1, talk.answer(converser)
    with boundary(SimulatorError, "world: its state can't be read"):
        state = world.state
    return Prediction(
        ranked=talk.ranked,
        answer=move.answer,
        abstained=move.abstained,
        manner=move.manner,
        state=state,
        malformed=f"called {MOST_CALLS} tools and more" if talk.exhausted else move.malformed,
        steps=tuple(talk.steps),
    )


@dataclass
class _Talk:
    """What was said and done so far."""

    world: World
    messages: list[Message] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    ranked: tuple[str, ...] = ()
    """What the agent retrieved first."""
    calls: int = 0
    began: float = field(default_factory=time.perf_counter)

    @property
    def exhausted(self) -> bool:
        return self.calls > MOST_CALLS

    def hear(self, text: str, started: float | None = None) -> None:
        """The user says something."""
        self.messages.append(Message(role="user", text=text))
        self._add(_step("say", "user", outputs={"text": text}), started or time.perf_counter())

    def answer(self, converser: Converser) -> Prediction:
        """The agent's moves up to what it says to the user; the last one."""
        while True:
            started = time.perf_counter()
            move = converser.respond(tuple(self.messages), self.world.tools)
            self.ranked = self.ranked or move.ranked
            # A step of the agent's own is timed from the beginning of its move.
            shift = (started - self.began) * 1000
            self.steps += [
                step.model_copy(update={"start_milliseconds": step.start_milliseconds + shift}) for step in move.steps
            ]
            if move.call is None:
                self._say(move, started)
                return move
            self.calls += 1
            if self.exhausted:
                return move
            self._call(move.call)

    def _say(self, move: Prediction, started: float) -> None:
        text = move.answer or ""
        self.messages.append(Message(role="agent", text=text))
        outputs: dict[str, JsonValue] = {"text": text}
        if move.abstained:
            outputs |= {"abstained": True, "manner": move.manner}
        self._add(_step("say", "agent", outputs=outputs, error=move.malformed), started)

    def _call(self, call: ToolCall) -> None:
        self.messages.append(Message(role="agent", text="", call=call))
        started = time.perf_counter()
        outputs: dict[str, JsonValue] = {}
        refusal = ""
        try:
            with boundary(SimulatorError, f"world: tool {call.name!r}"):
                # A world may keep what it is given: the agent's own call must not change with it.
                outputs = {"result": self.world.call(call.name, deepcopy(call.arguments))}
                text = json.dumps(outputs["result"], ensure_ascii=False, allow_nan=False)
        except AgentError as refused:
            text = refusal = str(refused)
        self.messages.append(Message(role="tool", text=text, call=call, refused=bool(refusal)))
        self._add(_step(call.name, "tool", inputs=call.arguments, outputs=outputs, error=refusal), started)

    def _add(self, step: Step, started: float) -> None:
        times = {
            "start_milliseconds": max(0.0, (started - self.began) * 1000),
            "milliseconds": (time.perf_counter() - started) * 1000,
        }
        self.steps.append(step.model_copy(update=times))


def _step(
    name: str,
    kind: Literal["user", "agent", "tool"],
    *,
    outputs: dict[str, JsonValue],
    inputs: dict[str, JsonValue] | None = None,
    error: str = "",
) -> Step:
    return Step(
        name=name, kind=kind, inputs=inputs or {}, outputs=outputs, error=error, start_milliseconds=0, milliseconds=0
    )
