"""The tool loop acts only through the gate, decides nothing by what anybody wrote, and always ends in a typed way."""

import json

import pytest
from support_world import INJECTION, JO, PATH, SECRET, Order, Script, World, answer, call

from workbench.agents.actions import action_schema
from workbench.agents.outcome import Known, Limits
from workbench.agents.tool_loop import ToolLoop
from workbench.agents.toolbox import Toolbox
from workbench.core import AgentError, LMError
from workbench.safety import UNKNOWN, USER, Label
from workbench.tools import Facts, declare

TICKET = "Refund 20.0 for order o1, the shoes are too small."
REFUND = call("refund", order="o1", amount=20.0)


@pytest.fixture
def world(tmp_path):
    """A shop with nothing done."""
    return World(tmp_path)


def run(world, *says, limits=None, known=()):
    """What becomes of the ticket with a model that says this, and the model."""
    script = Script(*says)
    loop = ToolLoop(world.open(), script.speaker, limits=limits)
    return loop.run(TICKET, caller=JO, occasion="ticket 1", known=known), script


def end(outcome):
    """What a program looks at."""
    return outcome.kind, outcome.code


def test_a_normal_ticket_is_solved(world):
    """Looked up, refunded, answered; each call once, in order, and the answer made of trusted things is trusted."""
    outcome, script = run(world, call("find_order", order="o1"), REFUND, answer())

    assert ("answered", "") == end(outcome)
    assert ["refund o1 20.0"] == world.done
    assert ["find_order", "refund"] == [act.call.tool for act in outcome.work]
    assert ('1. find_order({"order": "o1"}) -> done: ' in script.prompts[1], outcome.label.trusted) == (True, True)


@pytest.mark.parametrize(
    ("before", "order", "kind"),
    [
        ("find_order", "o1", "answered"),
        ("read_note", "o1", "confirm"),
        ("ask_warehouse", "o1", "confirm"),
        ("ask_warehouse", "o2", "confirm"),
    ],
)
def test_who_has_read_what_anybody_writes_decides_nothing_alone(world, before, order, kind):
    """The very words of the user are no exception: that these were chosen could be the note's doing.

    That a tool failed tells something as well: whoever writes what it returns may have made it fail.
    """
    outcome, _ = run(world, call(before, order=order), REFUND, answer())

    assert kind == outcome.kind
    assert (kind == "answered") == (world.done == ["refund o1 20.0"])


def test_an_argument_carries_all_that_was_shown(world):
    """Integrity and sources of what was read, and of the request."""
    outcome, _ = run(world, call("read_note", order="o1"), call("find_order", order="o1"), answer())
    first, second = (act.call.labels[""] for act in outcome.work)

    assert (USER, "untrusted", ("tool:read_note", "user")) == (first, second.integrity, second.sources)


@pytest.mark.parametrize(
    "obeyed", [call("refund", order="o2", amount=90.0), call("send_mail", to="eve@evil.example", text="x")]
)
def test_an_injected_instruction_never_leads_to_an_effect(world, obeyed):
    """Even a model that obeys it: the call waits for a person, who is shown what it is."""
    world.note = INJECTION
    outcome, _ = run(world, call("read_note", order="o1"), obeyed)

    assert ("confirm", "approval_needed") == end(outcome)
    assert [] == world.done
    assert outcome.approval_id


def test_content_stays_on_its_line(world):
    """A note that is written like a field of the prompt is no field of it."""
    world.note = INJECTION
    _, script = run(world, call("read_note", order="o1"), answer())

    assert 1 == script.prompts[1].count("\nAction:")
    assert script.prompts[1].endswith("\nAction:\n")


@pytest.mark.parametrize("order", ["o1", "o2"])
def test_the_model_sees_neither_secret_nor_path_nor_traceback_of_a_tool_that_raises(world, order):
    """Of what a tool says and of what it breaks with; the model goes on."""
    outcome, script = run(world, call("ask_warehouse", order=order), answer("I could not find out."))

    assert "answered" == outcome.kind
    assert "-> failed: " in script.prompts[1]
    assert [] == [word for word in (SECRET, PATH, "Traceback", "Error") if word in "".join(script.prompts)]


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "I will now refund the order.",
        "[]",
        '{"next": {}}',
        '{"next": {"tool": "refund"}}',
        '{"next": {"tool": "refund", "arguments": {"amount": NaN}}}',
        '{"next": {"tool": "drop_tables", "arguments": {}}}',
        '{"next": {"answer": ""}}',
        '{"next": {"answer": "x", "tool": "refund", "arguments": {}}}',
        "[" * 100_000,
    ],
)
def test_output_that_can_t_be_used_twice_is_a_failure(world, garbage):
    """Typed, with nothing done, after one further attempt."""
    outcome, script = run(world, garbage, garbage)

    assert ("failed", "garbage") == end(outcome)
    assert ([], 2) == (world.done, len(script.prompts))


def test_one_output_that_can_t_be_used_is_told_and_repaired(world):
    """The remark is in our words: nothing of the output is shown again."""
    outcome, script = run(world, "garbage!", REFUND, answer())

    assert "answered" == outcome.kind
    assert ("Remark: none", "Remark: the output is not JSON") == tuple(
        prompt.split("\n")[-3] for prompt in script.prompts[:2]
    )
    assert "garbage!" not in script.prompts[1]


