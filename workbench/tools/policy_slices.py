"""Slices: for a tool, a caller's roles and tenant, the policies that could apply; without the others nothing changes.

A policy is left out only if its head names other actions, a role that the caller lacks or another tenant: then Cedar
would find it not satisfied. Source: Cutler et al. 2024, "Cedar: a new language for expressive, fast, safe, and
analyzable authorization", section 4.3 (policy slicing is sound).
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import cedarpy
from pydantic import JsonValue, TypeAdapter

from workbench.core import boundary
from workbench.tools.call import Caller
from workbench.tools.errors import ToolError
from workbench.tools.tool import Tool

_POLICIES = TypeAdapter(dict[str, dict[str, JsonValue]])
_SLICES = 4096  # of tools, sets of roles, and tenants that a head names


@dataclass(frozen=True)
class Slice:
    """Some policies, ready to be asked."""

    policies: cedarpy.PolicySet
    names: Mapping[str, str]
    """The policies' own ids by Cedar's."""


class Slices:
    """All policies, and the slices that were asked for so far."""

    def __init__(self, policies: Mapping[str, Mapping[str, JsonValue]], names: Mapping[str, str]) -> None:
        self._policies = policies
        self._names = names
        heads = [policy[part] for policy in policies.values() for part in ("principal", "resource")]
        self._tenants = frozenset(name for head in heads for kind, name in _named(head) if kind == "Tenant")
        self._of = lru_cache(maxsize=_SLICES)(self._slice)
        self.ids = tuple(sorted(names.values()))

    def of(self, tool: Tool, caller: Caller) -> Slice:
        """The policies that could apply to a tool's calls by a caller."""
        tenant = caller.tenant if caller.tenant in self._tenants else ""  # those whom no head names are alike
        return self._of(tool.spec.name, tool.facts.effect, caller.roles, tenant)

    def _slice(self, action: str, effect: str, roles: tuple[str, ...], tenant: str) -> Slice:
        members: Mapping[str, Collection[str]] = {"Action": (action, effect), "Role": roles, "Tenant": (tenant,)}
        kept = {
            key: policy
            for key, policy in self._policies.items()
            if all(_speaks_of(policy[part], members) for part in ("principal", "action", "resource"))
        }
        text = json.dumps({"staticPolicies": kept, "templates": {}, "templateLinks": []})
        return Slice(policies=cedarpy.PolicySet.from_json_str(text), names=self._names)


def _speaks_of(head: JsonValue, members: Mapping[str, Collection[str]]) -> bool:
    """False only if this part of a policy's head can't match one of these entities; of other kinds nothing is known."""
    named = _named(head)
    return not named or any(kind not in members or name in members[kind] for kind, name in named)


def _named(head: JsonValue) -> list[tuple[str, str]]:
    """The kinds and names of the entities of which a part of a head must match one; none if it may match any."""
    if not isinstance(head, dict) or head.get("op") not in {"==", "in"}:
        return []
    several = head.get("entities")
    entities = several if isinstance(several, list) else [head.get("entity")]
    told = [
        (str(one["type"]), str(one["id"])) for one in entities if isinstance(one, dict) and {"type", "id"} <= set(one)
    ]
    return told if len(told) == len(entities) else []


def read_slices(text: str, where: str) -> Slices:
    """Read policies.

    Raises: ToolError if one is a template, or has no @id of its own.
    """
    with boundary(ToolError, f"policy ({where}): can't be read"):
        read = json.loads(cedarpy.policies_to_json_str(text))
        policies = _POLICIES.validate_python(read["staticPolicies"])
        templates = read["templates"]
    if templates:
        raise ToolError(f"policy ({where}): {len(templates)} are templates; write who and what in place of ?slots")
    names: dict[str, str] = {}
    for key, policy in policies.items():
        notes = policy.get("annotations")
        name = notes.get("id") if isinstance(notes, dict) else None
        if not isinstance(name, str) or not name or name in names.values():
            raise ToolError(f'policy {name or key!r} ({where}): has no id of its own; write @id("...") before it')
        names[key] = name
    return Slices(policies, names)
