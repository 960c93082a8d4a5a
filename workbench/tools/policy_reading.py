"""Why a call was judged so: each policy asked alone, with what it read. A further door of cedarpy."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import cedarpy
from pydantic import JsonValue, TypeAdapter

from workbench.core import Record, boundary
from workbench.tools.call import Call, Decision
from workbench.tools.errors import ToolError
from workbench.tools.flow import Flow, final, flow
from workbench.tools.policy import Policy, user_id
from workbench.tools.rehearsal import rehearse
from workbench.tools.tool import Tool

Applies = Literal["yes", "once approved", "until approved", "no", "elsewhere"]
"""Elsewhere: its head speaks of other callers, tools or tenants. No: of these, but its conditions are not met."""
_SINGLE = TypeAdapter(dict[str, dict[str, JsonValue]])
_HEADS = {"principal": "callers", "action": "tools", "resource": "tenants"}
_ALL: Mapping[str, JsonValue] = {"op": "All"}
_APPLIES: Mapping[tuple[bool, bool], Applies] = {
    (True, True): "yes",
    (True, False): "until approved",
    (False, True): "once approved",
    (False, False): "no",
}
"""By whether it is met before an approval, and with one."""
_WHY: Mapping[Applies, str] = {
    "yes": "it is met",
    "until approved": "it is met as long as no person approved the call",
    "once approved": "it is met once a person approved the call",
    "no": "it speaks of this call, but its conditions are not met",
}


class Reading(Record):
    """What one policy, asked alone, says of a call."""

    policy: str
    """Its id."""
    effect: Literal["permit", "forbid"]
    applies: Applies
    decided: bool
    """Whether it is among those that decided."""
    reads: dict[str, JsonValue]
    """What its text speaks of, with the values of this call; None for what is left out and has no default."""
    why: str
    text: str
    """Without its comments, as Cedar writes it."""


class Explanation(Record):
    """A decision, and what led to it."""

    decision: Decision
    """What the gate decides."""
    policy_decision: Decision
    """What the policies alone say; labels and the tool's facts may ask for more."""
    flow: Flow
    readings: tuple[Reading, ...]
    """Those that decided first, then others that apply, that don't, and about something else; forbids first, by id."""


class _Alone(Policy):
    """One policy, asked about a call with and without an approval."""

    def satisfied(self, tool: Tool, call: Call, found: Flow, *, approved: bool) -> bool:
        """Whether its head and its conditions are met."""
        relevant = self._slices.of(tool, call.caller)
        _, deciding = self._ask(tool, call, self._context(tool, call, found, approved=approved), relevant)
        return bool(deciding)

    def context(self, tool: Tool, call: Call, found: Flow) -> dict[str, JsonValue]:
        """What its text may speak of, as it is before an approval; arguments as the call has them."""
        said = self._context(tool, call, found, approved=False)
        return {**said, "arguments": dict(call.arguments)}


def explain_call(policy: Policy, tools: Sequence[Tool], tool: Tool, call: Call) -> Explanation:
    """What the gate would decide of a call of one of the tools, and why.

    Raises: ToolError if the policies can't be evaluated, which is a denial as well.
    """
    call = final(tool, call)
    found = flow(tool, call)
    by_policy = policy.decide(tool, call, found)
    with rehearse(policy, tools) as gate:
        decision = gate.preview(call)
    with boundary(ToolError, "policies: can't be read one by one"):
        parsed = _SINGLE.validate_python(json.loads(cedarpy.policies_to_json_str(policy.text))["staticPolicies"])
    readings = [_read(one, tools, (tool, call, found), by_policy) for one in parsed.values()]
    order = sorted(readings, key=_rank)
    return Explanation(decision=decision, policy_decision=by_policy, flow=found, readings=tuple(order))


def _rank(one: Reading) -> tuple[bool, bool, bool, str, str]:
    return not one.decided, one.applies == "elsewhere", one.applies == "no", one.effect, one.policy


def _read(
    parsed: dict[str, JsonValue], tools: Sequence[Tool], asked: tuple[Tool, Call, Flow], decision: Decision
) -> Reading:
    tool, call, found = asked
    text = _text(parsed)
    alone = _Alone(text, tools)
    name = alone.ids[0]
    before, after = (alone.satisfied(tool, call, found, approved=approved) for approved in (False, True))
    elsewhere = "" if before or after else _elsewhere(parsed, tools, asked)
    applies: Applies = "elsewhere" if elsewhere else _APPLIES[before, after]
    return Reading(
        policy=name,
        effect="permit" if parsed["effect"] == "permit" else "forbid",
        applies=applies,
        decided=name in decision.policies,
        reads=_reads(parsed, call, alone.context(tool, call, found)),
        why=elsewhere or _WHY[applies],
        text=text,
    )


def _elsewhere(parsed: dict[str, JsonValue], tools: Sequence[Tool], asked: tuple[Tool, Call, Flow]) -> str:
    """What else a policy's head speaks of, by the first of its parts; empty if it speaks of this call."""
    for part, named in _HEADS.items():
        others = {other: dict(_ALL) for other in _HEADS if other != part}
        if not _Alone(_text({**parsed, **others, "conditions": []}), tools).satisfied(*asked, approved=False):
            return f"it speaks of other {named}"
    return ""


def _text(parsed: dict[str, JsonValue]) -> str:
    one = {"staticPolicies": {"policy0": parsed}, "templates": {}, "templateLinks": []}
    with boundary(ToolError, "policies: can't be written one by one"):
        text: str = cedarpy.format_policies(cedarpy.policies_from_json_str(json.dumps(one)))
    return text


def _reads(parsed: dict[str, JsonValue], call: Call, context: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The values of all that a policy's head and conditions name, by its path."""
    caller = call.caller
    known: dict[str, JsonValue] = {
        "principal": {"User": user_id(caller), "Role": list(caller.roles), "Tenant": caller.tenant},
        "action": call.tool,
        "resource": caller.tenant,
        "context": dict(context),
    }
    heads = {(part,) for part in _HEADS if parsed[part] != _ALL}
    paths = heads | set(_paths(parsed["conditions"]))
    return {".".join(path): _at(known, path) for path in sorted(paths)}


def _paths(part: JsonValue) -> Iterator[tuple[str, ...]]:
    """Every variable of an expression with the names that are looked up in it."""
    path = _path(part)
    if path:
        yield path
        return
    inside = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for one in inside:
        yield from _paths(one)


def _path(part: JsonValue) -> tuple[str, ...]:
    """`context.arguments.to` as its names; empty if the expression is something else."""
    if not isinstance(part, dict) or len(part) != 1:
        return ()
    kind, inner = next(iter(part.items()))
    if kind == "Var":
        return (str(inner),)
    if kind not in {".", "has"} or not isinstance(inner, dict):
        return ()
    left = _path(inner["left"])
    return (*left, str(inner["attr"])) if left else ()


def _at(known: Mapping[str, JsonValue], path: tuple[str, ...]) -> JsonValue:
    value: JsonValue = dict(known)
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
