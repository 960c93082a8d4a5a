"""What a gate must hold against: other gates, other forms of a call, other people, and failures at a bad moment."""

import threading

import pytest

from workbench.core import ToolSpec
from workbench.safety.labels import UNKNOWN, USER, Label, stray_paths
from workbench.safety.redaction import Redactor
from workbench.tools.call import Call, Caller
from workbench.tools.errors import NotDone, ToolError
from workbench.tools.execution import Execution
from workbench.tools.facts import Facts
from workbench.tools.gate import Gate
from workbench.tools.policy import Policy, user_id
from workbench.tools.tool import Tool, declare

EVERYTHING = '@id("all") permit(principal, action, resource);'
ANN, BOB = (Caller(tenant="acme", principal=name, roles=("support",)) for name in ("ann", "bob"))


def gate_of(shop, tool, policies=EVERYTHING):
    """A gate before one tool, on the shop's state."""
    shop.gate()
    return Gate([tool], Policy(policies, [tool]), shop.state, shop)


def call_of(tool, **arguments):
    """What a user asked for."""
    return Call(tool=tool.spec.name, arguments=arguments, labels={"": USER}, caller=ANN)


def test_two_gates_on_one_state_do_an_action_once(shop, make_call):
    """What one gate runs, the other does not take for abandoned."""
    first = shop.gate(idempotency="reconcile")
    tools = [shop.tool(idempotency="reconcile"), shop.reading()]
    second = Gate(tools, Policy(shop.policies, tools), shop.state, shop, clock=shop.clock)
    begun, go, act = threading.Event(), threading.Event(), shop.act
    shop.act = lambda what: (begun.set(), go.wait(10), act(what))[2]
    thread = threading.Thread(target=first.call, args=(make_call(),))
    thread.start()
    begun.wait(10)
    meanwhile = second.call(make_call())
    go.set()
    thread.join()

    assert ("in_doubt", "under_way") == (meanwhile.kind, meanwhile.code)
    assert ["o1 5.0"] == shop.done


def test_calls_that_a_tool_cannot_tell_apart_are_one_action(shop, make_call):
    """10, 10.0 and a default that is written out."""
    gate = shop.gate()
    forms = ({"amount": 10}, {"amount": 10.0}, {"amount": 10, "note": ""})
    results = [gate.call(make_call(arguments={"order": "o1", **form})) for form in forms]

    assert [False, True, True] == [one.replayed for one in results]
    assert ["o1 10.0"] == shop.done
    assert 1 == len({entry.arguments_digest for entry in shop.log})


def test_a_default_does_not_pass_a_limit(shop):
    """What is left out is judged as what the tool would do."""

    def cash(order: str, limit: int = 500) -> str:
        """Pay."""
        return shop.act(f"{order} {limit}")

    tool = declare(cash, Facts(effect="write"))
    limit = '@id("limit") forbid(principal, action, resource) when { context.arguments has limit && '
    gate = gate_of(shop, tool, f"{EVERYTHING} {limit} context.arguments.limit > 100 }};")

    assert ["denied", "denied"] == [gate.call(call_of(tool, order="o", **more)).kind for more in ({}, {"limit": 500})]


def test_a_default_is_of_its_type_and_a_set_has_one_order():
    """Another could never have been given; a set's order differs from process to process."""

    def wrong(text: str = 5) -> str:
        """Not of its type."""
        return text

    def names(who: set[str], most: float = 5) -> int:
        """Count."""
        return len(who)

    with pytest.raises(ToolError):
        declare(wrong, Facts(effect="read"))
    formed = declare(names, Facts(effect="read")).formed({"who": ["c", "a", "d", "b"]})
    assert '{"who":["a","b","c","d"],"most":5.0}' == str(formed).replace("'", '"').replace(" ", "")


def test_a_hand_made_tool_has_one_form_of_its_arguments():
    """By its schema: a number's type and a default."""
    amount, note = {"type": "number"}, {"type": "string", "default": "-"}
    spec = ToolSpec(name="raw", description="", parameters={"properties": {"amount": amount, "note": note}})
    tool = Tool(spec=spec, facts=Facts(effect="write"), run=lambda _arguments, _attempt: "ok", returns={})

    assert "{'amount': 10.0, 'note': '-'}" == str(tool.formed({"amount": 10}))


@pytest.mark.parametrize(("label", "kind"), [(UNKNOWN, "pending"), (USER, "done")])
def test_an_effect_without_arguments_has_a_label_all_the_same(shop, label, kind):
    """Something untrusted does not get it done by leaving everything out."""

    def wipe() -> str:
        """Wipe."""
        return shop.act("wiped")

    tool = declare(wipe, Facts(effect="irreversible"))
    call = call_of(tool).model_copy(update={"labels": {"": label}})

    assert kind == gate_of(shop, tool).call(call).kind


def test_a_control_that_is_left_out_is_decided_by_the_call(shop):
    """A default that tells everybody, in a call that a mail made."""

    def post(text: str, to: str = "everybody") -> str:
        """Post."""
        return shop.act(f"{text} {to}")

    tool = declare(post, Facts(effect="external", content=("text",)))
    gate = gate_of(shop, tool)
    mail = call_of(tool, text="hi").model_copy(update={"labels": {"": Label(integrity="untrusted")}})
    unlabelled = mail.model_copy(update={"labels": {"/text": USER}})

    assert ["pending", "pending"] == [gate.call(mail).kind, gate.call(unlabelled).kind]


