"""A run that waits goes on after a restart, does its effect once, and is nobody else's."""

import os
import signal

import pytest
from support_world import JO, Script, World, answer, call

from workbench.agents.tool_loop import ToolLoop
from workbench.core import AgentError
from workbench.safety import UNKNOWN
from workbench.tools import Approvals, Caller, State

BIG = call("refund", order="o1", amount=500.0)
TICKET = "Refund 500.0 for order o1."
DAY = 86_400.0


@pytest.fixture
def world(tmp_path):
    """A shop with nothing done."""
    return World(tmp_path)


def begun(world):
    """A run that waits for its refund to be approved; its process has ended since."""
    toolbox = world.open()
    outcome = ToolLoop(toolbox, Script(BIG).speaker).run(TICKET, caller=JO, occasion="ticket 1")
    toolbox.runs.close()
    return outcome


def approve(world, approval_id):
    """A person's word, from another process."""
    Approvals(State(world.folder / "gate.db"), clock=lambda: world.now).grant(
        approval_id, approver="boss", tenant="acme"
    )


def resume(world, run_id, *says, caller=JO):
    """What a new process makes of a run."""
    return ToolLoop(world.open(), Script(*says).speaker).resume(run_id, caller=caller)


def test_a_refund_waits_survives_a_restart_and_is_done_once(world):
    """The saved call is made again, not another one that a model would write; resuming again changes nothing."""
    first = begun(world)
    early = resume(world, first.run_id)
    approve(world, first.approval_id)
    later = resume(world, first.run_id, answer("Refunded."))
    again = resume(world, first.run_id)

    assert ("confirm", "confirm", first.approval_id) == (first.kind, early.kind, early.approval_id)
    assert ("answered", "Refunded.") == (later.kind, later.text)
    assert later == again
    assert ["refund o1 500.0"] == world.done


def test_a_run_that_dies_after_its_effect_does_not_repeat_it(world):
    """The money is paid and the run's file is gone before that is written down: the same call finds what was done."""
    toolbox = world.open()
    world.after = toolbox.runs.close
    with pytest.raises(AgentError):
        ToolLoop(toolbox, Script(call("refund", order="o1", amount=20.0)).speaker).run(TICKET, caller=JO)
    (left,) = world.open().runs.waiting("acme")
    outcome = resume(world, left.run_id, answer())

    assert ("answered", [True]) == (outcome.kind, [act.result.replayed for act in outcome.work])
    assert ["refund o1 20.0"] == world.done


@pytest.mark.parametrize("paid", [False, True], ids=("before", "after"))
def test_a_process_that_is_killed_in_its_call_leaves_it_to_the_next(world, paid):
    """The bank has paid or not; whoever goes on makes the same call under the same key, and it is paid once."""
    child = os.fork()
    if not child:
        world.kill = "after" if paid else "before"
        ToolLoop(world.open(), Script(call("refund", order="o1", amount=20.0)).speaker).run(TICKET, caller=JO)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    toolbox = world.open()
    (left,) = toolbox.runs.waiting("acme")
    outcome = ToolLoop(toolbox, Script(answer()).speaker).resume(left.run_id, caller=JO)

    assert signal.SIGKILL == os.WTERMSIG(status)
    assert ("answered", ["refund o1 20.0"]) == (outcome.kind, world.bank())


def test_what_is_in_doubt_is_handed_over_and_asked_for_again_under_its_key(world):
    """The bank paid and then the line broke: nobody is told that it failed, and it is paid once."""
    world.after = _broken
    loop = ToolLoop(world.open(), Script(call("refund", order="o1", amount=20.0), answer()).speaker)
    first = loop.run(TICKET, caller=JO)
    world.after = lambda: None
    later = loop.resume(first.run_id, caller=JO)

    assert ("handed_over", "broken", "answered") == (first.kind, first.code, later.kind)
    assert ["refund o1 20.0"] == world.bank()


def _broken():
    raise RuntimeError("the line broke")


def test_only_one_goes_on_with_a_run(world):
    """Who holds a run as it stood before can't act: its next call is another's to make."""
    first, toolbox = begun(world), world.open()
    approve(world, first.approval_id)
    stale = toolbox.find("tool_loop", first.run_id, JO)
    resume(world, first.run_id, answer())
    other = stale.waiting.model_copy(update={"arguments": {"order": "o2", "amount": 20.0}})

    with pytest.raises(AgentError, match="another went on with it"):
        toolbox.act(stale, other)
    assert ["refund o1 500.0"] == world.done


@pytest.mark.parametrize(
    "caller",
    [
        Caller(tenant="other", principal="jo", roles=("support",)),
        Caller(tenant="acme", principal="eve", roles=("support",)),
    ],
)
def test_a_run_is_nobody_else_s(world, caller):
    """Neither another tenant's nor another person's, in the words for a run that never was."""
    first = begun(world)

    with pytest.raises(AgentError, match="is not one of yours"):
        resume(world, first.run_id, caller=caller)
    with pytest.raises(AgentError, match="is not one of yours"):
        resume(world, "never", caller=caller)
    assert () == world.open().runs.waiting("other")


def test_a_role_that_was_taken_away_is_gone(world):
    """What was approved for somebody in support is not done for the same person outside of it."""
    first = begun(world)
    approve(world, first.approval_id)
    outcome = resume(world, first.run_id, answer("No."), caller=JO.model_copy(update={"roles": ()}))

    assert (["denied"], []) == ([act.result.kind for act in outcome.work], world.done)


def test_a_denied_approval_is_told_and_the_run_goes_on(world):
    """The model may answer; it can't ask again for the same."""
    first = begun(world)
    approvals = Approvals(State(world.folder / "gate.db"), clock=lambda: world.now)
    approvals.deny(first.approval_id, approver="boss", tenant="acme")
    outcome = resume(world, first.run_id, BIG, answer("A person said no."))

    assert ("answered", ["approval_denied"] * 2) == (outcome.kind, [act.result.code for act in outcome.work])
    assert [] == world.done


def test_a_changed_label_asks_for_another_approval(world):
    """A saved run that was bent to another label is not what was approved."""
    first = begun(world)
    approve(world, first.approval_id)
    toolbox = world.open()
    state = toolbox.find("tool_loop", first.run_id, JO)
    toolbox.runs.save(state.model_copy(update={"waiting": state.waiting.model_copy(update={"labels": {"": UNKNOWN}})}))

    assert "confirm" == resume(world, first.run_id).kind
    assert [] == world.done


def test_an_old_run_is_gone(world):
    """After its retention nothing is left to go on with."""
    first = begun(world)
    world.now += 31 * DAY

    with pytest.raises(AgentError):
        resume(world, first.run_id)


def test_an_erased_tenant_leaves_no_byte(world):
    """In the file and what SQLite lays beside it; others' runs stay."""
    begun(world)
    runs = world.open().runs
    other = JO.model_copy(update={"tenant": "other"})
    state = runs.waiting("acme")[0]
    runs.begin(
        state.model_copy(update={"run_id": "theirs", "caller": other, "request": "Their words", "outcome": None})
    )
    erased = runs.erase("acme")
    left = b"".join(path.read_bytes() for path in world.folder.glob("runs.db*"))

    assert 1 == erased
    assert (False, True) == (TICKET.encode() in left, b"Their words" in left)
    assert "theirs" == runs.find("theirs", other).run_id
