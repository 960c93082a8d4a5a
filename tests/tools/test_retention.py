"""What is older than a schedule says is gone from the log and from the state, and nothing is done a second time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workbench.safety.labels import USER
from workbench.tools.audit_keys import AuditKeys
from workbench.tools.audit_log import ChainedLog
from workbench.tools.audit_reading import read, verify
from workbench.tools.call import Call, Caller, Result
from workbench.tools.errors import ToolError
from workbench.tools.gate import Gate
from workbench.tools.retention import Forgotten, Schedule, forget, read_schedule, retain

if TYPE_CHECKING:
    from conftest import Shop

TODAY = date(2026, 11, 23)
SECRET = "Jo Vermeer of 7 Canal Street"


@dataclass
class Desk:
    """A shop whose gate writes to a real log, on several days."""

    shop: "Shop"
    gate: Gate
    log: ChainedLog

    def day(self, days_ago: int) -> None:
        """What the clock says from now on."""
        noon = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC) - timedelta(days=days_ago)
        self.shop.now = noon.timestamp()

    def call(self, order: str, *, tenant: str = "acme", amount: float = 5.0, note: str = SECRET) -> Result:
        """A refund; above 100 a person is asked."""
        caller = Caller(tenant=tenant, principal="jo", roles=("support",))
        arguments = {"order": order, "amount": amount, "note": note}
        return self.gate.call(Call(tool="refund", arguments=arguments, labels={"": USER}, caller=caller))

    def held(self) -> str:
        """All that an answer of the state can tell."""
        tables = ("actions", "approvals")
        return "".join(str(self.shop.state.change(f"SELECT * FROM {name}", ())) for name in tables)


@pytest.fixture
def desk(shop, tmp_path: Path) -> Iterator[Desk]:
    """Two tenants; of one an answer and a question of ten days ago, and the same of today."""
    log = ChainedLog(tmp_path / "log", AuditKeys(tmp_path / "keys"), anchor=tmp_path / "anchor")
    shop.append = log.append
    desk = Desk(shop, shop.gate(), log)
    desk.day(10)
    desk.call("o1")
    desk.call("o2", amount=500.0)
    desk.call("o1", tenant="globex")
    desk.day(0)
    desk.call("o3")
    desk.call("o4", amount=500.0)
    yield desk
    desk.log.close()


def kept(desk: Desk) -> list[str]:
    """The tenants of the entries that can be read."""
    lines = read(desk.log.path.parent, desk.log.keys)
    return [line.entry.tenant if line.entry is not None else line.state for line in lines]


def test_a_tenant_is_forgotten_and_nothing_is_done_twice(desk: Desk) -> None:
    """No answer, no argument; what was done is named, and its call is told that it took place."""
    found = forget("acme", log=desk.log, state=desk.shop.state)
    before = len(desk.shop.done)
    again, asked = desk.call("o1"), desk.call("o2", amount=500.0)

    assert Forgotten(tenant="acme", before="", keys=2, results=2, approvals=2) == found
    assert ("failed", "erased", True, None) == (again.kind, again.code, again.replayed, again.value)
    assert again.call_id
    assert before == len(desk.shop.done)
    assert "pending" == asked.kind
    assert Forgotten(tenant="acme", before="", keys=1, results=0, approvals=1) == forget(
        "acme", log=desk.log, state=desk.shop.state
    )
    assert "globex" in desk.held()
    assert desk.call("o1", tenant="globex").value == f"o1 5.0 {SECRET}"


def test_what_was_erased_stands_in_no_file(desk: Desk, tmp_path: Path) -> None:
    """Neither in the rows, nor in what the engine keeps of older ones, nor in the log."""
    assert SECRET in desk.held()
    forget("acme", log=desk.log, state=desk.shop.state)
    forget("globex", log=desk.log, state=desk.shop.state)

    assert SECRET not in desk.held()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [] == [path.name for path in files if SECRET.encode() in path.read_bytes()]


def test_what_is_older_than_the_schedule_goes(desk: Desk, tmp_path: Path) -> None:
    """By tenant; the rest can be read, the chain holds, and a second time nothing is left to do."""
    schedule = Schedule(days=9, tenants={"globex": 10})
    found = retain(schedule, log=desk.log, state=desk.shop.state, today=TODAY)
    again = retain(schedule, log=desk.log, state=desk.shop.state, today=TODAY)
    later = retain(schedule, log=desk.log, state=desk.shop.state, today=TODAY + timedelta(days=1))
    desk.log.checkpoint()

    assert (Forgotten(tenant="acme", before="2026-11-14", keys=1, results=1, approvals=1),) == found
    assert () == again
    assert (Forgotten(tenant="globex", before="2026-11-14", keys=1, results=1, approvals=0),) == later
    assert [*["erased"] * 5, *["acme"] * 3] == kept(desk)
    assert 8 == verify(desk.log.path.parent, anchor=tmp_path / "anchor").records
    assert ("done", "failed") == (desk.call("o3").kind, desk.call("o1").kind)


def test_a_day_is_kept_for_as_many_whole_days(desk: Desk) -> None:
    """What is exactly as old as the schedule says stays; a day later it goes."""
    stays = retain(Schedule(days=10), log=desk.log, state=None, today=TODAY)
    goes = retain(Schedule(days=10), log=desk.log, state=None, today=TODAY + timedelta(days=1))

    assert ((), ["acme", "globex"]) == (stays, [one.tenant for one in goes])


def test_a_state_in_use_is_purged_another_time(desk: Desk) -> None:
    """A reader that holds old pages keeps them; the rows are erased, and a second try does the rest."""
    if isinstance(desk.shop.place, str):
        pytest.skip("PostgreSQL lets readers read on")
    desk.shop.gate()
    reader = desk.shop.states[-1]
    with reader.transaction() as db:
        db.execute("SELECT * FROM actions", ())
        with pytest.raises(ToolError, match=r"can't be changed|do it again"):
            forget("acme", log=desk.log, state=desk.shop.states[0])

    assert 2 == forget("acme", log=desk.log, state=desk.shop.states[0]).keys


@pytest.mark.parametrize("others", [["acme"], ["acme=0"], ["acme=x"], ["acme=3", "acme=4"]])
def test_a_schedule_that_is_none_is_refused(others: list[str]) -> None:
    """Before anything is erased by mistake."""
    with pytest.raises(ToolError, match='write it as "acme=30"'):
        read_schedule(30, others)


@pytest.mark.parametrize("day", ["2026-3", "2026-13", "2026-02-30", "2026-W10-1", "yesterday"])
def test_a_day_that_is_none_is_refused(desk: Desk, day: str) -> None:
    """Nothing is erased."""
    with pytest.raises(ToolError, match="write it as"):
        forget("acme", log=desk.log, state=desk.shop.state, before=day)
    assert "erased" not in [*kept(desk), desk.held()]
