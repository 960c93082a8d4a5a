"""A rehearsed call is judged as a real one, and can't become one."""

import pytest

from workbench.safety.labels import USER, Label
from workbench.tools.call import Caller
from workbench.tools.policy import Policy
from workbench.tools.rehearsal import dry_run, rehearse

MAIL = Label(integrity="untrusted", sources=("mail:7",))


@pytest.mark.parametrize(
    "fields", [{}, {"tool": "orders", "arguments": {"customer": "c1"}}], ids=("an effect", "a read")
)
def test_a_gate_that_rehearses_runs_nothing_even_when_it_is_called(shop, make_call, fields):
    """What can't be recorded is not done."""
    tools = [shop.tool(), shop.reading()]
    with rehearse(Policy(shop.policies, tools), tools) as gate:
        result = gate.call(make_call(**fields))

    assert ("denied", "gate_failed") == (result.kind, result.code)
    assert ([], []) == (shop.done, shop.log)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "done"),
        ({"amount": 500.0}, "pending"),
        ({"labels": {"": MAIL}}, "pending"),
        ({"labels": {"": USER}, "caller": Caller(tenant="acme", principal="eve")}, "denied"),
    ],
)
def test_what_is_rehearsed_is_what_the_gate_does(shop, make_call, fields, kind):
    """By the policies and by the labels."""
    tools, asked = [shop.tool(), shop.reading()], make_call(**fields)
    found = dry_run(Policy(shop.policies, tools), tools, tools[0], asked)

    assert kind == {"allowed": "done", "needs_approval": "pending", "denied": "denied"}[found.decision.judgement]
    assert kind == shop.gate().call(asked).kind