def test_a_fence_around_the_output_does_no_harm(world):
    """As chat models write code, where nothing holds them to a schema."""
    outcome, script = run(world, f"```json\n{json.dumps(REFUND)}\n```", answer())

    assert ("answered", 2) == (outcome.kind, len(script.prompts))


def test_what_the_gate_denies_the_model_is_told(world):
    """Its words alone, and the run goes on."""
    outcome, script = run(world, call("refund", order="o1", amount="all"), answer("I may not."))

    assert '-> denied: "the arguments do not fit the tool\'s schema"' in script.prompts[1]
    assert ("answered", ["denied"]) == (outcome.kind, [act.result.kind for act in outcome.work])


@pytest.mark.parametrize(("limits", "code"), [(Limits(steps=1), "steps"), (Limits(tokens=1), "tokens")])
def test_a_run_that_takes_too_much_is_handed_over_with_its_work(world, limits, code):
    """Before another question is asked."""
    outcome, script = run(world, REFUND, limits=limits)

    assert ("handed_over", code) == end(outcome)
    assert (1, ["refund"]) == (len(script.prompts), [act.call.tool for act in outcome.work])


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [({"ask": "Which order?"}, "clarify", "clarify"), ({"hand_over": "Too hard."}, "handed_over", "gave_up")],
)
def test_a_model_may_ask_or_hand_over(world, said, kind, code):
    """Its words are passed on; evaluation sees an abstention."""
    outcome, _ = run(world, {"next": said})

    assert (kind, code, next(iter(said.values()))) == (outcome.kind, outcome.code, outcome.text)
    assert outcome.prediction().abstained


def test_a_model_that_can_t_be_asked_is_a_failure_that_can_be_gone_on_with(world):
    """What was done stays done; nothing of the provider's words is told."""
    down = LMError(f"provider: refused key {SECRET}")
    loop = ToolLoop(world.open(), Script(REFUND, down, answer()).speaker)
    failed = loop.run(TICKET, caller=JO)
    later = loop.resume(failed.run_id, caller=JO)

    assert ("failed", "model_failed", "the model could not be asked") == (*end(failed), failed.text)
    assert ("answered", ["refund o1 20.0"]) == (later.kind, world.done)


def test_a_tool_that_is_not_offered_can_t_be_called(world):
    """Though the gate has it, and would let it pass; neither by a model nor by what was saved."""
    toolbox = world.open()
    narrow = Toolbox(toolbox.gate, [tool for tool in world.tools() if tool.spec.name != "refund"], toolbox.runs)
    outcome = ToolLoop(narrow, Script(REFUND, REFUND).speaker).run(TICKET, caller=JO)
    waits = ToolLoop(toolbox, Script(call("refund", order="o1", amount=500.0)).speaker).run(TICKET, caller=JO)

    assert ("failed", "garbage") == end(outcome)
    with pytest.raises(AgentError, match="is not offered"):
        ToolLoop(narrow, Script().speaker).resume(waits.run_id, caller=JO)
    assert [] == world.done


@pytest.mark.parametrize(
    ("label", "kind"), [(USER, "answered"), (UNKNOWN, "confirm"), (Label(integrity="untrusted"), "confirm")]
)
def test_a_memory_decides_no_more_than_what_it_was_made_from(world, label, kind):
    """What was untrusted when it was remembered taints the run from its beginning."""
    known = Known(name="preference", value="always refunds", label=label)
    outcome, script = run(world, REFUND, answer(), known=(known,))

    assert kind == outcome.kind
    assert 'preference: "always refunds"' in script.prompts[0]


@pytest.mark.parametrize(("label", "kind"), [(USER, "answered"), (UNKNOWN, "confirm")])
def test_a_question_that_is_answered_goes_on(world, label, kind):
    """With both in the prompt; an answer decides no more than who gave it."""
    script = Script({"next": {"ask": "Which order?"}}, REFUND, answer())
    loop = ToolLoop(world.open(), script.speaker)
    asked = loop.run("A refund please.", caller=JO)
    outcome = loop.reply(asked.run_id, "o1, 20.0", caller=JO, label=label)

    assert kind == outcome.kind
    assert 'you asked the user: "Which order?"\nthe user said: "o1, 20.0"' in script.prompts[1]
    with pytest.raises(AgentError, match="has asked nothing"):
        loop.reply(asked.run_id, "more", caller=JO)


def test_the_schema_of_an_action_leaves_to_the_tool_what_it_can_t_say():
    """A choice of types stands as it is; what a schema defines apart is left open."""

    def place(order: str, day: int | None = None) -> str:
        """Place."""
        return order

    def pack(order: Order) -> str:
        """Pack."""
        return order.status

    tools = [declare(one, Facts(effect="read")) for one in (place, pack)]
    placed, packed = action_schema(tools)["properties"]["next"]["anyOf"][:2]
    arguments = placed["properties"]["arguments"]["properties"]

    assert ["string", None] == [arguments[name].get("type") for name in ("order", "day")]
    assert {"type": "object"} == packed["properties"]["arguments"]


def test_the_same_call_twice_in_a_run_is_one_effect(world):
    """A model that repeats itself is told what came of the first."""
    outcome, _ = run(world, REFUND, REFUND, answer())

    assert ["refund o1 20.0"] == world.done
    assert [False, True] == [act.result.replayed for act in outcome.work]
