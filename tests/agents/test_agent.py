"""An agent finds a tool, chooses, fills its arguments or abstains; errors are what they are, threads don't mix."""

import json
import threading
from pathlib import Path

import dspy
import pytest
from town import BM25, CASES, INDEX, RIDE, SOLVED, WEATHER, Chooser, Listener, Similar, build, solved, tool

from workbench.agents import Agent, AgentSpec, blamed, build_agent, examples, learned
from workbench.core import (
    Budget,
    BudgetExceeded,
    LMError,
    Meter,
    Prediction,
    canonical_json,
    catalogue,
    tool_id,
)
from workbench.lms import CallStore, ScriptedEngine, scope, scripted_lm
from workbench.retrieval import build_index

REQUEST = "Book a ride to the harbour"


def _requests(prompt: str) -> list[str]:
    return [line.removeprefix("Request: ") for line in prompt.splitlines() if line.startswith("Request: ")]


def test_the_first_tool_is_called_with_what_the_model_fills_in(tmp_path: Path) -> None:
    """One call of the model, accounted to its module; the steps say what happened in order."""
    store = CallStore(tmp_path / "calls.db")
    prediction = build(AgentSpec(), Listener('{"place": "harbour"}'), store=store)(REQUEST)

    assert prediction.call is not None
    assert (tool_id(RIDE), "ride.book", {"place": "harbour"}) == tuple(prediction.call.model_dump().values())
    assert (tool_id(RIDE), False, "") == (prediction.ranked[0], prediction.abstained, prediction.malformed)
    assert ["retrieve_tools", "fill_arguments"] == [step.name for step in prediction.steps]
    assert ["fill"] == store.frame()["module"].to_list()


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("", "the answer is empty"),
        ('{"place": "har', "arguments are not JSON: Unterminated string"),
        ("the harbour", "arguments are not JSON"),
        ('["harbour"]', "arguments are a JSON list, not an object"),
        ("null", "arguments are a JSON NoneType"),
        ('{"place": NaN}', "arguments are not JSON"),
        ('{"place": 1e999}', "arguments are not JSON"),
        ('{"place": "\\ud83d"}', "arguments are not JSON"),
        (f'{{"place": {"9" * 5000}}}', "arguments are not JSON"),
        ("[" * 100_000, "arguments are not JSON"),
    ],
)
def test_output_that_can_t_be_used_is_malformed_and_calls_nothing(reply: str, says: str) -> None:
    """The reason is kept, the episode goes on, and what is predicted can be written to disk."""
    prediction = build(AgentSpec(), Listener(reply))(REQUEST)

    assert prediction.call is None
    assert says in prediction.malformed
    assert not prediction.abstained
    assert canonical_json(prediction.model_dump(mode="json"))


@pytest.mark.parametrize(("similarity", "abstains"), [(0.29, True), (0.3, False), (-0.5, True), (1.0, False)])
def test_an_agent_abstains_below_its_threshold_without_asking_the_model(similarity: float, abstains: bool) -> None:
    """At the threshold it still answers."""
    model = Listener()
    prediction = build(AgentSpec(abstain_below=0.3), model, index=Similar(similarity))(REQUEST)

    assert abstains == prediction.abstained == (prediction.call is None)
    assert (0 if abstains else 1) == model.calls


def test_nothing_found_is_an_abstention() -> None:
    """Words of no tool: there is nothing to choose from, and the model is not asked."""
    model = Listener()
    prediction = build(AgentSpec(), model)("xylophone zeppelin")

    assert Prediction(abstained=True, steps=prediction.steps) == prediction
    assert 0 == model.calls


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ('"weather.get"', "weather.get"),
        ("weather.get", "weather.get"),
        ('"ride.book"', "ride.book"),
        ('"music.play"', "ride.book"),
        ('"weather.g', "ride.book"),
        ("", "ride.book"),
    ],
)
def test_of_several_tools_the_model_chooses_by_name(choice: str, expected: str) -> None:
    """Among the k shown; a name that is none of them, half a string or nothing leaves retrieval's first."""
    model = Chooser(choice)
    prediction = build(AgentSpec(k=2), model)("Book a ride in the city")

    assert prediction.call is not None
    assert expected == prediction.call.name
    assert "- ride.book: Book a ride to a place.\n- weather.get: Tell the weather in a city.\n" in model.shown[0]
    assert "music.play" not in model.shown[0]


