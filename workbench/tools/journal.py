"""The journal of actions: what is done once is found here, so that it is never done again.

An action is `reserved` before anything happens, `started` before its tool runs, and `done` once its outcome is in the
audit log. `failed` is one of which it is known that nothing happened: it may be tried again. `in_doubt` is one that was
started and whose end nobody saw; `parked` one that only a person can settle.
"""

import time
from collections.abc import Callable
from typing import Literal

from pydantic import JsonValue

from workbench.core import Record, digest_json
from workbench.tools.approvals import spend
from workbench.tools.call import Call
from workbench.tools.errors import ToolError
from workbench.tools.state import State
from workbench.tools.state_engine import Value
from workbench.tools.tool import Tool

Stage = Literal["reserved", "started", "done", "failed", "in_doubt", "parked"]
Standing = Literal["ours", "done", "under_way", "in_doubt", "parked", "conflict"]
"""What a reservation found: it is this gate's to do; it took place; another is at it; nobody knows; a person must say;
the same action was asked for with other arguments."""

_INSERT = "INSERT INTO actions VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING RETURNING 1"
_UPDATE = (
    "UPDATE actions SET arguments = ?, call_id = ?, state = ?, owner = ?, attempt = ?, approval = ?, result = ?, "
    "at = ? WHERE key = ?"
)


class Action(Record):
    """An action of the journal."""

    key: str
    tenant: str
    tool: str
    arguments_digest: str
    call_id: str
    stage: Stage
    owner: str
    attempt: int
    approval_id: str
    result: str
    """What came of it, as the gate's JSON; empty before."""
    at: float
    """When it changed last, in seconds since 1970."""


class Reservation(Record):
    """What `reserve` found."""

    standing: Standing
    action: Action


def action_key(tool: Tool, call: Call) -> str:
    """What an action is: tenant, principal, tool, version, the arguments that make it this one, and its occasion.

    The arguments are in the tool's one form; the principal counts unless the tool's scope is the tenant.
    Not where in a run it is called: a run that is resumed elsewhere finds what was done.
    """
    names = tool.facts.identity or call.arguments.keys()
    identity: dict[str, JsonValue] = {name: call.arguments[name] for name in names if name in call.arguments}
    caller = call.caller
    whose = caller.principal if tool.facts.scope == "principal" else None
    return digest_json([caller.tenant, whose, tool.spec.name, tool.facts.version, identity, call.occasion])


