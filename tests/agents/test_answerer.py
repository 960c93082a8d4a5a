"""The answer pattern and the baselines."""

import pytest
from town import CASES, RIDE, Listener

from workbench.agents import Agent, AgentSpec, Oracle, Silent, build_agent, examples, learned
from workbench.core import Case, Corpus, Document, ExpectedAbstention, ExpectedAnswer, Origin, Prediction, tool_id
from workbench.lms import scripted_lm
from workbench.retrieval import IndexSpec, View, build_index

BM25 = IndexSpec(retriever="bm25")
LIBRARY = Corpus(
    name="library",
    documents=(
        Document(doc_id="hours", text="They open the library at nine."),
        Document(doc_id="fees", text="A lost book costs ten euros."),
        Document(doc_id="cards", text="A library card is free."),
    ),
)
ANSWER = Case(
    case_id="a", request="When does the library open?", cluster="a",
    expected=ExpectedAnswer(answers=("at nine", "nine"), documents=("hours",)),
)  # fmt: skip
ABSTAIN = Case(case_id="n", request="Sing!", expected=ExpectedAbstention(), cluster="n")


def _answerer(model: Listener, **changes: object) -> Agent:
    spec = AgentSpec.model_validate({"pattern": "answer", "index": BM25, "k": 2, **changes})
    return build_agent(spec, index=build_index(LIBRARY, BM25), lm=scripted_lm(model))


def test_it_answers_from_the_passages_it_found() -> None:
    """The prompt holds the k best, best first; the prediction names them; a JSON string is read."""
    model = Listener('"At \\u006eine."')
    prediction = _answerer(model)("When does the library open?")

    assert ("At nine.", ("hours", "cards"), "") == (prediction.answer, prediction.ranked, prediction.malformed)
    assert [
        "Answer the request from the passages.\n\n"
        "Passages: They open the library at nine.\nA library card is free.\n"
        "Request: When does the library open?\nAnswer:\n"
    ] == model.prompts
    assert ["retrieve_passages", "answer"] == [step.name for step in prediction.steps]


def test_it_answers_from_what_the_caller_may_see() -> None:
    """What the caller may not read is neither in the prompt nor in the steps; what is found says where it is from."""
    fees = Origin(source="desk", path="fees.md", readers=("staff",), trust="reviewed", whole="fees", start=0, end=28)
    corpus = LIBRARY.model_copy(
        update={"documents": (LIBRARY.documents[0], LIBRARY.documents[1].model_copy(update={"origin": fees}))}
    )
    spec = AgentSpec.model_validate({"pattern": "answer", "index": BM25, "k": 2})
    model = Listener('"Ten euros."')
    agent = build_agent(spec, index=build_index(corpus, BM25), lm=scripted_lm(model))
    anyone, staff = agent("What costs a lost book?"), agent("What costs a lost book?", View(principals=("staff",)))
    (hit,) = staff.steps[0].outputs["hits"]

    assert (True, ()) == (anyone.abstained, anyone.ranked)
    assert 1 == len(model.prompts)
    assert ("Ten euros.", ("fees",)) == (staff.answer, staff.ranked)
    assert ("desk", "fees.md", "reviewed", "fees", 0, 28) == tuple(
        hit[name] for name in ("source", "path", "trust", "whole", "start", "end")
    )
    assert {"bm25", "bm25_rank"} == {*hit["parts"]}


@pytest.mark.parametrize(
    ("reply", "answer", "says"),
    [
        ("at nine", "at nine", ""),
        ('"Nine" is when it opens', '"Nine" is when it opens', ""),
        ('"at ni', None, "cut before its end"),
        ("  ", None, "the answer is empty"),
    ],
)
def test_plain_text_stands_and_a_cut_answer_is_malformed(reply: str, answer: str | None, says: str) -> None:
    """What was cut at the token limit is not an answer."""
    prediction = _answerer(Listener(reply))("When does the library open?")

    assert answer == prediction.answer
    assert says in prediction.malformed
    assert bool(says) == bool(prediction.malformed)


def test_nothing_found_is_an_abstention_without_a_call() -> None:
    """A request that shares no word with any passage."""
    model = Listener()
    prediction = _answerer(model)("xylophone")

    assert (True, None, 0) == (prediction.abstained, prediction.answer, model.calls)


def test_a_taught_answerer_shows_its_demos_in_the_constraint_s_form() -> None:
    """A demo's answer begins with the quotation mark that the schema begins with."""
    model = Listener('"x"')
    taught = _answerer(model)
    taught.module.respond.demos = [
        {"passages": ["One."], "request": "How many?", "answer": examples([ANSWER])[0]["answer"]}
    ]
    agent = build_agent(
        learned(taught.spec.model_copy(update={"demos": 1}), taught.module), index=taught.index, lm=taught.lm
    )
    agent("When does the library open?")

    assert 'Passages: One.\nRequest: How many?\nAnswer:\n"at nine"\n\nPassages: They open' in model.prompts[0]


def test_an_oracle_knows_every_case() -> None:
    """Calls, answers with their documents, and abstentions, each by its request; its digest is of its cases."""
    oracle = Oracle([*CASES, ANSWER, ABSTAIN])
    call = oracle(CASES[0].request).call

    assert call is not None
    assert (tool_id(RIDE), {"place": "station"}) == (call.tool_id, call.arguments)
    assert ("at nine", ("hours",)) == (oracle(ANSWER.request).answer, oracle(ANSWER.request).ranked)
    assert Prediction(abstained=True) == oracle(ABSTAIN.request)
    assert oracle.digest != Oracle(CASES).digest == Oracle(reversed(CASES)).digest


def test_silence_is_no_abstention() -> None:
    """It says nothing at all, so that a metric of abstention gives it nothing."""
    assert Prediction() == Silent()("anything")
    assert not Silent()("anything").abstained


def test_solved_cases_become_examples() -> None:
    """Calls and answers as JSON texts, abstentions left out; only the request is an input."""
    rows = examples([CASES[0], ABSTAIN, ANSWER])

    assert ["s-1", "a"] == [row["case_id"] for row in rows]
    assert ('{"place": "station"}', '"at nine"') == (rows[0]["arguments"], rows[1]["answer"])
    assert [["request"], ["request"]] == [list(row.inputs().keys()) for row in rows]
