"""The support desk resolves a ticket: by a plan, through the gate, with a person's approval, and once."""

from pathlib import Path

import pytest

from experiments.support_desk.__main__ import RECORDED, Recorded, main, recorded_lm
from experiments.support_desk.desk import TENANT, open_desk
from workbench.core import ConfigError, read_record
from workbench.tools import AuditKeys, read


def test_a_ticket_waits_for_a_person_and_is_done_by_a_desk_that_was_opened_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it read and did is shown and audited; the money is back on the card."""
    code = main(["--recorded", "--folder", str(tmp_path)])
    shown = capsys.readouterr().out
    recorded = read_record(RECORDED, Recorded)
    desk = open_desk(tmp_path, recorded_lm(recorded))
    order = desk.shop.world.orders["#W6779827"]
    lines = read(tmp_path / "audit", AuditKeys(tmp_path / "keys"))
    entries = [line.entry for line in lines if line.entry is not None]

    assert 0 == code
    assert "confirm: a person is asked to approve it" in shown
    assert "answered: Your order #W6779827 is cancelled." in shown
    assert ("cancelled", "refund") == (order.status, order.payment_history[-1].transaction_type)
    assert ["read_rules", "get_order", "cancel_order"] == [one.tool for one in entries if one.result == "done"]


def test_the_same_ticket_again_gives_no_money_twice(tmp_path: Path) -> None:
    """The plan is made again; what was done is found, and nobody is asked."""
    main(["--recorded", "--folder", str(tmp_path)])
    recorded = read_record(RECORDED, Recorded)
    desk = open_desk(tmp_path, recorded_lm(recorded))
    before = desk.shop.world.model_copy(deep=True)
    again = desk.resolve(recorded.request, recorded.email, ticket=recorded.ticket)

    assert ("answered", True) == (again.kind, again.work[-1].result.replayed)
    assert before == open_desk(tmp_path, recorded_lm(recorded)).shop.world


def test_a_customer_can_have_nothing_done_to_anothers_order(tmp_path: Path) -> None:
    """To the desk there is no such order, so it hands over; the approver is never asked."""
    recorded = read_record(RECORDED, Recorded)
    desk = open_desk(tmp_path, recorded_lm(recorded))
    other = next(one for one in desk.shop.world.users.values() if one.email != recorded.email)
    outcome = desk.resolve(recorded.request, other.email, ticket="T-2")

    assert ("handed_over", "not_done") == (outcome.kind, outcome.code)
    assert [] == [*desk.gate.approvals.list(TENANT)]


def test_nobody_is_served_who_is_not_signed_in(tmp_path: Path) -> None:
    """The error names the address."""
    desk = open_desk(tmp_path, recorded_lm(read_record(RECORDED, Recorded)))
    with pytest.raises(ConfigError, match=r"'nobody@example.com'"):
        desk.resolve("Cancel everything.", "nobody@example.com", ticket="T-3")
