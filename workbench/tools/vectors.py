"""Vectors: calls with what must be decided of them, kept beside the policies that they test.

The gate itself decides, so a vector tests what the policies, the labels and the tools' facts make of a call together.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, JsonValue

from workbench.core import Record, nearest, read_records
from workbench.safety import Label
from workbench.tools.call import Call, Caller, Decision, Judgement
from workbench.tools.declarations import find_tool
from workbench.tools.errors import ToolError
from workbench.tools.flow import final, flow
from workbench.tools.policy import Policy
from workbench.tools.rehearsal import rehearse
from workbench.tools.tool import Tool


class Vector(Record):
    """A line of a file of vectors."""

    name: str = Field(min_length=1)
    caller: Caller
    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    labels: dict[str, Label] = Field(default_factory=dict)
    """By JSON pointer into the arguments; what has none counts as untrusted and secret."""
    occasion: str = ""
    expected: Judgement
    policy: str = ""
    """Id of a policy that must be among those that decide; empty if any may."""

    @property
    def call(self) -> Call:
        """The call that it makes."""
        return Call(
            tool=self.tool,
            arguments=self.arguments,
            labels=self.labels,
            caller=self.caller,
            occasion=self.occasion,
        )


class Checked(Record):
    """What became of a vector."""

    name: str
    expected: Judgement
    decision: Decision
    problem: str
    """Why it fails; empty if it passes."""


class Change(Record):
    """A call that two policies judge differently."""

    name: str
    before: Decision
    after: Decision


def read_vectors(path: Path, tools: tuple[Tool, ...]) -> tuple[Vector, ...]:
    """The vectors of a JSON Lines file, in its order.

    A call that the gate denies whatever the policies say tests no policy, so it is refused here.

    Raises: DataError if a line is no vector; ToolError if there is none, two share a name, or a tool can't be called
    so.
    """
    vectors = tuple(read_records(path, Vector))
    if not vectors:
        raise ToolError(f"vectors ({path}): there are none; write a call a line, with what is expected of it")
    names = set()
    for vector in vectors:
        whose = f"vector {vector.name!r} ({path})"
        if vector.name in names:
            raise ToolError(f"{whose}: its name is taken by another; give it one of its own")
        names.add(vector.name)
        tool = find_tool(vector.tool, tools, whose)
        if not tool.fits(vector.arguments):
            takes = ", ".join(tool.spec.properties)
            raise ToolError(
                f"{whose}: its arguments do not fit tool {vector.tool!r}, which takes {takes}; correct them"
            )
    return vectors


def find_vector(name: str, vectors: Sequence[Vector], where: str) -> Vector:
    """The vector of that name. Raises: ToolError with the nearest name."""
    known = {vector.name: vector for vector in vectors}
    if name not in known:
        raise ToolError(f"vector {name!r} ({where}): is not there; {nearest(name, known)}")
    return known[name]


def check_vectors(policy: Policy, tools: tuple[Tool, ...], vectors: Sequence[Vector]) -> tuple[Checked, ...]:
    """What becomes of each vector, in their order.

    A denial because the policies failed is not the one that was expected.

    Raises: ToolError if a vector names a policy that is not there.
    """
    for vector in vectors:
        if vector.policy and vector.policy not in policy.ids:
            hint = nearest(vector.policy, policy.ids)
            raise ToolError(f"vector {vector.name!r}: policy {vector.policy!r} is not among the policies; {hint}")
    decided = _decide(policy, tools, vectors)
    return tuple(
        Checked(name=one.name, expected=one.expected, decision=found, problem=broken or _problem(one, found))
        for one, (found, broken) in zip(vectors, decided, strict=True)
    )


def compare_policies(
    before: Policy, after: Policy, tools: tuple[Tool, ...], vectors: Sequence[Vector]
) -> tuple[Change, ...]:
    """The vectors, in their order, that one policy judges otherwise than another; what they expect does not matter."""
    old, new = _decide(before, tools, vectors), _decide(after, tools, vectors)
    return tuple(
        Change(name=vector.name, before=one, after=other)
        for vector, (one, _), (other, _) in zip(vectors, old, new, strict=True)
        if one.judgement != other.judgement
    )


def _decide(policy: Policy, tools: tuple[Tool, ...], vectors: Sequence[Vector]) -> list[tuple[Decision, str]]:
    """What the gate decides of each call, and how the policies failed, empty if they did not."""
    with rehearse(policy, tools) as gate:
        return [(gate.preview(vector.call), _failure(policy, tools, vector)) for vector in vectors]


def _failure(policy: Policy, tools: tuple[Tool, ...], vector: Vector) -> str:
    tool = find_tool(vector.tool, tools, f"vector {vector.name!r}")
    try:
        call = final(tool, vector.call)
        policy.decide(tool, call, flow(tool, call))
    except ToolError as error:
        return str(error)
    return ""


def _problem(vector: Vector, found: Decision) -> str:
    if found.judgement != vector.expected:
        return f"expected {vector.expected}, but it is {found.judgement}"
    if vector.policy and vector.policy not in found.policies:
        return f"policy {vector.policy!r} is not among those that decided"
    return ""
