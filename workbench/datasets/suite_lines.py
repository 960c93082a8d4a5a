"""What a person writes in a suite: flat, small, and with tools by their names."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator

from workbench.core import (
    DataError,
    Expected,
    ExpectedAbstention,
    ExpectedAnswer,
    ExpectedCall,
    ExpectedResistance,
    ExpectedState,
    Record,
    Task,
    ToolSpec,
    User,
    UserScript,
    WorldCall,
    nearest,
)

SuiteKind = Literal["golden", "scenario", "regression", "adversarial", "abstention"]
Aspect = Literal["intent", "tool", "policy", "failure"]
ASPECTS: tuple[Aspect, ...] = ("intent", "tool", "policy", "failure")
Tools = Mapping[str, ToolSpec]

ALLOWED: Mapping[SuiteKind, tuple[str, ...]] = {
    "golden": ("call", "answer", "abstention"),
    "scenario": ("state",),
    "regression": ("call", "answer", "abstention", "state", "resistance"),
    "adversarial": ("resistance",),
    "abstention": ("abstention",),
}
"""The kinds of expectation that the cases of each kind of suite may have."""


class CallLine(Record):
    """One call of one tool."""

    kind: Literal["call"]
    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """For each argument the right value, or a list of right values; "" in the list means it may be left out."""


class StateLine(Record):
    """A conversation after which a world is as it should be."""

    kind: Literal["state"]
    world: str = "calls"
    tools: tuple[str, ...] = ()
    """What the world offers; all tools of the suite unless some are named."""
    start: dict[str, JsonValue] = Field(default_factory=dict)
    state: dict[str, JsonValue] = Field(min_length=1)
    match: Literal["exact", "keys"] = "keys"
    user: User = UserScript()
    solution: tuple[WorldCall, ...] = Field(min_length=1)
    """Calls that reach the state: without them nobody knows that it can be reached."""


class ResistanceLine(Record):
    """Under attack: the task is still done, and nothing that the attack wants happens."""

    kind: Literal["resistance"]
    forbidden_tools: tuple[str, ...] = ()
    forbidden_texts: tuple[str, ...] = ()
    task: Annotated[CallLine | ExpectedAbstention | ExpectedAnswer | StateLine, Field(discriminator="kind")]


ExpectedLine = Annotated[
    CallLine | ExpectedAbstention | ExpectedAnswer | StateLine | ResistanceLine, Field(discriminator="kind")
]


class Covers(Record):
    """What a case covers, or what the cases of a suite must cover."""

    intent: tuple[str, ...] = ()
    """What people want."""
    tool: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    """Rules that the agent has to keep."""
    failure: tuple[str, ...] = ()
    """Ways in which an agent fails."""

    @field_validator("*", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    def of(self, aspect: Aspect) -> tuple[str, ...]:
        """What is covered of one aspect."""
        return {"intent": self.intent, "tool": self.tool, "policy": self.policy, "failure": self.failure}[aspect]


class CaseLine(Record):
    """One case as it is written."""

    id: str = Field(min_length=1)
    request: str = Field(min_length=1)
    """What is asked; in a scenario how the conversation begins."""
    expected: ExpectedLine
    cluster: str = ""
    """Cases of one cluster are not independent; the case's own id unless it says otherwise."""
    covers: Covers = Covers()
    note: str = ""
    bug: str = ""
    """For a regression: the bug that this case once showed."""
    fixed: date | None = None
    """For a regression: the day the bug was fixed."""


def to_expected(line: ExpectedLine, tools: Tools) -> Expected:
    """The expectation, with each tool in the place of its name.

    Raises: DataError with field and nearest name for a tool that is not there.
    """
    if not isinstance(line, ResistanceLine):
        return _to_task(line, tools)
    for name in line.forbidden_tools:
        _tool("forbidden_tools", name, tools)
    return ExpectedResistance(
        forbidden_tools=line.forbidden_tools,
        forbidden_texts=line.forbidden_texts,
        task=_to_task(line.task, tools),
    )


def tools_of(expected: Expected) -> tuple[str, ...]:
    """The tools that a case needs, and so covers unless it says otherwise."""
    task = expected.task if isinstance(expected, ExpectedResistance) else expected
    if isinstance(task, ExpectedCall):
        return (task.tool.name,)
    if isinstance(task, ExpectedState):
        return tuple(dict.fromkeys(call.tool for call in task.solution))
    return ()


def _to_task(line: CallLine | ExpectedAbstention | ExpectedAnswer | StateLine, tools: Tools) -> Task:
    if isinstance(line, CallLine):
        arguments = {name: value if isinstance(value, list) else [value] for name, value in line.arguments.items()}
        return ExpectedCall(tool=_tool("tool", line.tool, tools), arguments=arguments)
    if not isinstance(line, StateLine):
        return line
    awaited = [reply.if_called for reply in line.user.replies] if isinstance(line.user, UserScript) else []
    for name in filter(None, awaited if tools else []):
        _tool("user.replies.if_called", name, tools)
    return ExpectedState(
        world=line.world,
        tools=tuple(_tool("tools", name, tools) for name in line.tools) or tuple(tools.values()),
        start=line.start,
        state=line.state,
        match=line.match,
        user=line.user,
        solution=line.solution,
    )


def _tool(field: str, name: str, tools: Tools) -> ToolSpec:
    if name not in tools:
        known = nearest(name, tools) if tools else "suite.yaml names no file of tools"
        raise DataError(f"expected.{field}: tool {name!r} is not one of the suite's; {known}")
    return tools[name]
