"""What an optimizer learns is data: it survives JSON, holds no model, and changes the name of the agent."""

import copy
import json
from typing import Literal

import dspy
import pytest
from town import BM25, CASES, RIDE, SOLVED, TOOLS, WEATHER, Chooser, Listener, build

from workbench.agents import AgentSpec, Program, learned
from workbench.core import (
    AgentError,
    Document,
    catalogue,
)
from workbench.core import Corpus as Documents
from workbench.lms import LMSpec, ScriptedEngine, scripted_lm
from workbench.retrieval import IndexSpec, build_index

REQUEST = "Book a ride to the harbour"


@pytest.mark.parametrize("choice", ["fixed", "nearest"])
def test_a_learned_program_asks_the_same_after_a_way_through_json(choice: Literal["fixed", "nearest"]) -> None:
    """Demos and instructions that an optimizer wrote: the agent built from its JSON sends the same prompts."""
    spec = AgentSpec(demos=2, demo_choice=choice, k=2)
    model = Chooser('"ride.book"')
    prompts: list[list[str]] = []
    first = build(spec, model)
    first.module.fill.demos = list(SOLVED)
    first.module.fill.signature = first.module.fill.signature.with_instructions("Fill in – precisely.")
    first.module.choose.signature = first.module.choose.signature.with_instructions("Pick one.")
    kept = learned(spec, first.module)
    for agent in (first, build(AgentSpec.model_validate_json(kept.model_dump_json()), model)):
        heard = Listener('"ride.book"')
        agent.lm = scripted_lm(heard)
        agent(REQUEST)
        agent("a ride, and the weather in the city")
        prompts.append(heard.prompts)

    assert prompts[0] == prompts[1]
    assert ["Fill in – precisely.", "Pick one.", "Fill in – precisely."] == [text.split("\n")[0] for text in prompts[1]]
    assert kept.digest == learned(spec, build(kept, model).module).digest


def test_a_program_holds_neither_model_nor_key_nor_version() -> None:
    """Only demos and signatures, though the predictor has a model bound to it."""
    agent = build(AgentSpec(lm=LMSpec(model="openai/test", key_env="K")), Listener())
    agent.module.fill.lm = dspy.LM("openai/gpt-4o-mini", api_key="sk-SENTINEL", temperature=0.5)
    agent.module.fill.traces = [{"secret": "SENTINEL"}]
    program = learned(agent.spec, agent.module).program

    assert {"choose", "fill"} == set(program.predictors)
    assert {"demos", "signature"} == {key for state in program.predictors.values() for key in state}
    assert "SENTINEL" not in program.model_dump_json()
    assert "gpt-4o" not in program.model_dump_json()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lm": {"model": "openai/gpt-4o-mini", "api_base": "http://evil"}}, "holds demos, lm, signature"),
        ({"forward": "x"}, "holds demos, forward, signature"),
        ({"signature": "x"}, "predictor 'fill' can't be loaded"),
    ],
)
def test_a_program_that_holds_more_than_what_is_learned_is_refused(change: dict[str, object], says: str) -> None:
    """A package can't bring a model, an address or an attribute along."""
    state = learned(AgentSpec(), build(AgentSpec(), Listener()).module).program.predictors["fill"]
    program = Program.model_validate({"predictors": {"fill": {**state, **change}}})

    with pytest.raises(AgentError, match=says):
        build(AgentSpec(program=program), Listener())
    with pytest.raises(AgentError, match="holds demos, not demos, signature"):
        build(AgentSpec(program=Program(predictors={"fill": {"demos": []}})), Listener())
    with pytest.raises(AgentError, match="predictor 'fil' is not in ToolCaller; known: choose, fill"):
        build(AgentSpec(program=Program(predictors={"fil": state})), Listener())


