"""Conversations with a user and a world."""

from collections.abc import Sequence
from pathlib import Path

import dspy
import pytest
from pydantic import JsonValue

from workbench.core import (
    AgentError,
    Case,
    DataError,
    Episode,
    EvaluationError,
    ExpectedAbstention,
    Prediction,
    Step,
    ToolCall,
    ToolSpec,
)
from workbench.core.evalset import ExpectedState, Persona, Reply, UserScript, WorldCall
from workbench.evals import EvaluationRequest, evaluate, metric
from workbench.evals.scenario import MOST_CALLS, CaseAgent, Converser, InWorld, SingleRequests, converse
from workbench.evals.state import unreached
from workbench.evals.users import END, Message, ScriptedUser, SimulatorError
from workbench.evals.worlds import CallsWorld, known_worlds
from workbench.lms import scripted_lm


def _tool(name: str, argument: str) -> ToolSpec:
    schema: dict[str, JsonValue] = {"properties": {argument: {"type": "string"}}, "required": [argument]}
    return ToolSpec(name=name, parameters={"type": "object", **schema})


TOOLS = (_tool("ride.book", "place"), _tool("mail.send", "person"))


def _state(state: dict[str, JsonValue], **fields: object) -> ExpectedState:
    return ExpectedState.model_validate({"world": "calls", "tools": TOOLS, "state": state, **fields})


def _case(expected: ExpectedState, request: str = "a ride to Rome", case_id: str = "c") -> Case:
    return Case(case_id=case_id, request=request, expected=expected, cluster=case_id)


def _call(name: str, **arguments: str) -> Prediction:
    return Prediction(call=ToolCall(tool_id=f"{name}#1", name=name, arguments={**arguments}))


def rides(request: str) -> Prediction:
    """A single-request agent: books a ride to the last word, and asks back where there is none."""
    if "ride" not in request:
        return Prediction(abstained=True, manner="clarify")
    return _call("ride.book", place=request.rsplit(maxsplit=1)[-1].strip("."))


