"""What approvals, the journal and policies promise by themselves."""

import pytest

from workbench.core import WorkbenchError
from workbench.safety.labels import UNKNOWN, USER, Label, join, label_of
from workbench.tools.errors import ToolError
from workbench.tools.policy import Policy
from workbench.tools.state import State

MAIL = Label(integrity="untrusted", confidentiality="public", sources=("mail:7",))


@pytest.mark.parametrize(
    ("labels", "trusted"),
    [
        ({}, False),
        ({"": USER}, True),
        ({"/to": USER}, True),
        ({"/to/0": USER, "/to/1": USER}, False),
        ({"/to": USER, "/to/1": MAIL}, False),
        ({"/to": MAIL, "/to/0": USER, "/to/1": USER}, False),
        ({"/toll": USER}, False),
    ],
)
def test_a_part_without_a_label_is_never_trusted(labels, trusted):
    """An argument is trusted only if it and all its parts are; a path's prefix in letters is no ancestor."""
    assert trusted == label_of(["a", "b"], "/to", labels).trusted


def test_a_join_is_as_bad_as_the_worst():
    """In any order, any number of times."""
    assert join([USER, MAIL]) == join([MAIL, USER, MAIL])
    assert ("untrusted", "secret", ("mail:7", "unlabelled", "user")) == tuple(
        getattr(join([USER, MAIL, UNKNOWN]), name) for name in ("integrity", "confidentiality", "sources")
    )


@pytest.mark.parametrize(
    "text",
    [
        "permit(principal, action, resource);",
        '@id("a") permit(principal, action, resource); @id("a") permit(principal, action, resource);',
        '@id("a") permit(principal, action == Action::"refnd", resource);',
        '@id("a") forbid(principal, action, resource) when { context.aproved };',
        '@id("a") forbid(principal, action, resource) when { context.arguments.amount == decimal("1.0") };',
        '@id("a") forbid(principal, action, resource) when { context["appro\\u{76}ed"] };',
        '@id("a") permit(principal == ?principal, action, resource);',
        "permit(",
    ],
)
def test_policies_that_could_fail_are_refused_when_they_are_read(shop, text):
    """Without an id, of unknown actions or words, of arguments that some tool lacks, hidden, templates, or torn."""
    with pytest.raises(ToolError):
        Policy(text, [shop.tool(), shop.reading()])


def test_an_expired_approval_is_none(shop, make_call):
    """An hour later, or with the clock set back, a person is asked again."""
    gate = shop.gate()
    asked = gate.call(make_call(amount=500.0))
    shop.approvals.grant(asked.approval_id, approver="boss", tenant="acme")
    shop.now -= 10
    back = gate.call(make_call(amount=500.0)).kind
    shop.now += 4000

    assert ("pending", "pending") == (back, gate.call(make_call(amount=500.0)).kind)
    assert [] == shop.done


@pytest.mark.parametrize(("tenant", "approver"), [("globex", "boss"), ("acme", "")])
def test_an_approval_is_decided_within_its_tenant_and_by_somebody(shop, make_call, tenant, approver):
    """Nobody of another tenant, and not nobody."""
    asked = shop.gate().call(make_call(amount=500.0))

    with pytest.raises(ToolError):
        shop.approvals.grant(asked.approval_id, approver=approver, tenant=tenant)


def test_a_locked_journal_denies(shop, make_call):
    """Another process that never lets go of it lets nothing through."""
    gate = shop.gate()
    shop.gate()
    with shop.state.transaction() as db:
        if isinstance(shop.place, str):  # where others may work beside a transaction
            db.execute("LOCK TABLE actions", ())
        result = gate.call(make_call())

    assert ("denied", "gate_failed") == (result.kind, result.code)
    assert [] == shop.done


def test_what_a_dead_process_reserved_is_done_and_what_it_started_is_in_doubt(shop, make_call):
    """A reservation alone means that nothing happened; a start means that nobody knows."""
    dead = shop.gate(idempotency="none")
    shop.fails.append(RuntimeError("the line broke"))
    dead.call(make_call())
    shop.state.change("UPDATE actions SET state = 'started', owner = 'gone'", ())
    shop.state.change("UPDATE actions SET key = key, owner = 'gone'", ())
    started = shop.gate(idempotency="none").call(make_call())
    shop.state.change("UPDATE actions SET state = 'reserved', owner = 'gone'", ())
    reserved = shop.gate(idempotency="none").call(make_call())

    assert ("in_doubt", "done") == (started.kind, reserved.kind)


def test_a_living_process_keeps_what_it_reserved(shop, make_call):
    """Another gate does not take it over."""
    gate = shop.gate()
    gate.call(make_call())
    shop.state.change("UPDATE actions SET state = 'started', result = ''", ())

    assert ("in_doubt", "under_way") == ((result := shop.gate().call(make_call())).kind, result.code)


def test_a_folder_that_is_no_state_file_is_refused(tmp_path):
    """With an error of the room."""
    (tmp_path / "state.db").write_bytes(b"not a database" * 100)

    with pytest.raises(WorkbenchError):
        State(tmp_path / "state.db")