def test_what_changes_in_a_module_does_not_change_the_spec_it_came_from() -> None:
    """Demos are copied out of the record: its digest stays true."""
    module = build(AgentSpec(), Listener()).module
    module.fill.demos = SOLVED[:2]
    spec = learned(AgentSpec(demos=2), module)
    agent = build(spec, Listener())
    agent.module.fill.demos.append(SOLVED[2])
    agent.module.fill.demos[0]["request"] = "changed"

    assert spec.digest == spec.model_copy(deep=True).digest
    assert CASES[0].request == spec.program.predictors["fill"]["demos"][0]["request"]  # type: ignore[index, call-overload]


def test_dspy_s_optimizers_copy_and_teach_an_agent() -> None:
    """A copy shares the index but not the demos; labelled and bootstrapped few-shot fill the demos of `fill`."""
    model = ScriptedEngine(lambda prompt: '{"place": "station"}')
    agent = build(AgentSpec(demos=4), model)
    agent.module.fill.demos = SOLVED[:1]
    for copied in (copy.deepcopy(agent.module), agent.module.deepcopy(), agent.module.reset_copy()):
        assert copied.index is agent.module.index
        copied.fill.demos.append(SOLVED[1])
        copied.fill.signature = copied.fill.signature.with_instructions("other")
    assert SOLVED[:1] == agent.module.fill.demos
    assert "other" != agent.module.fill.signature.instructions
    labeled = dspy.LabeledFewShot(k=3).compile(agent.module, trainset=SOLVED)

    def right(example: dspy.Example, got: dspy.Prediction, trace: object = None) -> bool:
        call = got.prediction.call
        return call is not None and call.arguments == json.loads(example.arguments)

    with agent.speaking():
        optimizer = dspy.BootstrapFewShot(metric=right, max_bootstrapped_demos=4, max_labeled_demos=0)
        bootstrapped = optimizer.compile(agent.module, trainset=SOLVED)
    demos = bootstrapped.fill.demos

    assert 3 == len(labeled.fill.demos)
    assert [CASES[0].request] == [demo["request"] for demo in demos]
    assert '{"place": "station"}' == demos[0]["arguments"]
    assert learned(agent.spec, bootstrapped).program != learned(agent.spec, labeled).program


CHANGES: list[dict[str, object]] = [
    {"k": 2}, {"abstain_below": 0.1}, {"arguments": "required"}, {"layout": "signature"}, {"demos": 1},
    {"demo_choice": "nearest"}, {"lm": LMSpec(max_tokens=7)}, {"lm": LMSpec(temperature=0.1)},
    {"program": Program(predictors={})}, {"pattern": "answer"},
]  # fmt: skip


def test_any_knob_and_the_index_change_the_digest() -> None:
    """Two agents of one digest answer the same; an equal spec has an equal digest."""
    plain = build(AgentSpec(), Listener()).digest
    specs = [AgentSpec().model_copy(update=change) for change in CHANGES if "program" not in change]
    digests = [build(spec, Listener()).digest for spec in specs]
    tuned = IndexSpec(retriever="bm25", k1=2.0)
    other_spec = build(AgentSpec(index=tuned), Listener(), index=build_index(TOOLS, tuned)).digest
    other_tools = build(AgentSpec(), Listener(), index=build_index(catalogue("town", (RIDE, WEATHER)), BM25)).digest
    taught = build(AgentSpec(), Listener())
    taught.module.fill.demos = SOLVED[:1]
    learnt = build(learned(AgentSpec(), taught.module), Listener()).digest

    assert plain == build(AgentSpec(program=Program(predictors={})), Listener()).digest
    assert 13 == len({plain, other_spec, other_tools, learnt, *digests})


def test_an_index_that_does_not_fit_is_refused() -> None:
    """Documents that are no tools, and an index of another spec."""
    texts = build_index(Documents(name="texts", documents=(Document(doc_id="a", text="x"),)), BM25)
    with pytest.raises(AgentError, match="corpus 'texts' has documents that are no tools"):
        build(AgentSpec(), Listener(), index=texts)
    with pytest.raises(AgentError, match="build the one it asks for"):
        build(AgentSpec(index=IndexSpec(retriever="bm25", b=0.1)), Listener())