@pytest.mark.parametrize(("scope", "times"), [("principal", 2), ("tenant", 1)])
def test_two_people_are_two_actions_unless_the_tool_says_otherwise(shop, make_call, scope, times):
    """Nobody gets what came of another's call."""
    gate = shop.gate(scope=scope)
    results = [gate.call(make_call(caller=one)) for one in (ANN, BOB)]

    assert [False, times == 1] == [one.replayed for one in results]
    assert times == len(shop.done)


def test_nobody_denies_what_was_done(shop, make_call):
    """A replay that can't be recorded is in doubt, not "it was not done"."""
    gate = shop.gate()
    gate.call(make_call())
    shop.full = True

    assert "in_doubt" == gate.call(make_call()).kind


@pytest.mark.parametrize("stop", [False, True], ids=("audit", "switch"))
def test_nobody_denies_what_is_in_doubt(shop, make_call, stop):
    """The second try of an action in doubt can't begin, which says nothing of the first."""
    gate = shop.gate()
    shop.fails.append(RuntimeError("the line broke"))
    gate.call(make_call())
    if stop:
        gate.journal.start = lambda _key, *, lasting: None  # as if the switch were thrown at that moment
    shop.full = not stop

    assert "in_doubt" == gate.call(make_call()).kind


def test_what_ends_while_it_is_looked_at_is_not_denied(shop, make_call):
    """Another thread closes the action between the reservation and the look at it."""
    gate = shop.gate(idempotency="reconcile")
    gate.call(make_call())
    shop.state.change("UPDATE actions SET state = 'started'", ())
    gate._left = lambda _action: bool(shop.state.change("UPDATE actions SET state = 'done' RETURNING 1", ()))

    assert "in_doubt" == gate.call(make_call()).kind


def test_a_policy_belongs_to_its_tools(shop):
    """Read with a tool that only reads, it would not forbid the effect of another with that name."""
    shop.gate()
    read, write = shop.tool(effect="read"), shop.tool(effect="write")

    with pytest.raises(ToolError, match="is not as the policy was checked against"):
        Gate([write], Policy(EVERYTHING, [read]), shop.state, shop)


def test_each_attempt_has_arguments_of_its_own(shop):
    """What a tool changes in them, a retry does not see."""
    seen = []

    def run(arguments, _attempt):
        seen.append(list(arguments["items"]))
        arguments["items"].append("more")
        raise NotDone("later", again=True)

    spec = ToolSpec(name="raw", description="", parameters={"properties": {"items": {"type": "array"}}})
    tool = Tool(spec=spec, facts=Facts(effect="write", idempotency="key", retries=1), run=run, returns={})
    gate_of(shop, tool).call(call_of(tool, items=["a"]))

    assert [["a"], ["a"]] == seen


def test_what_was_not_done_may_be_asked_for_otherwise(shop, make_call):
    """An order whose first amount was refused is not in conflict with the second."""
    gate = shop.gate(identity=("order",))
    shop.fails.append(NotDone("too much"))

    assert ["failed", "done"] == [gate.call(make_call(amount=amount)).kind for amount in (10.0, 5.0)]
    assert ["o1 5.0"] == shop.done


def test_a_number_beyond_64_bits_leaves_no_doubt(shop):
    """It reaches the tool or it does not, and either is known."""

    def count(amount: int) -> str:
        """Count."""
        return shop.act(str(amount))

    tool = declare(count, Facts(effect="write"))

    assert "done" == gate_of(shop, tool).call(call_of(tool, amount=2**70)).kind
    assert [str(2**70)] == shop.done


def test_a_label_of_nothing_denies(shop, make_call):
    """Whoever wrote it meant something that would be ignored."""
    result = shop.gate().call(make_call(labels={"": USER, "/order/01": UNKNOWN}))

    assert ("denied", "bad_labels") == (result.kind, result.code)
    labels = dict.fromkeys(("/a/01", "/a/1", "/a~2", "a", "/a/0"), USER)
    assert ("/a/01", "/a/1", "/a~2", "a") == stray_paths({"a": [1]}, labels)


def test_labels_are_recorded_without_personal_data(shop, make_call):
    """Neither in their paths nor in their sources."""
    label = Label(integrity="trusted", sources=("mail:jo@example.org",))
    shop.gate().call(make_call(labels={"": label, "/jo@example.org": label}))
    shop.gate().call(make_call(labels={"": label}))

    assert shop.log
    assert not [entry for entry in shop.log if "jo@example.org" in entry.model_dump_json()]


def test_a_schema_fetches_nothing(tmp_path):
    """What it speaks of stands in it."""
    (tmp_path / "s.json").write_text("{}")
    spec = ToolSpec(name="raw", description="", parameters={"properties": {"x": {"$ref": f"file://{tmp_path}/s.json"}}})
    tool = Tool(spec=spec, facts=Facts(effect="write"), run=lambda _arguments, _attempt: "ok", returns={})

    with pytest.raises(ToolError, match="its schema is not one"):
        tool.fits({"x": "a"})


def test_people_of_two_tenants_share_no_name():
    """An "@" in a tenant's name could make them the same."""
    with pytest.raises(ToolError):
        user_id(Caller(tenant="acme@x", principal="jo"))


def test_no_path_is_told():
    """URLs of files, shares and what stands right under the root as well; addresses of pages stay."""
    told = "no file:///home/jo/key and \\\\srv\\share\\x and /root at https://h.example/x and/or"

    assert "no [path] and [path] and [path] at https://h.example/x and/or" == Execution(Redactor()).scrub(told)
