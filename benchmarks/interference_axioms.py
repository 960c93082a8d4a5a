"""Axioms of the label engine: each takes a seeded stream and a world, and fails where the engine differs.

A join is a join, a value is as bad as its worst part, what nobody labelled is as bad as can be, and the gate decides as
`interference_spec` says, which was written without a look at how the engine does it.
"""

from collections.abc import Callable
from random import Random

from pydantic import ValidationError

from benchmarks.interference_play import answers, pointer
from benchmarks.interference_spec import (
    PERSON,
    RANKS,
    WORST,
    defaults,
    draw_call,
    draw_label,
    draw_nested,
    expected,
    judge,
    labels_of,
    parts,
    typed,
    whole,
    worst,
)
from benchmarks.interference_world import CALLER, KINDS, World
from workbench import safety
from workbench.safety import Label, escape, join, label_of, level, stray_paths
from workbench.tools import Action, Call, Gate, Policy, Result
from workbench.tools import flow as flows
from workbench.tools.execution import Ending
from workbench.tools.flow import concern, final, flow
from workbench.tools.gate import _concluded
from workbench.tools.passage import Passage

Axiom = Callable[[Random, World], None]
SOURCES = ("document:a", "mail:7", "tool:web", "user")
ROUNDS_OF_POLICY = 10
"""Reading a policy takes long, so only one of so many rounds does."""


def join_is_a_join(rng: Random, _world: World) -> None:
    """Commutative, associative, idempotent, monotone; of nothing the least; the ranks in order."""
    one, two, three = draw_label(rng), draw_label(rng), draw_label(rng)
    assert join((one, two)) == join((two, one)) == worst([one, two])
    assert join((one, join((two, three)))) == join((join((one, two)), three)) == join([one, two, three])
    assert join((one, one)) == one == join([one]) == join(iter((one, one)))
    assert join(()) == worst([])
    both = join((one, two))
    assert not (both.trusted and not one.trusted)
    assert level(both.confidentiality) >= level(one.confidentiality)
    assert set(one.sources) <= set(both.sources)
    assert [level(name) for name in RANKS] == [0, 1, 2, 3]
    assert one.trusted is (one.integrity == "trusted")


def sources_have_one_form(rng: Random, _world: World) -> None:
    """Sorted, unique, named: two labels that say the same are the same."""
    sources = tuple(rng.choices(("", *SOURCES), k=rng.randrange(4)))
    fine = list(sources) == sorted(set(sources)) and "" not in sources
    try:
        Label(integrity="trusted", sources=sources)
    except ValidationError:
        assert not fine
        return
    assert fine


def parts_have_the_nearest_label(rng: Random, _world: World) -> None:
    """A value is as bad as its worst part, a part as the nearest label, and the unlabelled as bad as can be."""
    value = draw_nested(rng, 3)
    paths = [path for path, _ in parts(value)]
    some = {path: draw_label(rng) for path in rng.sample(paths, rng.randrange(min(4, len(paths)) + 1))}
    path, part = rng.choice(list(parts(value)))
    assert label_of(part, path, some) == whole(part, path, some)
    assert label_of(part, path, {}) == WORST
    strays = set(rng.sample(("a", "/zz", "/0/zz", "/a~1b~2", "/00", "/-1", "//", "x/a", f"{path}/zz", f"{path}/0x"), 3))
    told = {**some, **dict.fromkeys(strays, WORST)}
    assert stray_paths(value, told) == tuple(sorted(stray for stray in strays if stray not in paths))


def names_are_escaped(rng: Random, _world: World) -> None:
    """As RFC 6901 says: "~" before "/", and back again."""
    name = "".join(rng.choices("a/~01", k=rng.randrange(6)))
    assert escape(name) == pointer(name)[1:]


def what_is_left_out_is_the_calls(rng: Random, world: World) -> None:
    """The call in its final form, and the labels of the defaults that it leaves out."""
    call = draw_call(rng)
    tool = world.known(call.tool)
    formed = final(tool, call)
    if not typed(call) or not set(KINDS[call.tool].required) <= set(call.arguments):
        assert formed is call
        return
    assert formed.arguments == {**call.arguments, **defaults(call)}
    assert formed.labels == labels_of(call)


def who_decides_a_call(rng: Random, world: World) -> None:
    """Control, the whole, and the first worry."""
    judged = judge(draw_call(rng), world)
    found = flow(judged.tool, judged.call)
    assert found.whole == judged.whole
    assert found.control == ("trusted" if judged.trusted else "untrusted")
    worry, clearance = concern(judged.tool, found), judged.tool.facts.clearance
    assert (worry.code if worry is not None else "") == judged.worry
    if worry is not None and judged.worry == "clearance":
        assert found.whole.confidentiality in worry.reason
        assert worry.reason.endswith(clearance)


