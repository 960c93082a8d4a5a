"""What the gate would make of a call, where nothing can be done."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from workbench.core import Record
from workbench.tools.call import AuditEntry, Call, Decision
from workbench.tools.errors import ToolError
from workbench.tools.facts import Effect
from workbench.tools.flow import Flow, final, flow
from workbench.tools.gate import Gate
from workbench.tools.journal import action_key
from workbench.tools.policy import Policy
from workbench.tools.state import State
from workbench.tools.tool import Tool


class DryRun(Record):
    """What a call would come to, had nothing been stopped, done or approved before."""

    tool: str
    effect: Effect
    decision: Decision
    flow: Flow
    action: str
    """What names the action: a second call of the same name is not done again. Empty for a read."""


class _Nowhere:
    """An audit log that keeps nothing, so that the gate before it runs nothing."""

    def append(self, entry: AuditEntry) -> None:
        """Refuse."""
        raise ToolError(f"call {entry.call_id!r}: is only rehearsed; nothing may be done")


@contextmanager
def rehearse(policy: Policy, tools: Sequence[Tool]) -> Iterator[Gate]:
    """A gate that decides as any other, has no past and can't run a tool."""
    with TemporaryDirectory() as folder:
        state = State(Path(folder) / "state.db")
        try:
            yield Gate(tools, policy, state, _Nowhere())
        finally:
            state.close()


def dry_run(policy: Policy, tools: Sequence[Tool], tool: Tool, call: Call) -> DryRun:
    """What a call of one of the tools would come to; nothing is asked, written or run."""
    with rehearse(policy, tools) as gate:
        decision = gate.preview(call)
    call = final(tool, call)
    return DryRun(
        tool=tool.spec.name,
        effect=tool.facts.effect,
        decision=decision,
        flow=flow(tool, call),
        action="" if tool.facts.effect == "read" else action_key(tool, call),
    )
