"""One suite behind our gate: its tools as ours, sessions that act in it, and a person who grants what is asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import BaseModel, JsonValue
from pydantic_core import to_jsonable_python

from benchmarks import dojo_suites
from benchmarks.dojo_facts import declared
from benchmarks.dojo_labels import Provenance
from benchmarks.dojo_suites import Function, Suite
from benchmarks.dojo_words import FOLDER, Request
from workbench.tools import (
    Attempt,
    AuditKeys,
    Call,
    Caller,
    ChainedLog,
    Gate,
    NotDone,
    Policy,
    Result,
    State,
    Tool,
)

TENANT = "home"
PATIENCE = 3
"""Grants of one call, after which it counts as never done."""
TEXTS = ("body", "content", "description")
"""Arguments that hold free text."""


@dataclass
class Desk:
    """The gate of a suite, and the environment that its tools act in for now."""

    suite: Suite
    folder: Path
    environment: BaseModel = field(init=False)
    tools: dict[str, Tool] = field(init=False)
    gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self.environment = self.suite.environment({})
        self.tools = {one.name: declared(one, partial(self._run, one)) for one in self.suite.tools}
        tools = list(self.tools.values())
        text = "\n".join((FOLDER / f"{name}.cedar").read_text(encoding="utf-8") for name in ("every", self.suite.name))
        self._state = State(self.folder / "state.db")
        self.log = ChainedLog(self.folder / "audit", AuditKeys(self.folder / "keys"))
        self.gate = Gate(tools, Policy(text, tools), self._state, self.log)

    def acts(self, wanted: dojo_suites.Call) -> bool:
        """Whether a call's tool has an effect."""
        return self.tools[wanted.function].facts.effect != "read"

    def close(self) -> None:
        """Close the files."""
        self.log.close()
        self._state.close()

    def _run(self, function: Function, arguments: Mapping[str, JsonValue], _attempt: Attempt) -> JsonValue:
        try:
            told: JsonValue = to_jsonable_python(self.suite.run(self.environment, function.name, arguments))
        except (ValueError, KeyError) as cause:
            raise NotDone("the tool refused its arguments") from cause
        return told


@dataclass
class Session:
    """One request, from its first call to its last, in an environment of its own."""

    desk: Desk
    prompt: str
    name: str
    asked: int = 0
    """Approvals that a person was asked for."""
    most: int = 0
    """The most that one call needed."""
    _provenance: Provenance = field(init=False)
    _caller: Caller = field(init=False)

    def __post_init__(self) -> None:
        request = Request(self.prompt)
        self._provenance = Provenance(request)
        roles = tuple(tool for tool in request.asks if tool in self.desk.tools)
        self._caller = Caller(tenant=TENANT, principal="owner", roles=roles, session=self.name)

    def call(self, wanted: dojo_suites.Call) -> Result:
        """Put a call to the gate as the planner wants it, with labels as they are found here."""
        return self.call_with(wanted.function, self.arguments(wanted))

    def call_with(self, name: str, arguments: dict[str, JsonValue]) -> Result:
        """The same with other arguments."""
        tool = self.desk.tools[name]
        labels = self._provenance.labels(tool, arguments)
        asking = Call(tool=name, arguments=arguments, labels=labels, caller=self._caller, occasion=self.name)
        result = self.desk.gate.call(asking)
        if result.kind == "done":
            self._provenance.read(tool, arguments, result)
        return result

    def approved(self, wanted: dojo_suites.Call) -> Result:
        """The same, and whatever a person is asked for is granted."""
        result, times = self.call(wanted), 0
        while result.kind == "pending" and times < PATIENCE:
            times += 1
            self.desk.gate.approvals.grant(result.approval_id, approver="person", tenant=TENANT)
            result = self.call(wanted)
        self.asked += times
        self.most = max(self.most, times)
        return result

    def read_all(self, wanted: Sequence[dojo_suites.Call]) -> None:
        """Read whatever can be read with no argument, or with a text that calls with an effect would use."""
        texts = dict.fromkeys(
            text for call in wanted if self.effectful(call) for text in texts_of(self.arguments(call))
        )
        for tool in self.desk.tools.values():
            if tool.facts.effect != "read":
                continue
            for text in texts if tool.spec.required else ("",):
                kinds = {name: tool.spec.properties[name].get("type") for name in tool.spec.required}
                self.call_with(tool.spec.name, {name: [text] if kinds[name] == "array" else text for name in kinds})

    def has_read(self, text: str) -> bool:
        """Whether it has read a text."""
        return self._provenance.has_read(text)

    def effectful(self, wanted: dojo_suites.Call) -> bool:
        """Whether a call's tool has an effect."""
        return self.desk.acts(wanted)

    def arguments(self, wanted: dojo_suites.Call) -> dict[str, JsonValue]:
        """A call's arguments as JSON."""
        arguments: dict[str, JsonValue] = to_jsonable_python(dict(wanted.args))
        return arguments

    def contents(self, wanted: dojo_suites.Call) -> tuple[str, ...]:
        """Texts of a call that only fill what is done."""
        properties = self.desk.tools[wanted.function].spec.properties
        named = self.desk.tools[wanted.function].facts.content
        return tuple(name for name in named if name in TEXTS and name in properties)


def texts_of(value: JsonValue) -> Iterator[str]:
    """All texts inside a value.

    >>> list(texts_of({"to": ["ann", "bob"], "times": 2}))
    ['ann', 'bob']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts_of(item)