def calls_are_judged_by_their_labels(rng: Random, world: World) -> None:
    """What the gate decides and does, what it says of it, and the label of what comes back."""
    call = draw_call(rng)
    judged = judge(call, world)
    due = expected(call, judged)
    _judged(call, world, due)
    worry = concern(judged.tool, flow(judged.tool, judged.call))
    if worry is not None and due[1] in {worry.code, "approval_needed"}:
        assert world.decided.reason == worry.reason
    if due[0] == "done":
        assert world.call(call).label == worst([judged.whole, answers(call.tool)])


def _judged(call: Call, world: World, due: tuple[str, str]) -> None:
    """The result, the effect, the decision as the log has it, and the preview."""
    world.said = ["told", "told"]
    world.effects.clear()
    result = world.call(call)
    assert (result.kind, result.code) == due
    assert len(world.effects) == (result.kind == "done" and KINDS[call.tool].facts.effect != "read")
    kinds = {"done": "allowed", "pending": "needs_approval", "denied": "denied"}
    assert world.decided.judgement == kinds[result.kind]
    assert (world.decided.reason != "") == (
        result.kind == "pending" or result.code not in {"", "bad_arguments", "bad_labels"}
    )
    previewed = world.preview(call)
    assert previewed.judgement == kinds[result.kind]
    assert (previewed.reason != "") == (result.kind != "done")


def constants_say_what_they_mean(_rng: Random, _world: World) -> None:
    """The user's words, what nobody labelled, and what was left out."""
    assert safety.USER == PERSON
    assert safety.UNKNOWN == WORST
    assert Label(integrity="trusted", confidentiality="public", sources=("default",)) == flows.DEFAULT


def a_policy_may_ask_for_a_person(rng: Random, world: World) -> None:
    """Also one that says nothing of labels."""
    if rng.random() > 1 / ROUNDS_OF_POLICY:
        return
    call = Call(tool="clock", arguments={}, labels={"": PERSON}, caller=CALLER)
    tool = world.known("clock")
    for condition, judged in (("context.approved", "needs_approval"), ("!context.approved", "allowed")):
        policy = Policy(f'@id("one") permit(principal, action, resource) when {{ {condition} }};', [tool])
        assert policy.decide(tool, call, flow(tool, call)).judgement == judged


def a_replay_is_as_bad_as_before(rng: Random, world: World) -> None:
    """What is handed out again keeps its label, and gets that of the call that asks for it."""
    before, call = draw_label(rng), draw_call(rng)
    passage = Passage(call=call, redactor=world._redactor, clock=lambda: 0.0)
    done = Result(call_id="1", kind="done", value=1, label=before)
    action = Action(
        **dict.fromkeys(("key", "tenant", "tool", "arguments_digest", "call_id", "owner", "approval_id"), "1"),
        stage="done",
        attempt=1,
        result=done.model_dump_json(),
        at=0.0,
    )
    assert Gate._replay(world, passage, action).label == before
    tool = world.known(call.tool)
    passage.flow = flow(tool, call)
    replayed = Gate._replay(world, passage, action)
    assert replayed.label == worst([before, passage.flow.whole])
    assert replayed.replayed


def what_failed_is_labelled_too(rng: Random, world: World) -> None:
    """What a tool told, or did not, it was asked for with labels."""
    call = draw_call(rng)
    tool = world.known(call.tool)
    passage = Passage(call=call, redactor=world._redactor, clock=lambda: 0.0)
    own = Label(integrity=tool.facts.trust, confidentiality=tool.facts.confidentiality, sources=(f"tool:{call.tool}",))
    endings = [Ending(what="done"), Ending(what="not_done", code="x"), Ending(what="unusable")]
    if tool.facts.effect == "read":
        endings.append(Ending(what="unknown", code="x"))
    for ending in endings:
        passage.flow = None
        assert _concluded(passage, tool, ending).label == own
        passage.flow = flow(tool, call)
        result = _concluded(passage, tool, ending)
        assert result.label == worst([own, passage.flow.whole])
        assert result.kind == ("done" if ending.what == "done" else "failed")


AXIOMS: tuple[Axiom, ...] = (
    join_is_a_join,
    sources_have_one_form,
    parts_have_the_nearest_label,
    names_are_escaped,
    what_is_left_out_is_the_calls,
    who_decides_a_call,
    calls_are_judged_by_their_labels,
    constants_say_what_they_mean,
    a_policy_may_ask_for_a_person,
    a_replay_is_as_bad_as_before,
    what_failed_is_labelled_too,
)
