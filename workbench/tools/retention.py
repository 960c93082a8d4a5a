"""How long what gates write down is kept, and how it is forgotten: in the audit log, and in what gates remember.

The log loses the keys of a tenant's days. A state loses what was answered and what a person was asked, with the
arguments; it keeps the names of actions, which are digests, so that none is ever done twice. An approval that is
forgotten is asked for anew.
"""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from pydantic import Field

from workbench.core import Record
from workbench.safety import Label
from workbench.tools.audit_keys import first_day
from workbench.tools.audit_log import ChainedLog
from workbench.tools.call import Result
from workbench.tools.errors import ToolError
from workbench.tools.state import State

_MARK = "\0"  # stands in no JSON as it is
_ERASED = Result(
    call_id=_MARK,
    kind="failed",
    label=Label(integrity="untrusted", confidentiality="secret", sources=("erased",)),
    code="erased",
    message="it took place, but what it answered was erased; do not repeat it",
)
_HEAD, _TAIL = _ERASED.model_dump_json().split(r"\u0000")
"""What stands around the call's id in what a gate finds in place of an answer."""


class Forgotten(Record):
    """What was forgotten of a tenant."""

    tenant: str
    before: str
    """The first day that is kept, UTC; empty if none is."""
    keys: int
    """Of the audit log, destroyed."""
    results: int
    """Answers that the journal no longer holds."""
    approvals: int
    """Questions to a person, with what became of them."""


class Schedule(Record):
    """How many whole days entries are kept at least; they are gone a day later."""

    days: int = Field(ge=1)
    tenants: dict[str, int] = Field(default_factory=dict)
    """Tenants that have another number."""

    def before(self, tenant: str, today: date) -> str:
        """The first day that is kept.

        >>> Schedule(days=30, tenants={"acme": 7}).before("acme", date(2026, 3, 9))
        '2026-03-02'
        """
        return (today - timedelta(days=self.tenants.get(tenant, self.days))).isoformat()


def read_schedule(days: int, others: Sequence[str]) -> Schedule:
    """A schedule as a person types it: "acme=7" for each tenant that has another number.

    >>> read_schedule(30, ["acme=7"]).tenants
    {'acme': 7}

    Raises: ToolError if one is not so, or stands there twice.
    """
    tenants: dict[str, int] = {}
    for text in others:
        tenant, sign, number = text.rpartition("=")
        if not sign or not number.isdecimal() or int(number) < 1 or tenant in tenants:
            raise ToolError(f'retention {text!r}: is none, or not the first of its tenant; write it as "acme=30"')
        tenants[tenant] = int(number)
    return Schedule(days=days, tenants=tenants)


def forget(tenant: str, *, log: ChainedLog, state: State | None, before: str | None = None) -> Forgotten:
    """Forget a tenant, or of it what is older than a day, "2026-03-15", or a month, "2026-03".

    Raises: ToolError if it fails on the way: then do it again.
    """
    found = _forget(tenant, before, log, state)
    if state is not None:
        state.purge()
    return found


def retain(schedule: Schedule, *, log: ChainedLog, state: State | None, today: date) -> tuple[Forgotten, ...]:
    """Forget all that is older than a schedule says; the tenants of which there was something, by name.

    A second time there is nothing left to do. Raises: ToolError if it fails on the way: then do it again.
    """
    found = [_forget(one, schedule.before(one, today), log, state) for one in kept_tenants(log=log, state=state)]
    if state is not None:
        state.purge()
    return tuple(one for one in found if one.keys or one.results or one.approvals)


def kept_tenants(*, log: ChainedLog, state: State | None) -> tuple[str, ...]:
    """The tenants of whom there is anything, by name."""
    tenants = {key.tenant for key in log.keys.all()}
    if state is not None:
        rows = state.change("SELECT tenant FROM actions UNION SELECT tenant FROM approvals", ())
        tenants |= {str(row[0]) for row in rows}
    return tuple(sorted(tenants))


def _forget(tenant: str, before: str | None, log: ChainedLog, state: State | None) -> Forgotten:
    results, approvals = _forget_rows(state, tenant, before) if state is not None else (0, 0)
    keys = log.erase(tenant, before=before)
    return Forgotten(tenant=tenant, before=before or "", keys=keys, results=results, approvals=approvals)


def _forget_rows(state: State, tenant: str, before: str | None) -> tuple[int, int]:
    until = math.inf
    if before is not None:
        until = datetime.combine(first_day(before), time.min, tzinfo=UTC).timestamp()
    with state.transaction(lasting=True) as db:
        results = db.execute(
            "UPDATE actions SET result = ? || call_id || ? WHERE tenant = ? AND at < ? AND result <> '' "
            "AND result <> ? || call_id || ? RETURNING 1",
            (_HEAD, _TAIL, tenant, until, _HEAD, _TAIL),
        )
        approvals = db.execute("DELETE FROM approvals WHERE tenant = ? AND decided < ? RETURNING 1", (tenant, until))
    return len(results), len(approvals)
