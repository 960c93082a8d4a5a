"""Slices: for a tool and a caller's roles, the policies that could apply; leaving out the others changes nothing.

A policy is left out only if its head names other actions, or a role that the caller lacks: then Cedar would find it not
satisfied. Source: Cutler et al. 2024, "Cedar: a new language for expressive, fast, safe, and analyzable authorization",
section 4.3 (policy slicing is sound).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cedarpy
from pydantic import JsonValue, TypeAdapter

from workbench.core import boundary
from workbench.tools.errors import ToolError
from workbench.tools.tool import Tool

_POLICIES = TypeAdapter(dict[str, dict[str, JsonValue]])
_SLICES = 4096  # of tools and sets of roles


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
        self._of = lru_cache(maxsize=_SLICES)(self._slice)
        self.ids = tuple(sorted(names.values()))

    def of(self, tool: Tool, roles: tuple[str, ...]) -> Slice:
        """The policies that could apply to a tool's calls by somebody in these roles."""
        return self._of(tool.spec.name, tool.facts.effect, roles)

    def _slice(self, action: str, effect: str, roles: tuple[str, ...]) -> Slice:
        kept = {
            key: policy
            for key, policy in self._policies.items()
            if _speaks_of(policy["action"], "Action", (action, effect))
            and _speaks_of(policy["principal"], "Role", roles)
        }
        text = json.dumps({"staticPolicies": kept, "templates": {}, "templateLinks": []})
        return Slice(policies=cedarpy.PolicySet.from_json_str(text), names=self._names)


def _speaks_of(head: JsonValue, kind: str, names: tuple[str, ...]) -> bool:
    """False only if this part of a policy's head can't match one of these entities or their members."""
    if not isinstance(head, dict) or head.get("op") not in {"==", "in"}:
        return True
    several = head.get("entities")
    entities = several if isinstance(several, list) else [head.get("entity")]
    told = [(one.get("type"), one.get("id")) for one in entities if isinstance(one, dict)]
    return len(told) < len(entities) or any(found != kind or name in names for found, name in told)


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
