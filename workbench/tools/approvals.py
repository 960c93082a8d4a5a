"""Approvals: a person's word for exactly one call, held here and never by a client.

An approval is bound to the digest of everything that the person was shown and that decides: tool and its version, final
arguments, labels, policies, tenant and caller. Whatever of it changes asks for another approval. It serves one action,
expires, and is sealed (HMAC-SHA256) with a key that stands outside the file, so that nobody who only writes to the file
can grant.
"""

import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Literal

from pydantic import JsonValue

from workbench.core import Record, canonical_json, digest_json
from workbench.safety import Label
from workbench.tools.call import Call
from workbench.tools.errors import ToolError
from workbench.tools.state import State
from workbench.tools.state_engine import Row, Statements
from workbench.tools.tool import Tool

VALID_SECONDS = 3600.0
"""How long an approval can be granted and used after it was asked for."""

Stand = Literal["asked", "granted", "denied", "used"]


class Question(Record):
    """What a person is asked to approve: all of it, as it would be done."""

    tool: str
    version: str
    tool_digest: str
    arguments: dict[str, JsonValue]
    labels: dict[str, Label]
    policy_digest: str
    tenant: str
    principal: str
    roles: tuple[str, ...]
    session: str
    occasion: str
    reason: str
    """Why a person is asked."""

    @property
    def binding(self) -> str:
        """Names what may be done; the reason is only told."""
        return digest_json(self.model_dump(mode="json", exclude={"reason"}))


class Approval(Record):
    """A question, and how it stands."""

    approval_id: str
    question: Question
    stand: Stand
    approver: str
    decided: float
    """Seconds since 1970; when it was asked, as long as it is."""
    expires: float


def question(tool: Tool, call: Call, *, policy_digest: str, reason: str) -> Question:
    """What a person would be asked about a call."""
    caller = call.caller
    return Question(
        tool=tool.spec.name,
        version=tool.facts.version,
        tool_digest=tool.digest,
        arguments=call.arguments,
        labels=call.labels,
        policy_digest=policy_digest,
        tenant=caller.tenant,
        principal=caller.principal,
        roles=caller.roles,
        session=caller.session,
        occasion=call.occasion,
        reason=reason,
    )


class Approvals:
    """The approvals of one state file."""

    def __init__(
        self, state: State, *, clock: Callable[[], float] = time.time, valid_seconds: float = VALID_SECONDS
    ) -> None:
        self._state = state
        self._clock = clock
        self._valid_seconds = valid_seconds

    def ask(self, asked: Question) -> Approval:
        """Ask a person. What is asked for already is not asked twice, and what was denied stays so until it expires."""
        now = self._clock()
        sql = "SELECT * FROM approvals WHERE binding = ? AND state IN ('asked', 'denied') AND expires > ?"
        with self._state.transaction() as db:
            rows = db.execute(sql, (asked.binding, now))
            if not rows:
                ends = now + self._valid_seconds
                values = (secrets.token_hex(8), asked.binding, asked.tenant, asked.model_dump_json(), now, ends)
                db.execute("INSERT INTO approvals VALUES (?,?,?,?,'asked','',?,?,'','')", values)
                rows = db.execute(sql, (asked.binding, now))
        return _approval(rows[0])

    def grant(self, approval_id: str, *, approver: str, tenant: str) -> Approval:
        """Let this one call be done once.

        Raises: ToolError if nobody asks for it in that tenant, or it expired or was decided.
        """
        return self._decide(approval_id, "granted", approver=approver, tenant=tenant)

    def deny(self, approval_id: str, *, approver: str, tenant: str) -> Approval:
        """Don't. Raises: ToolError as `grant` does."""
        return self._decide(approval_id, "denied", approver=approver, tenant=tenant)

    def list(self, tenant: str) -> tuple[Approval, ...]:
        """A tenant's approvals, those that can still be decided first, then by time and id."""
        sql = "SELECT * FROM approvals WHERE tenant = ? ORDER BY state <> 'asked', decided, id"
        return tuple(_approval(row) for row in self._state.change(sql, (tenant,)))

    def find(self, binding: str, *, key: str) -> Approval | None:
        """A granted approval for just this, not yet used but by the same action; None if there is none."""
        now = self._clock()
        sql = (
            "SELECT * FROM approvals WHERE binding = ? AND (state = 'granted' OR (state = 'used' AND used_by = ?)) "
            "AND decided <= ? AND expires > ? ORDER BY state DESC, id"
        )
        for row in self._state.change(sql, (binding, key, now, now)):
            approval = _approval(row)
            genuine = hmac.compare_digest(self._seal(approval, binding), str(row[8]))
            if genuine and approval.question.binding == binding:
                return approval
        return None

    def spend(self, approval_id: str, key: str) -> None:
        """Use an approval for what no journal keeps. Raises: ToolError if it can't be used."""
        with self._state.transaction() as db:
            spend(db, approval_id, key, self._clock())

    def _decide(self, approval_id: str, stand: Stand, *, approver: str, tenant: str) -> Approval:
        if not approver:
            raise ToolError(f"approval {approval_id!r}: has no approver; say who decides")
        now = self._clock()
        with self._state.transaction(lasting=True) as db:
            rows = db.execute(
                "SELECT * FROM approvals WHERE id = ? AND tenant = ? AND state = 'asked' AND decided <= ? "
                "AND expires > ? FOR UPDATE",
                (approval_id, tenant, now, now),
            )
            if not rows:
                raise ToolError(
                    f"approval {approval_id!r} (tenant {tenant!r}): is not open; it was decided, expired or never asked"
                )
            update = {"stand": stand, "approver": approver, "decided": now}
            decided = _approval(rows[0]).model_copy(update=update)
            seal = self._seal(decided, decided.question.binding) if stand == "granted" else ""
            db.execute(
                "UPDATE approvals SET state = ?, approver = ?, decided = ?, seal = ? WHERE id = ?",
                (stand, approver, now, seal, approval_id),
            )
        return decided

    def _seal(self, approval: Approval, binding: str) -> str:
        sealed: JsonValue = [approval.approval_id, binding, approval.approver, approval.decided, approval.expires]
        return hmac.new(self._state.seal_key, canonical_json(sealed), "sha256").hexdigest()


def spend(db: Statements, approval_id: str, key: str, now: float) -> None:
    """Use an approval for an action, inside the change that reserves it; for the same action it may be used again.

    Raises: ToolError if it was used for another action, taken back or expired meanwhile.
    """
    spent = db.execute(
        "UPDATE approvals SET state = 'used', used_by = ? WHERE id = ? AND expires > ? "
        "AND (state = 'granted' OR (state = 'used' AND used_by = ?)) RETURNING 1",
        (key, approval_id, now, key),
    )
    if not spent:
        raise ToolError(f"approval {approval_id!r}: was used or expired meanwhile")


def _approval(row: Row) -> Approval:
    approval_id, _, _, asked, stand, approver, decided, expires, *_ = row
    told = {"stand": stand, "approver": approver, "decided": decided, "expires": expires}
    return Approval.model_validate({"approval_id": approval_id, "question": json.loads(str(asked)), **told})