def test_the_choice_is_constrained_to_the_names_shown(tmp_path: Path) -> None:
    """Each name once; both calls are accounted to their module."""
    twins = catalogue(
        "twins", (tool("ride.book", "Book a ride.", "place"), tool("ride.book", "Book a ride too.", "to"))
    )
    store = CallStore(tmp_path / "calls.db")
    constraints: list[object] = []

    class Watching(ScriptedEngine):
        def complete(self, request: dspy.lm15.Request) -> dspy.lm15.Response:
            constraints.append(request.config.response_format)
            return super().complete(request)

    model = Watching(lambda prompt: '"ride.book"' if prompt.endswith("Choice:\n") else "{}")
    prediction = build(AgentSpec(k=2), model, index=build_index(twins, BM25), store=store)("Book a ride")

    assert {"type": "string", "enum": ["ride.book"]} == json.loads(json.dumps(constraints[0]))["schema"]
    assert prediction.call is not None
    assert prediction.ranked[0] == prediction.call.tool_id
    assert ["choose", "fill"] == store.frame()["module"].to_list()


def _nearest(demos: list[dspy.Example], count: int) -> tuple[Agent, Listener]:
    model = Listener()
    module = build(AgentSpec(), model).module
    module.fill.demos = demos
    return build(learned(AgentSpec(demos=count, demo_choice="nearest"), module), model), model


def test_nearest_demos_are_those_most_like_the_request_and_the_best_stands_last() -> None:
    """Each request has its own; never more than asked for; a request like no demo has those of its tool."""
    agent, model = _nearest(SOLVED, 2)
    for request in ("Book a cheap ride to the airport", "Book a ride to the station now", "the weather in Rome"):
        agent(request)

    assert [CASES[0].request, CASES[3].request] == _requests(model.prompts[0])[:-1]
    assert [CASES[3].request, CASES[0].request] == _requests(model.prompts[1])[:-1]
    assert CASES[1].request == _requests(model.prompts[2])[-2]


def test_nearest_demos_follow_what_an_optimizer_changes() -> None:
    """A list put in place of another, and one turned round in place: never an index of demos that are gone."""
    agent, model = _nearest(list(SOLVED), 1)
    shown = []
    for number in range(30):
        if number % 3 == 0:
            cases = solved(f"w-{number}", f"Weather {number}", WEATHER, "x"), solved("r", f"A ride {number}", RIDE, "x")
            agent.module.fill.demos = examples(cases if number % 2 else cases[::-1])
        else:
            agent.module.fill.demos.reverse()
        agent(REQUEST)
        shown.append(_requests(model.prompts[-1])[0])
    agent.module.fill.demos = []
    agent(REQUEST)

    assert [f"A ride {number - number % 3}" for number in range(30)] == shown
    assert [REQUEST] == _requests(model.prompts[-1])


def test_answers_belong_to_their_requests_under_threads() -> None:
    """One agent, eight threads, demos by request: each gets the place it asked for, outside of any scope of dspy's."""
    model = ScriptedEngine(lambda prompt: json.dumps({"place": prompt.split("Request: ")[-1].split("\n")[0]}))
    agent, _ = _nearest(SOLVED, 2)
    agent.lm = scripted_lm(model)
    wrong: list[object] = []
    finished = []

    def work(number: int) -> None:
        for turn in range(12):
            request = f"Book a ride to house {number} in street {turn}"
            call = agent(request).call
            if call is None or call.arguments != {"place": request}:
                wrong.append(call)
        finished.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == wrong
    assert list(range(8)) == sorted(finished)
    assert 96 == model.calls


def test_our_own_errors_come_out_of_dspy_s_wrapping() -> None:
    """A used-up budget and a broken model are what they are, whatever dspy says around it."""
    spent = build_agent(AgentSpec(), index=INDEX, lm=scripted_lm(Listener(), meter=Meter(Budget(calls=0))))
    with pytest.raises(BudgetExceeded, match="budget 'calls'"):
        spent(REQUEST)

    def broken(_prompt: str) -> str:
        raise LMError("weights are gone")

    with pytest.raises(LMError, match="weights are gone"):
        build(AgentSpec(), ScriptedEngine(broken))(REQUEST)
    try:
        raise dspy.utils.exceptions.LMError("outside") from BudgetExceeded("inside")
    except dspy.utils.exceptions.LMError as error:
        wrapped = error

    assert isinstance(blamed(wrapped), BudgetExceeded)
    assert "language model: ValueError: foreign" == str(blamed(ValueError("foreign")))


def test_a_scope_around_an_agent_reaches_its_calls(tmp_path: Path) -> None:
    """Run and case from outside, module from inside."""
    store = CallStore(tmp_path / "calls.db")
    with scope(run="r", case="q") as tally:
        build(AgentSpec(k=2), Chooser('"ride.book"'), store=store)("Book a ride in the city")

    assert [("r", "q", "choose"), ("r", "q", "fill")] == store.frame().select("run", "case_id", "module").rows()
    assert 2 == tally.usage().calls
