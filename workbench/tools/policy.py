"""Who may do what: Cedar policies, read and checked once, asked for each call. The one door of cedarpy.

Nothing is allowed unless a policy permits it and none forbids it. Cedar skips a policy that fails while it is
evaluated, so that a failing `forbid` would let the call pass: policies are therefore checked against a schema when they
are read, each request against it when it is asked, and any error at all denies.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import cedarpy
from pydantic import JsonValue

from workbench.core import boundary, digest_json
from workbench.safety import level
from workbench.tools.call import Call, Caller, Decision
from workbench.tools.errors import ToolError
from workbench.tools.flow import Flow
from workbench.tools.policy_schema import argument_types, as_cedar, mentioned, schema_of
from workbench.tools.policy_slices import Slice, read_slices
from workbench.tools.tool import Tool

_CALLERS = 4096  # whose roles are kept ready


class Policy:
    """Policies for some tools. Safe under threads."""

    def __init__(self, text: str, tools: Sequence[Tool], *, where: str = "policies") -> None:
        """Read policies, each with an @id, and check them against the tools.

        Raises: ToolError if one can't be read, has no id of its own, or speaks of what the tools don't have.
        """
        self._schema_text = schema_of(tools, text)
        with boundary(ToolError, f"policy ({where}): can't be read"):
            schema = cedarpy.Schema.from_json_str(self._schema_text)
            checked = cedarpy.validate_policies(text, schema)
        if not checked.validation_passed:
            raise ToolError(f"policy ({where}): {checked.errors[0]}; correct it")
        self.text = text
        self.digest = digest_json([text, self._schema_text])
        """Names the policies and what they can speak of."""
        self.tools = {tool.spec.name: tool.digest for tool in tools}
        """Digests of the tools that it was checked against, by name."""
        self._schema = schema
        self._slices = read_slices(text, where)
        self._said = mentioned(_SAID, text)
        self._types = {tool.spec.name: argument_types(tool, text) for tool in tools}
        self._entities = lru_cache(maxsize=_CALLERS)(self._read_entities)

    @property
    def ids(self) -> tuple[str, ...]:
        """The policies' ids, sorted."""
        return self._slices.ids

    def decide(self, tool: Tool, call: Call, flow: Flow) -> Decision:
        """What the policies say of a call: allowed, allowed once a person approved it, or denied.

        Raises: ToolError if they can't be evaluated, which is a denial as well.
        """
        relevant = self._slices.of(tool, call.caller)
        allowed, deciding = self._ask(tool, call, self._context(tool, call, flow, approved=False), relevant)
        if allowed:
            return Decision(judgement="allowed", policies=deciding)
        if "approved" in self._said:
            granted, permitting = self._ask(tool, call, self._context(tool, call, flow, approved=True), relevant)
            if granted:
                ids = tuple(sorted({*deciding, *permitting}))
                return Decision(judgement="needs_approval", policies=ids, reason="the policy asks for an approval")
        reason = "a policy forbids it" if deciding else "no policy permits it"
        return Decision(judgement="denied", policies=deciding, reason=reason)

    def _ask(
        self, tool: Tool, call: Call, context: Mapping[str, JsonValue], relevant: Slice
    ) -> tuple[bool, tuple[str, ...]]:
        """Whether it is permitted, and by the word of which policies.

        Raises: ToolError if any policy, or the request itself, fails.
        """
        request = {
            "principal": {"type": "User", "id": user_id(call.caller)},
            "action": {"type": "Action", "id": tool.spec.name},
            "resource": {"type": "Tenant", "id": call.caller.tenant},
            "context": context,
        }
        with boundary(ToolError, "policies can't be evaluated"):
            entities = self._entities(call.caller.tenant, call.caller.principal, call.caller.roles)
            answer = cedarpy.is_authorized(request, relevant.policies, entities, self._schema)
            told = answer.diagnostics
            if told.errors or answer.decision is cedarpy.Decision.NoDecision:
                raise ToolError(f"policies can't be evaluated: {told.errors}")
            reasons = tuple(sorted(relevant.names[reason] for reason in told.reasons))
        return answer.decision is cedarpy.Decision.Allow, reasons

    def _context(self, tool: Tool, call: Call, flow: Flow, *, approved: bool) -> dict[str, JsonValue]:
        types = self._types[tool.spec.name]
        given = {name: as_cedar(call.arguments[name], types[name]) for name in types if name in call.arguments}
        context: dict[str, JsonValue] = {"arguments": given}
        for name in self._said:
            context[name] = approved if name == "approved" else _SAID[name](tool, call, flow)
        return context

    def _read_entities(self, tenant: str, principal: str, roles: tuple[str, ...]) -> cedarpy.Entities:
        caller = Caller(tenant=tenant, principal=principal, roles=roles)
        groups = [{"type": "Role", "id": role} for role in roles] + [{"type": "Tenant", "id": tenant}]
        user = {"uid": {"type": "User", "id": user_id(caller)}, "attrs": {}, "parents": groups}
        rest = [{"uid": group, "attrs": {}, "parents": []} for group in groups]
        return cedarpy.Entities.from_json_str(json.dumps([user, *rest]), self._schema)


_SAID: Mapping[str, Callable[[Tool, Call, Flow], JsonValue]] = {
    "approved": lambda _tool, _call, _flow: False,
    "control": lambda _tool, _call, flow: flow.control,
    "confidentiality": lambda _tool, _call, flow: level(flow.whole.confidentiality),
    "sources": lambda _tool, _call, flow: list(flow.whole.sources),
    "risk": lambda tool, _call, _flow: tool.facts.risk,
    "occasion": lambda _tool, call, _flow: call.occasion,
    "session": lambda _tool, call, _flow: call.caller.session,
}
"""What each word of the context is; only words that the policies use are worked out."""


def user_id(caller: Caller) -> str:
    """A caller's name in policies: people of two tenants never share one.

    >>> user_id(Caller(tenant="acme", principal="jo"))
    'jo@acme'

    Raises: ToolError if the tenant has an "@" in its name: "jo@acme" of "x" would be "jo" of "acme@x".
    """
    if "@" in caller.tenant:
        raise ToolError(f'tenant {caller.tenant!r}: has an "@" in its name; policies could take it for another')
    return f"{caller.principal}@{caller.tenant}"


def read_policy(folder: Path, tools: Sequence[Tool]) -> Policy:
    """The policies of a folder: all its *.cedar files, by name.

    Raises: ToolError if there is none, or one is wrong.
    """
    with boundary(ToolError, f"policies ({folder}): can't be read"):
        texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.cedar"))]
    if not texts:
        raise ToolError(f"policies ({folder}): has no *.cedar file; without a policy nothing is allowed")
    return Policy("\n".join(texts), tools, where=str(folder))
