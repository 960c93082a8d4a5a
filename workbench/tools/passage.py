"""One call on its way through a gate: what is known of it so far, and what the audit log is told."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from pydantic import JsonValue

from workbench.core import WorkbenchError, canonical_json, digest_bytes
from workbench.safety import DROPPED, Label, Redactor, join
from workbench.tools.call import AuditEntry, Call, Decision, Kind, Result
from workbench.tools.errors import NotDone, ToolError
from workbench.tools.flow import Flow, final
from workbench.tools.tool import Tool

GATE = Label(integrity="trusted", confidentiality="public", sources=("gate",))
"""Of what the gate itself says."""

MOST_BYTES = 1 << 20
"""Of a call's arguments as canonical JSON: what is longer would be redacted and recorded for too long."""
_MOST_LETTERS = 1000
"""Of a tool's name that nobody declared, to be recorded."""


class AuditLog(Protocol):
    """Where a gate writes down what is about to happen, and what happened."""

    def append(self, entry: AuditEntry) -> None:
        """Keep the entry for good. Raises whatever it likes if it is not kept, which stops the call."""


class Stop(ToolError):
    """The way ends here."""

    def __init__(self, kind: Kind, code: str, message: str, *, approval_id: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.approval_id = approval_id


@dataclass
class Passage:
    """A call on its way. What is not known yet has the careful value."""

    call: Call
    """With arguments of its own, which nobody else can change."""
    redactor: Redactor
    clock: Callable[[], float]
    arguments_digest: str = ""
    redacted: str = DROPPED
    labels: dict[str, Label] = field(default_factory=dict)
    """Redacted, for the audit log."""
    tool: Tool | None = None
    flow: Flow | None = None
    decision: Decision = field(default_factory=lambda: Decision(judgement="denied"))
    approval_id: str = ""
    call_id: str = field(default_factory=lambda: secrets.token_hex(12))
    attempt: int = 0
    started: bool = False
    """Whether the tool may have begun: from here on nobody may say that nothing happened."""

    doubted: bool = False
    """Whether an earlier attempt of the action may have taken effect: a later one that did nothing proves nothing."""

    found: bool = False
    """Whether the journal held the action before this call: what came of it is not this call's to deny."""

    def admit(self, tool: Tool | None) -> None:
        """Note the tool, if there is one of that name, and look how much the call carries, but not at what.

        Raises: Stop if that is too much.
        """
        self.tool = tool
        call = self.call
        if _heavy([call.arguments, call.tool, call.occasion, *call.labels], MOST_BYTES):
            raise _too_large()

    def take(self, tool: Tool) -> bool:
        """Make the arguments this passage's own, in the tool's one form, name them and redact them.

        False if they do not fit the tool; then they stay as they were given.

        Raises: ValueError or TypeError if they are not JSON; ToolError if they can't be redacted; Stop if they are too
        large.
        """
        self.tool = tool
        given = canonical_json(self.call.arguments)
        if len(given) > MOST_BYTES:
            raise _too_large()
        own = json.loads(given)
        self.call = self.call.model_copy(update={"arguments": own, "labels": dict(self.call.labels)})
        fits = tool.fits(own)
        try:
            self.call = final(tool, self.call)
        except NotDone:
            fits = False
        text = canonical_json(self.call.arguments)
        self.arguments_digest = digest_bytes(text)
        redacted = self.redactor.json(self.call.arguments)
        if redacted == DROPPED:
            raise ToolError("the arguments can't be redacted, so they can't be recorded")
        self.redacted = json.dumps(redacted, ensure_ascii=False)
        for path, label in self.call.labels.items():
            told = self.redactor.text(path)
            alike = (self._redacted(label), *((self.labels[told],) if told in self.labels else ()))
            self.labels[told] = join(alike)
        return fits

    def intent(self) -> AuditEntry:
        """That the tool is about to run."""
        return self._entry("intent", None)

    def outcome(self, result: Result) -> AuditEntry:
        """That it ended so."""
        return self._entry("outcome", result)

    def result(self, kind: Kind, code: str, message: str, label: Label = GATE) -> Result:
        """What the gate says of the call."""
        return Result(
            call_id=self.call_id, kind=kind, label=label, code=code, message=message, approval_id=self.approval_id
        )

    def _redacted(self, label: Label) -> Label:
        sources = tuple(sorted({self.redactor.text(source) for source in label.sources}))
        return label if sources == label.sources else label.model_copy(update={"sources": sources})

    def _entry(self, kind: Literal["intent", "outcome"], result: Result | None) -> AuditEntry:
        caller, facts = self.call.caller, self.tool.facts if self.tool is not None else None
        return AuditEntry(
            kind=kind,
            at=datetime.fromtimestamp(self.clock(), UTC).isoformat(),
            call_id=self.call_id,
            tenant=caller.tenant,
            principal=caller.principal,
            session=caller.session,
            tool=self.call.tool if self.tool is not None else self._named(self.call.tool),
            version=facts.version if facts is not None else "",
            effect=facts.effect if facts is not None else "unknown",
            arguments_digest=self.arguments_digest,
            arguments=self.redacted,
            labels=self.labels,
            decision=self.decision.judgement,
            policies=self.decision.policies,
            approval_id=self.approval_id,
            attempt=self.attempt,
            result=result.kind if result is not None else "",
            code=result.code if result is not None else "",
            output=self._told(result.value) if result is not None and result.kind == "done" else "",
        )

    def _named(self, tool: str) -> str:
        return self.redactor.text(tool) if len(tool) <= _MOST_LETTERS else DROPPED

    def _told(self, value: JsonValue) -> str:
        """An answer for the audit log; what can't be redacted is dropped, for the effect has taken place."""
        try:
            return json.dumps(self.redactor.json(value), ensure_ascii=False)
        except (WorkbenchError, ValueError):
            return DROPPED


def _too_large() -> Stop:
    return Stop("denied", "too_large", f"the call carries more than {MOST_BYTES} bytes; pass less, or where it lies")


def _heavy(value: JsonValue, most: int) -> bool:
    """Whether a JSON value has more letters and items than that; of a larger one no more than that is looked at.

    >>> _heavy({"a": ["bcd"]}, 6), _heavy({"a": ["bcd"]}, 5)
    (False, True)
    """
    left, rest = most, [value]
    while rest and left >= 0:
        one = rest.pop()
        if isinstance(one, str):
            left -= len(one)
        elif isinstance(one, dict | list):
            left -= len(one)
            if left >= 0:
                rest.extend(one)
                rest.extend(one.values() if isinstance(one, dict) else ())
    return left < 0
