"""Worlds: what an agent acts on in a scenario, and what it leaves behind.

A world is code under a name. One is built in: "calls", which keeps every call that fits its tools, so that a person
can write scenarios over any tools without a line of code. A package of your own offers more through the entry point
group "workbench.worlds": each entry is a callable that is given the `ExpectedState` of a case and returns a `World`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Protocol

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from workbench.core import AgentError, DataError, ExpectedState, Record, ToolSpec, boundary, nearest
from workbench.evals.schema import misfit
from workbench.evals.state import State, equal

ENTRY_POINTS = "workbench.worlds"


class World(Protocol):
    """Something to act on; made anew for every conversation, used by one thread."""

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """What the agent may call."""
        ...

    @property
    def state(self) -> State:
        """How it looks now; a value of its own, which later calls don't change."""
        ...

    def call(self, name: str, arguments: dict[str, JsonValue]) -> JsonValue:
        """Do what a tool does, and say what came of it.

        Raises: AgentError if it refuses the call; the agent is told why, and may go on.
        """
        ...


MakeWorld = Callable[[ExpectedState], World]
Worlds = Mapping[str, MakeWorld]


class Rule(Record):
    """What the world "calls" does on a call; the first rule that fits is taken."""

    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Values that the call's arguments must have; other arguments may be anything."""
    returns: JsonValue = "done"
    refuses: str = ""
    """Why the call is refused; empty if it is not."""


_START = ("calls", "rules")
_RULES = TypeAdapter(tuple[Rule, ...])


class CallsWorld:
    """Keeps every call that fits a tool's schema; its state is `{"calls": {tool: [arguments, ...]}}`, every tool named.

    A case's `start` may hold `calls`, what was done before, and `rules`, a list of `Rule`.
    """

    def __init__(self, expected: ExpectedState) -> None:
        """Raises: DataError if the case's start is not what this world begins with, or it offers no tool."""
        unknown = sorted(expected.start.keys() - {"calls", "rules"})
        if unknown:
            raise DataError(
                f"world 'calls': start {unknown[0]!r} is unknown; {nearest(unknown[0], ('calls', 'rules'))}"
            )
        if not expected.tools:
            raise DataError("world 'calls': has no tool; name the file of the tools in suite.yaml")
        self.tools: Sequence[ToolSpec] = expected.tools
        self._tools = {tool.name: tool for tool in expected.tools}
        self._rules = _rules(expected.start.get("rules", []))
        self._calls: dict[str, list[JsonValue]] = {name: [] for name in self._tools}
        before = expected.start.get("calls", {})
        for name, calls in before.items() if isinstance(before, dict) else ():
            self._known(name, DataError)
            self._calls[name].extend(calls if isinstance(calls, list) else [calls])
        for rule in self._rules:
            self._known(rule.tool, DataError)

    @property
    def state(self) -> State:
        """The calls so far, in order, by tool."""
        state: State = json.loads(json.dumps({"calls": self._calls}))
        return state

    def call(self, name: str, arguments: dict[str, JsonValue]) -> JsonValue:
        """Keep the call, and return what its rule says, or "done".

        Raises: AgentError if there is no such tool, the arguments don't fit its schema, or a rule refuses.
        """
        self._known(name, AgentError)
        problem = misfit(self._tools[name], arguments)
        if problem:
            raise AgentError(f"tool {name!r}: {problem}")
        rule = next((rule for rule in self._rules if _fits(rule, name, arguments)), Rule(tool=name))
        if rule.refuses:
            raise AgentError(f"tool {name!r}: {rule.refuses}")
        self._calls[name].append(dict(arguments))
        return rule.returns

    def _known(self, name: str, error: type[AgentError] | type[DataError]) -> None:
        if name not in self._tools:
            raise error(f"tool {name!r}: is not in this world; {nearest(name, self._tools)}")


def known_worlds() -> dict[str, MakeWorld]:
    """The built-in world, and those that installed packages offer; a package can't replace the built-in one.

    Raises: DataError if a package's world can't be imported.
    """
    found: dict[str, MakeWorld] = {}
    for entry in entry_points(group=ENTRY_POINTS):
        with boundary(DataError, f"world {entry.name!r} of {entry.value!r}: can't be imported"):
            found[entry.name] = entry.load()
    return {**found, "calls": CallsWorld}


def _rules(given: JsonValue) -> tuple[Rule, ...]:
    try:
        return _RULES.validate_python(given)
    except ValidationError as cause:
        problem = cause.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise DataError(f"world 'calls': rules.{where}: {problem['msg']}") from cause


def _fits(rule: Rule, name: str, arguments: dict[str, JsonValue]) -> bool:
    return rule.tool == name and all(
        key in arguments and equal(value, arguments[key]) for key, value in rule.arguments.items()
    )