class Moves:
    """A converser that makes the moves it is given, and keeps what it was told."""

    def __init__(self, *moves: Prediction) -> None:
        self.moves = list(moves)
        self.heard: list[Sequence[Message]] = []

    def respond(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Prediction:
        """The next move; the last one again and again."""
        self.heard.append(messages)
        return self.moves.pop(0) if len(self.moves) > 1 else self.moves[0]


def _play(converser: Converser, expected: ExpectedState, request: str = "a ride to Rome") -> Prediction:
    user = ScriptedUser(expected.user) if isinstance(expected.user, UserScript) else None
    assert user is not None
    return converse(converser, request, world=CallsWorld(expected), user=user, most_turns=expected.user.most_turns)


def test_a_single_request_agent_plays_one_turn() -> None:
    """The user asks, the tool is called, the agent says so; the state is what was called."""
    expected = _state({"calls": {"ride.book": [{"place": "Rome"}], "mail.send": []}})
    played = _play(SingleRequests(rides), expected)

    assert [("user", "say"), ("tool", "ride.book"), ("agent", "say")] == [(s.kind, s.name) for s in played.steps]
    assert {"calls": {"ride.book": [{"place": "Rome"}], "mail.send": []}} == played.state
    assert ("Done.", None, False) == (played.answer, played.call, played.abstained)
    assert "" == unreached(expected, played.state or {})


def test_a_single_request_agent_hears_what_was_said_since_its_last_call() -> None:
    """After asking back it is asked both lines; after a call only what came later."""
    asked: list[str] = []

    def keep(request: str) -> Prediction:
        asked.append(request)
        return rides(request)

    user = UserScript(replies=(Reply(says="a ride to Oslo"), Reply(says="and a ride to Bern", if_called="ride.book")))
    played = _play(SingleRequests(keep), _state({"x": 1}, user=user), request="take me there")

    assert ["take me there", "take me there\na ride to Oslo", "and a ride to Bern"] == asked
    assert {"ride.book": [{"place": "Oslo"}, {"place": "Bern"}], "mail.send": []} == (played.state or {})["calls"]


def test_the_agent_s_own_steps_and_findings_are_kept() -> None:
    """In order with what was said and done, timed from the conversation's beginning; what it found first counts."""
    thought = Step(name="think", kind="chain", inputs={}, outputs={}, start_milliseconds=0, milliseconds=0)
    call = _call("ride.book", place="Rome").model_copy(update={"ranked": ("first",)})
    moves = Moves(call, Prediction(answer="Yes.", ranked=("second",), steps=(thought,)))
    played = _play(moves, _state({"x": 1}))
    times = [step.start_milliseconds for step in played.steps]

    assert ["say", "ride.book", "think", "say"] == [step.name for step in played.steps]
    assert ("first",) == played.ranked
    assert 0 < times[1] <= times[2]


def test_a_world_can_t_change_what_the_agent_called() -> None:
    """It is given arguments of its own."""

    class Greedy(CallsWorld):
        def call(self, name: str, arguments: dict[str, JsonValue]) -> JsonValue:
            arguments.clear()
            return "mine"

    case = _case(_state({"x": 1}))
    played = InWorld(rides, [case], worlds={"calls": Greedy}, connect=_nobody).try_case(case)

    assert [{"place": "Rome"}] == [step.inputs for step in played.steps if step.kind == "tool"]


def test_a_package_offers_a_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the entry point group; the built-in world stays what it is, and a world that can't be imported is named."""
    points = "[workbench.worlds]\ntown = town_of_a_test:make\ncalls = town_of_a_test:make\n"
    (tmp_path / "town_of_a_test.py").write_text("def make(expected):\n    return 'a town'\n", encoding="utf-8")
    (tmp_path / "town-1.0.dist-info").mkdir()
    (tmp_path / "town-1.0.dist-info" / "METADATA").write_text("Name: town\nVersion: 1.0\n", encoding="utf-8")
    file = tmp_path / "town-1.0.dist-info" / "entry_points.txt"
    file.write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    worlds = known_worlds()

    assert "a town" == str(worlds["town"](_state({"x": 1})))
    assert CallsWorld is worlds["calls"]
    file.write_text("[workbench.worlds]\nlost = town_of_a_test:lost\n", encoding="utf-8")
    with pytest.raises(DataError, match="world 'lost' of 'town_of_a_test:lost': can't be imported"):
        known_worlds()


def test_replies_wait_for_their_conditions() -> None:
    """The first reply whose text and tool fit, each once; the conversation ends when none is left."""
    script = UserScript(
        replies=(
            Reply(says="thanks", if_called="mail.send"),
            Reply(says="to Ana", if_says="WHO"),
            Reply(says="hm"),
        )
    )
    moves = Moves(
        Prediction(answer="Who gets it?"), _call("mail.send", person="Ana"), Prediction(answer="Sent."), Prediction()
    )
    played = _play(moves, _state({"x": 1}, user=script), request="send it")

    assert ["send it", "to Ana", "thanks", "hm"] == [s.outputs["text"] for s in played.steps if s.kind == "user"]


def test_a_user_stops_after_their_turns() -> None:
    """The request is one of them."""
    script = UserScript(replies=tuple(Reply(says=f"{number}") for number in range(9)), most_turns=3)
    played = _play(Moves(Prediction(answer="yes?")), _state({"x": 1}, user=script))

    assert ["a ride to Rome", "0", "1"] == [s.outputs["text"] for s in played.steps if s.kind == "user"]


def test_a_refusal_is_told_to_the_agent_and_kept_in_the_step() -> None:
    """By a rule, for an unknown tool, and for arguments that don't fit; nothing of it reaches the state."""
    rules = [{"tool": "ride.book", "arguments": {"place": "Rome"}, "refuses": "no car is free"}]
    moves = Moves(
        _call("ride.book", place="Rome"),
        _call("ride.boke", place="Rome"),
        _call("ride.book", where="Rome"),
        Prediction(answer="Sorry."),
    )
    played = _play(moves, _state({"x": 1}, start={"rules": rules}))
    errors = [step.error for step in played.steps if step.kind == "tool"]

    assert ["tool 'ride.book': no car is free", errors[1], errors[2]] == errors
    assert 'did you mean "ride.book"' in errors[1]
    assert "where" in errors[2]
    assert errors == [heard[-1].text for heard in moves.heard[1:]]
    assert {"calls": {"ride.book": [], "mail.send": []}} == played.state


def test_a_single_request_agent_does_not_claim_what_was_refused() -> None:
    """It says that it was refused, in words that are not the tool's."""
    rules = [{"tool": "ride.book", "refuses": "no car is free"}]

    assert "That was refused." == _play(SingleRequests(rides), _state({"x": 1}, start={"rules": rules})).answer


def test_a_world_begins_as_the_case_says_and_returns_what_its_rules_say() -> None:
    """Calls made before count; the first rule that fits answers."""
    start = {"calls": {"mail.send": [{"person": "Jon"}]}, "rules": [{"tool": "ride.book", "returns": {"minutes": 5}}]}
    moves = Moves(_call("ride.book", place="Rome"), Prediction(answer="In five minutes."))
    played = _play(moves, _state({"x": 1}, start=start))

    assert '{"minutes": 5}' == moves.heard[1][-1].text
    assert {"calls": {"mail.send": [{"person": "Jon"}], "ride.book": [{"place": "Rome"}]}} == played.state


@pytest.mark.parametrize(
    ("start", "error"),
    [
        ({"rule": []}, "start 'rule' is unknown"),
        ({"rules": [{"tool": "ride.bok"}]}, 'did you mean "ride.book"'),
        ({"calls": {"mail.sent": []}}, 'did you mean "mail.send"'),
        ({"rules": [{"tol": "ride.book"}]}, "rules.0.tool"),
    ],
)
def test_a_wrong_start_is_refused(start: dict[str, JsonValue], error: str) -> None:
    """With the nearest name."""
    with pytest.raises(DataError, match=error):
        CallsWorld(_state({"x": 1}, start=start))


def test_an_agent_that_only_calls_is_stopped() -> None:
    """What it did stays, and its prediction is malformed, so that the state does not count as reached."""
    expected = _state({"calls": {"mail.send": []}})
    played = _play(Moves(_call("ride.book", place="Rome")), expected)

    assert MOST_CALLS == sum(step.kind == "tool" for step in played.steps)
    assert f"called {MOST_CALLS} tools and more" == played.malformed


def test_states_match_by_keys_or_exactly() -> None:
    """Unnamed keys are free by keys only; lists are compared whole; true is not 1."""
    found: dict[str, JsonValue] = {"a": {"b": 1, "c": [1, 2]}, "d": True}
    by_keys = [_state({"a": {"b": 1.0}}), _state({"a": {"c": [1]}}), _state({"d": 1}), _state({"e": None})]

    assert [
        "",
        "state 'a.c': is [1, 2] instead of [1]",
        "state 'd': is True instead of 1",
        "state 'e': is missing",
    ] == [unreached(expected, found) for expected in by_keys]
    assert "state 'a.c': should not be there" == unreached(_state({"a": {"b": 1}, "d": True}, match="exact"), found)
    assert "" == unreached(_state(found, match="exact"), found)


def test_the_runner_tries_scenarios_and_plain_cases_together(tmp_path: Path) -> None:
    """A wrapped agent scores in its world, and as ever where there is none."""
    good = _case(_state({"calls": {"ride.book": [{"place": "Rome"}]}}))
    bad = _case(_state({"calls": {"ride.book": [{"place": "Rome"}]}}), "a ride to Kiel", "d")
    plain = Case(case_id="e", request="sing", expected=ExpectedAbstention(manner="clarify"), cluster="e")
    cases = (good, bad, plain)
    agent = InWorld(rides, cases, worlds=known_worlds(), connect=_nobody)
    request = EvaluationRequest(
        agent="rides",
        agent_digest="a",
        evalset_digest="e",
        split="test",
        metrics=("task_success", "state_reached", "manner"),
    )
    run = evaluate(agent, cases, request=request, journal=tmp_path)

    assert isinstance(agent, CaseAgent)
    assert {("c", 0): 1.0, ("d", 0): 0.0, ("e", 0): 1.0} == run.values("task_success")
    assert {("c", 0): 1.0, ("d", 0): 0.0, ("e", 0): None} == run.values("state_reached")
    assert {("c", 0): None, ("d", 0): None, ("e", 0): 1.0} == run.values("manner")


def _nobody(model: str) -> dspy.LM:
    raise AssertionError(f"{model} is not needed")


def test_what_cannot_be_played_is_refused_before_anything_runs() -> None:
    """An unknown world with the nearest name, and two scenarios that begin alike."""
    one = _case(_state({"x": 1}))
    plain = Case(case_id="p", request=one.request, expected=ExpectedAbstention(), cluster="p")
    lost = Case(case_id="l", request="?", expected=_state({"x": 1}, world="cals"), cluster="l")
    with pytest.raises(EvaluationError, match="world 'cals' is unknown; did you mean \"calls\""):
        InWorld(rides, [lost], worlds=known_worlds(), connect=_nobody)
    for other in (_case(_state({"y": 1}), case_id="d"), plain):
        with pytest.raises(EvaluationError, match="begin with the same request"):
            InWorld(rides, [one, other], worlds=known_worlds(), connect=_nobody)
        with pytest.raises(EvaluationError, match="begin with the same request"):
            InWorld(rides, [other, one], worlds=known_worlds(), connect=_nobody)


def test_an_agent_outside_its_world_is_unscored() -> None:
    """It is our mistake, so it is a gap and no zero."""
    case = _case(_state({"x": 1}))
    score = metric("state_reached")(case, Episode(case_id="c", prediction=rides("a ride to Rome"), milliseconds=1))

    assert (None, "the agent was tried outside world 'calls'; try it in its world") == (score.value, score.reason)


def test_a_world_that_breaks_is_the_simulator_s_fault() -> None:
    """Whatever it raises but a refusal."""

    class Broken(CallsWorld):
        def call(self, name: str, arguments: dict[str, JsonValue]) -> JsonValue:
            raise KeyError(name)

    case = _case(_state({"x": 1}))
    with pytest.raises(SimulatorError, match="KeyError"):
        InWorld(rides, [case], worlds={"calls": Broken}, connect=_nobody).try_case(case)


def test_what_the_agent_raises_passes() -> None:
    """It stays the agent's fault."""

    def clueless(request: str) -> Prediction:
        raise AgentError("agent: has no idea")

    case = _case(_state({"x": 1}))
    with pytest.raises(AgentError, match="has no idea"):
        InWorld(clueless, [case], worlds=known_worlds(), connect=_nobody)(case.request)


PERSONA = Persona(persona="You want a ride to Rome.", model="scripted")


def test_a_model_plays_the_user_from_a_persona() -> None:
    """It is told who it is and what was said, without tool calls; its end mark ends the conversation."""
    asked: list[str] = []

    def say(prompt: str) -> str:
        asked.append(prompt)
        return END if "Done." in prompt else " a ride to Rome\nAssistant: Sure"

    case = _case(_state({"calls": {"ride.book": [{"place": "Rome"}]}}, user=PERSONA), "hello")
    agent = InWorld(rides, [case], worlds=known_worlds(), connect=lambda model: scripted_lm(say))
    played = agent(case.request)

    assert ["hello", "a ride to Rome"] == [s.outputs["text"] for s in played.steps if s.kind == "user"]
    assert PERSONA.persona in asked[0]
    assert "You: hello\nAssistant: \nYou: a ride to Rome\nAssistant: Done.\nYou:" in asked[1]
    assert (2, 1) == (len(asked), sum(step.kind == "tool" for step in played.steps))


def test_the_ideal_of_a_scenario_is_its_solution() -> None:
    """Its state, and a step for each call."""
    expected = _state({"x": 1}, solution=(WorldCall(tool="ride.book", arguments={"place": "Rome"}),))

    assert [("tool", "ride.book"), ("agent", "say")] == [(s.kind, s.name) for s in expected.ideal().steps]
    assert {"x": 1} == expected.ideal().state
