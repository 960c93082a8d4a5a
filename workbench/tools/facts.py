"""The facts of a tool: what a person declares of it beside its function."""

from typing import Literal

from pydantic import Field, model_validator

from workbench.core import Record
from workbench.safety import Confidentiality, Integrity

Effect = Literal["read", "write", "external", "irreversible"]
"""What a call changes: nothing; something of ours; something of others, or it tells them; what nobody can take back."""
Idempotency = Literal["natural", "key", "reconcile", "none"]
"""Whether a call may be made twice. Natural: twice is once. Key: with the same key the second does nothing. Reconcile:
the tool can tell whether the first took place. None: nobody can tell, so after a crash a person decides."""
Scope = Literal["principal", "tenant"]
"""Among whose calls an action is done once: those of one principal, or of everybody of the tenant."""
Risk = Literal["low", "medium", "high"]
ApprovalRule = Literal["never", "untrusted", "always"]
"""When a person is asked. Untrusted: where something untrusted would decide what is done. Never: that is denied."""


class Facts(Record):
    """What the gate must know of a tool; what is left out is the careful value."""

    effect: Effect
    idempotency: Idempotency = "none"
    version: str = Field(default="1", min_length=1)
    timeout_seconds: float = Field(default=30.0, gt=0, le=3600, allow_inf_nan=False)
    retries: int = Field(default=0, ge=0, le=10)
    """Further attempts after the first, only where a repeated call can do no harm."""
    calls_per_minute: int | None = Field(default=None, ge=1)
    """For each tenant; None is no limit."""
    at_once: int = Field(default=8, ge=1, le=1024)
    """Calls under way in one process; what hangs counts."""
    risk: Risk = "medium"
    approval: ApprovalRule = "untrusted"
    trust: Integrity = "untrusted"
    """Of its results: untrusted if anybody else can write what it returns."""
    confidentiality: Confidentiality = "internal"
    """Of its results, at least; they are also as confidential as what they were asked with."""
    clearance: Confidentiality = "internal"
    """The most confidential thing that it may be told without an approval."""
    content: tuple[str, ...] = ()
    """Arguments that only fill what is done, such as a mail's text; all others decide what is done, and to whom."""
    identity: tuple[str, ...] = ()
    """Arguments that make a call the same action again, such as an order's number; if there are none, all do."""
    scope: Scope = "principal"
    """With "tenant", whoever asks second gets what came of the first, whoever that was: for an identity such as an
    order's number, of which there is one for everybody."""

    @model_validator(mode="after")
    def _repeats_do_no_harm(self) -> "Facts":
        if self.effect != "read" and self.idempotency in {"none", "reconcile"} and self.retries:
            raise ValueError(
                f'retries {self.retries}: a call with idempotency "{self.idempotency}" can\'t be repeated blindly; '
                'leave retries out, or make it "key" or "natural"'
            )
        return self

    @property
    def repeatable(self) -> bool:
        """Whether a call may be made again when nobody knows what became of the first."""
        return self.effect == "read" or self.idempotency in {"natural", "key"}

    @property
    def lasting(self) -> bool:
        """Whether its records must survive a power cut, not only a killed process."""
        return self.effect in {"external", "irreversible"}
