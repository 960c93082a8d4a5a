"""Who calls which tool with what, what was decided, what came of it, and what the audit log keeps."""

from typing import Literal

from pydantic import Field, JsonValue

from workbench.core import Record
from workbench.safety import Label
from workbench.tools.facts import Effect

Kind = Literal["done", "denied", "pending", "failed", "in_doubt"]
"""Done: it took place. Denied: it must not. Pending: a person is asked. Failed: it did not take place, or what it
answered can't be used. In doubt: whether it took place is not known, or not yet, and it is not repeated."""
Judgement = Literal["allowed", "denied", "needs_approval"]


class Caller(Record):
    """On whose behalf a tool is called; made by the server from what it authenticated, never by a model."""

    tenant: str = Field(min_length=1)
    principal: str = Field(min_length=1)
    roles: tuple[str, ...] = ()
    session: str = ""


class Call(Record):
    """A call of a tool, before anybody looked at it."""

    tool: str
    arguments: dict[str, JsonValue]
    labels: dict[str, Label] = Field(default_factory=dict)
    """By JSON pointer into the arguments, "" being the call as a whole; what has none counts as untrusted and secret.
    A pointer to nothing is an error."""
    caller: Caller
    occasion: str = ""
    """What the call is for, such as a ticket: two equal calls for one occasion are one action, done once."""


class Decision(Record):
    """What the policy and the labels said of a call."""

    judgement: Judgement
    policies: tuple[str, ...] = ()
    """Ids of the policies that decided, sorted; none if no policy permits it or a rule of the gate decided."""
    reason: str = ""


class Result(Record):
    """What came of a call: all that a model may be told of it."""

    call_id: str
    kind: Kind
    value: JsonValue = None
    label: Label
    code: str = ""
    """Why it is not done, stable for programs; empty if it is done."""
    message: str = ""
    """The same for a model: never a traceback, a path or a secret."""
    approval_id: str = ""
    """What a person is asked to grant, if it is pending."""
    replayed: bool = False
    """It took place before, and this is what came of it then."""


class AuditEntry(Record):
    """One line of the audit log: what is about to happen, or what happened."""

    kind: Literal["intent", "outcome"]
    """An intent stands in the log before its effect can begin; an outcome follows each, and each call that ended
    before. After a crash a call may have a further intent and outcome, with the same call id and a higher attempt."""
    at: str
    """ISO 8601, UTC."""
    call_id: str
    tenant: str
    principal: str
    session: str = ""
    tool: str
    version: str
    effect: Effect | Literal["unknown"]
    """"unknown" for a tool that nobody declared. Of "external" and "irreversible" the line must reach the disk."""
    arguments_digest: str
    """SHA-256 of the arguments' canonical JSON, in the tool's one form, as they were before redaction."""
    arguments: str
    """Redacted, as JSON text."""
    labels: dict[str, Label]
    """Paths and sources are redacted; none of a tool that nobody declared."""
    decision: Judgement
    policies: tuple[str, ...] = ()
    approval_id: str = ""
    attempt: int = Field(default=0, ge=0)
    """From 1; 0 for what was never tried."""
    result: Kind | Literal[""] = ""
    """Empty in an intent."""
    code: str = ""
    output: str = ""
    """Redacted, as JSON text; only in an outcome that is done."""
