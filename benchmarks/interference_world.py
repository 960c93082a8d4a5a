"""A world for agents to act in: tools of every kind, policies, and a gate whose stores are in memory.

The gate is the real one from its first line to the decision and from a tool's answer to its label; only what stands
between them, approvals, journal, threads and log, is replaced: it has no part in labels and decisions, and its disk
would make 100,000 trajectories a matter of hours. Nobody approves anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from workbench.core import ToolSpec, canonical_json, digest_json
from workbench.safety import Confidentiality, Redactor
from workbench.tools import Action, Attempt, Call, Caller, Decision, Facts, Gate, Policy, Result, Tool
from workbench.tools.approvals import Approvals
from workbench.tools.execution import Ending
from workbench.tools.gate import _concluded
from workbench.tools.journal import Journal
from workbench.tools.passage import Passage, Stop
from workbench.tools.policy_slices import Slice
from workbench.tools.switch import Switch

CALLER = Caller(tenant="acme", principal="jo", roles=("agent",))
LIMIT = 100
POLICIES = f"""
@id("reading") permit(principal in Role::"agent", action in Action::"read", resource);
@id("effects") permit(principal in Role::"agent", action in [Action::"write", Action::"external",
  Action::"irreversible"], resource);
@id("big") forbid(principal, action == Action::"refund", resource)
  when {{ context.arguments.amount > {LIMIT} && !context.approved }};
@id("untrusted look") forbid(principal, action == Action::"vault", resource)
  when {{ context.control == "untrusted" && !context.approved }};
@id("web goes nowhere") forbid(principal, action == Action::"mail", resource)
  when {{ context.sources.contains("tool:web") && !context.approved }};