class Journal:
    """The actions of one state file."""

    def __init__(self, state: State, *, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock

    @property
    def owner(self) -> str:
        """This process, as actions name it."""
        return self._state.owner.name

    def find(self, key: str) -> Action | None:
        """An action, or None if nobody ever reserved it."""
        rows = self._state.change("SELECT * FROM actions WHERE key = ?", (key,))
        return _action(rows[0]) if rows else None

    def reserve(self, action: Action) -> Reservation:
        """Reserve an action for this process, and spend its approval in the same change.

        Raises: ToolError if the approval can't be spent, or the journal can't be written; then nothing is changed, or
        what was written is taken for nothing by this process.
        """
        ours = action.model_copy(update={"owner": self.owner, "stage": "reserved", "at": self._clock()})
        try:
            return self._reserve(ours)
        except ToolError:
            self._state.unsure.append(ours.call_id)
            raise

    def start(self, key: str, *, lasting: bool) -> int | None:
        """Say that its tool runs now; which attempt this is. None if the kill switch stands against it."""
        rows = self._state.change(
            "UPDATE actions SET state = 'started', attempt = attempt + 1 WHERE key = ? AND owner = ? "
            "AND state = 'reserved' AND (SELECT mode FROM switch WHERE id = 1 FOR SHARE) = 'run' RETURNING attempt",
            (key, self._state.owner.name),
            lasting=lasting,
        )
        return int(rows[0][0]) if rows else None

    def move(self, action: Action, stage: Stage, *, result: str = "", lasting: bool = False) -> None:
        """Write down how an action of this process stands now.

        Raises: ToolError if it no longer stands as `action` says: another thread or process has gone on with it; or if
        the journal can't be written.
        """
        rows = self._state.change(
            "UPDATE actions SET state = ?, result = ?, at = ? WHERE key = ? AND owner = ? AND state = ? "
            "AND attempt = ? RETURNING key",
            (stage, result, self._clock(), action.key, self.owner, action.stage, action.attempt),
            lasting=lasting,
        )
        if not rows:
            raise ToolError("action: another has gone on with it")

    def parked(self) -> tuple[Action, ...]:
        """Actions that wait for a person's word, by tenant, tool and key."""
        rows = self._state.change("SELECT * FROM actions WHERE state = 'parked' ORDER BY tenant, tool, key", ())
        return tuple(map(_action, rows))

    def settle(self, key: str, *, done: bool, result: str) -> None:
        """A person's word on a parked action: it took place, with that result, or it did not.

        Raises: ToolError if it is not parked.
        """
        rows = self._state.change(
            "UPDATE actions SET state = ?, result = ?, at = ? WHERE key = ? AND state = 'parked' RETURNING key",
            ("done" if done else "failed", result if done else "", self._clock(), key),
            lasting=True,
        )
        if not rows:
            raise ToolError(f"action {key[:12]!r}: is not parked; nothing to settle")

    def _reserve(self, ours: Action) -> Reservation:
        if not ours.approval_id and self._insert(ours):
            return Reservation.model_construct(standing="ours", action=ours)
        with self._state.transaction() as db:
            if ours.approval_id and db.execute(_INSERT, _row(ours)):
                spend(db, ours.approval_id, ours.key, ours.at)
                return Reservation(standing="ours", action=ours)
            # Held, for its owner may be closing it at this moment.
            found = _action(db.execute("SELECT * FROM actions WHERE key = ? FOR UPDATE", (ours.key,))[0])
            standing = self._standing(found, ours)
            if standing in {"ours", "in_doubt"}:
                if ours.approval_id:
                    spend(db, ours.approval_id, ours.key, ours.at)
                update: dict[str, str | float] = {"owner": ours.owner, "approval_id": ours.approval_id, "at": ours.at}
                if found.arguments_digest != ours.arguments_digest or self._unsure(found):
                    update |= {"arguments_digest": ours.arguments_digest, "call_id": ours.call_id}
                found = found.model_copy(update={**update, "stage": "reserved" if standing == "ours" else "in_doubt"})
                db.execute(_UPDATE, (*_row(found)[3:], found.key))
        return Reservation(standing=standing, action=found)

    def _insert(self, action: Action) -> bool:
        return bool(self._state.change(_INSERT, _row(action)))

    def _standing(self, found: Action, wanted: Action) -> Standing:
        if found.stage == "failed" or self._unsure(found):  # nothing happened, so that other arguments are no conflict
            return "ours"
        if found.arguments_digest != wanted.arguments_digest:
            return "conflict"
        if found.stage in {"done", "parked"}:
            return found.stage
        owner = self._state.owner
        if found.stage != "in_doubt" and (found.owner == owner.name or owner.alive(found.owner)):
            return "under_way"
        return "ours" if found.stage == "reserved" else "in_doubt"

    def _unsure(self, found: Action) -> bool:
        """Whether this process wrote a reservation without hearing so, and went no further."""
        return found.stage == "reserved" and found.owner == self.owner and found.call_id in self._state.unsure


def _row(action: Action) -> tuple[Value, ...]:
    return (
        action.key, action.tenant, action.tool, action.arguments_digest, action.call_id, action.stage,
        action.owner, action.attempt, action.approval_id, action.result, action.at,
    )  # fmt: skip


def _action(row: tuple[Value, ...]) -> Action:
    return Action.model_validate(dict(zip(Action.model_fields, row, strict=True)))