@id("secrets stay") forbid(principal, action == Action::"post", resource) when {{ context.confidentiality > 1 }};
"""
ANY: dict[str, JsonValue] = {}


@dataclass(frozen=True)
class Kind:
    """A tool in short: facts, and each argument with its schema; an argument with a default may be left out."""

    facts: Facts
    arguments: Mapping[str, dict[str, JsonValue]] = field(default_factory=dict)
    required: tuple[str, ...] = ()


def _reading(trust: str, confidentiality: Confidentiality, clearance: Confidentiality, *names: str) -> Kind:
    facts = {"effect": "read", "trust": trust, "confidentiality": confidentiality, "clearance": clearance}
    return Kind(Facts.model_validate(facts), dict.fromkeys(names, ANY))


def _acting(names: Sequence[str], *content: str, **facts: str) -> Kind:
    given = {"content": content, "trust": "trusted", **facts}
    return Kind(Facts.model_validate(given), dict.fromkeys((*names, *content), ANY), tuple(names))


KINDS: Mapping[str, Kind] = {
    "inbox": _reading("untrusted", "internal", "secret", "query"),
    "web": _reading("untrusted", "public", "internal", "query"),
    "orders": _reading("trusted", "internal", "confidential", "customer", "a/b"),
    "vault": _reading("trusted", "secret", "secret", "name"),
    "clock": _reading("trusted", "public", "public"),
    "note": _acting(("about",), "text", effect="write", clearance="secret"),
    "refund": Kind(
        Facts(effect="irreversible", content=("reason",), approval="never", trust="trusted", clearance="confidential"),
        {"order": ANY, "amount": {"type": "integer"}, "reason": ANY},
        ("order", "amount"),
    ),
    "mail": _acting(("to", "attach"), "subject", "body", effect="external"),
    "transfer": _acting(("iban",), effect="irreversible", approval="always"),
    "post": Kind(
        Facts(effect="external", content=("text",), trust="untrusted", confidentiality="public"),
        {
            "text": ANY,
            "to": {"type": "string", "default": "everybody"},
            "sa~me/as": {"type": "string", "default": "first"},
        },
        ("text",),
    ),
    "wipe": _acting((), effect="irreversible", clearance="public"),
    "configure": _acting(("set~tings",), "me/mo", effect="write", clearance="secret"),
}
"""Every effect, trust and rule of approval; arguments that decide and arguments that fill; names that need escapes."""
UNTRUSTED = frozenset(("inbox", "web", "post"))


@dataclass(frozen=True)
class Plain(Redactor):
    """Redacts nothing, for there is nobody to read it."""

    def text(self, text: str) -> str:
        """The text."""
        return text

    def json(self, value: JsonValue) -> JsonValue:
        """The value."""
        return value


class Open(Switch):
    """A switch that nobody throws."""

    def __init__(self) -> None:
        """No state."""

    def permits(self, *, effect: bool) -> bool:
        """Everything."""
        return True


class Blank(Journal):
    """A journal in which nothing was done before: each call has an occasion of its own."""

    def __init__(self) -> None:
        """No state."""

    def find(self, key: str) -> Action | None:
        """Nothing."""
        return None


class Nobody(Approvals):
    """There is nobody to ask."""

    def __init__(self) -> None:
        """No state."""


class Remembering(Policy):
    """Policies that are not asked twice for the same: what they answer depends on nothing else."""

    def __init__(self, text: str, tools: Sequence[Tool]) -> None:
        super().__init__(text, tools)
        self._answers: dict[bytes, tuple[bool, tuple[str, ...]]] = {}

    def _ask(
        self, tool: Tool, call: Call, context: Mapping[str, JsonValue], relevant: Slice
    ) -> tuple[bool, tuple[str, ...]]:
        key = canonical_json([tool.spec.name, dict(context)])
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = super()._ask(tool, call, context, relevant)
        return found


class World(Gate):
    """The gate, and what was done behind it without an approval."""

    def __init__(self) -> None:
        """All tools, before one policy."""
        tools = [_tool(name, kind) for name, kind in KINDS.items()]
        self._tools = {tool.spec.name: tool for tool in tools}
        self._policy = Remembering(POLICIES, tools)
        self._redactor = Plain()
        self._clock = lambda: 0.0
        self.switch, self.journal, self.approvals = Open(), Blank(), Nobody()
        self.effects: list[tuple[str, bytes]] = []
        """Tools and the arguments that decide what is done, in the order of the effects."""
        self.decided = Decision(judgement="denied")
        """What was decided last, as the audit log would have it."""
        self.said: list[JsonValue] = []
        """What untrusted tools answer next, first last."""

    def known(self, name: str) -> Tool:
        """One of its tools."""
        return self._tools[name]

    def _approved(self, passage: Passage, tool: Tool, key: str) -> None:
        raise Stop("pending", "approval_needed", "a person is asked")

    def _read(self, passage: Passage, tool: Tool) -> Result:
        return self._done(passage, tool)

    def _reserved(self, passage: Passage, tool: Tool, wanted: Action) -> Result:
        arguments = passage.call.arguments
        deciding: dict[str, JsonValue] = {
            name: value for name, value in arguments.items() if name not in tool.facts.content
        }
        self.effects.append((tool.spec.name, canonical_json(deciding)))
        return self._done(passage, tool)

    def _done(self, passage: Passage, tool: Tool) -> Result:
        arguments = passage.call.arguments
        self.decided = passage.decision
        if tool.spec.name in UNTRUSTED:
            value: JsonValue = self.said.pop()
        else:  # made of what it was asked with, so that whatever went in comes out
            value = {"id": digest_json([tool.spec.name, arguments])[:6], "a/b": {"~": arguments}}
        return _concluded(passage, tool, Ending(what="done", value=value))

    def _told(self, passage: Passage, result: Result) -> Result:
        self.decided = passage.decision
        return result


def _tool(name: str, kind: Kind) -> Tool:
    schema: dict[str, JsonValue] = {"properties": dict(kind.arguments), "required": list(kind.required)}
    return Tool(spec=ToolSpec(name=name, parameters=schema), facts=kind.facts, run=_nothing, returns={})


def _nothing(arguments: Mapping[str, JsonValue], attempt: Attempt) -> JsonValue:
    """A tool's function, which this gate does not call."""
    raise NotImplementedError(f"{attempt.key}: {sorted(arguments)}")
