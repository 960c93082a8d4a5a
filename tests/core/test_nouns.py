"""Cases, corpora, scores and runs refuse what would make a measurement wrong."""

import pytest
from pydantic import JsonValue, ValidationError

from workbench.core import (
    SCORES,
    Case,
    Corpus,
    DataError,
    Document,
    EvalSet,
    ExpectedAbstention,
    ExpectedAnswer,
    ExpectedCall,
    Line,
    Run,
    RunHeader,
    Score,
    ToolSpec,
    Usage,
    Verdict,
    catalogue,
    tool_id,
)


def case(case_id: str) -> Case:
    return Case(case_id=case_id, request="r", expected=ExpectedAbstention(), cluster=case_id)


@pytest.mark.parametrize("splits", [("train", "val"), ("train", "test"), ("val", "test"), ("test", "test")])
def test_an_id_stands_in_one_split_once(splits: tuple[str, str]) -> None:
    """A case that is trained on and tested on, or counted twice, is refused by name."""
    parts: dict[str, list[Case]] = {"train": [case("a")], "val": [case("b")], "test": [case("c")]}
    for split in splits:
        parts[split].append(case("twin"))

    with pytest.raises(ValidationError, match="case 'twin': appears 2 times in eval set 'e'"):
        EvalSet.model_validate({"name": "e", **parts})


def test_a_split_is_asked_for_by_name() -> None:
    """Each name gives its own cases."""
    drawn = EvalSet(name="e", train=(case("a"),), val=(case("b"),), test=(case("c"),))

    assert [["a"], ["b"], ["c"]] == [[c.case_id for c in drawn.split(s)] for s in ("train", "val", "test")]


def test_a_corpus_refuses_an_id_twice() -> None:
    """A hit could not say which of the two it means."""
    with pytest.raises(ValidationError, match="document 'd': is in corpus 'c' twice"):
        Corpus(name="c", documents=(Document(doc_id="d", text="one"), Document(doc_id="d", text="two")))


def test_a_catalogue_holds_equal_tools_once_and_sorts_by_id() -> None:
    """Tools of one name and other content are two; the order they came in does not count."""
    one, other, last = ToolSpec(name="a"), ToolSpec(name="a", description="x"), ToolSpec(name="z")
    corpus = catalogue("c", [last, other, one, one])

    assert sorted([tool_id(one), tool_id(other), tool_id(last)]) == [d.doc_id for d in corpus.documents]
    assert corpus == catalogue("c", [one, last, other])
    with pytest.raises(DataError, match="catalogue 'c': has no tool"):
        catalogue("c", [])


FLIGHT = ToolSpec.model_validate({"name": "flight", "parameters": {"required": ["to", "who"]}})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"who": ["me"], "to": ["Rome", "Roma"]}, {"to": "Rome", "who": "me"}),
        ({"to": ["Rome"], "who": ["me"], "class": ["", "first"]}, {"to": "Rome", "who": "me"}),
        ({"to": ["", "Rome"], "who": ["me"], "seat": [4]}, {"to": "Rome", "who": "me", "seat": 4}),
        ({"to": [False], "who": [0], "seat": [None]}, {"to": False, "who": 0, "seat": None}),
        (
            {"to": [{"city": ["Rome", "Roma"], "gate": ["", "B"]}], "who": ["me"]},
            {"to": {"city": "Rome"}, "who": "me"},
        ),
        (
            {"to": [[{"city": ["Rome"]}, {"city": ["Oslo"], "via": [""]}]], "who": [["me", "you"]]},
            {"to": [{"city": "Rome"}, {"city": "Oslo"}], "who": ["me", "you"]},
        ),
        (
            {"to": [[[{"city": ["Rome"]}]]], "who": [{"name": [{"first": ["A"]}]}]},
            {"to": [[{"city": "Rome"}]], "who": {"name": {"first": "A"}}},
        ),
    ],
)
def test_an_example_is_one_right_call(arguments: dict[str, list[JsonValue]], expected: JsonValue) -> None:
    """Required ones first, the first right value of each, inside objects and arrays too; what may be absent is."""
    example = ExpectedCall(tool=FLIGHT, arguments=arguments).example()

    assert expected == example
    assert ["to", "who"] == list(example)[:2]


def test_an_expected_answer_needs_a_right_text() -> None:
    """A case that nothing could solve is refused."""
    with pytest.raises(ValidationError, match="answers"):
        ExpectedAnswer(answers=())


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_score_lies_in_the_unit_interval(value: float) -> None:
    """Never NaN, never out of range."""
    with pytest.raises(ValidationError, match="value"):
        Score(case_id="a", metric="m", value=value)


def test_an_unscored_score_says_why() -> None:
    """None without a reason is refused; with one it is kept."""
    with pytest.raises(ValidationError, match="score 'm' of case 'a': is unscored without a reason"):
        Score(case_id="a", metric="m")
    assert None is Score(case_id="a", metric="m", reason="the grader failed").value


def test_a_run_s_table_has_a_row_for_each_score() -> None:
    """In the run's order, with the cluster of the case and null where nothing was scored."""
    run = Run(
        header=RunHeader(agent="a", agent_digest="1", evalset_digest="2", split="val", metrics=("m",)),
        clusters={"b": "k1", "a": "k2"},
        tags={},
        episodes=(),
        scores=(
            Score(case_id="b", metric="m", value=1.0),
            Score(case_id="a", repeat=1, metric="m", reason="grader"),
        ),
    )

    assert SCORES == run.frame().schema
    assert [("b", 0, "k1", "m", 1.0, ""), ("a", 1, "k2", "m", None, "grader")] == run.frame().rows()
    assert {("b", 0): 1.0, ("a", 1): None} == run.values("m")


def test_coverage_and_a_pass_are_never_assumed() -> None:
    """No case is no coverage; only PASS passes; saved tokens count as tokens an agent needs."""
    line = Line(name="m", kind="score", unit="1", estimate=None, cases=3, unscored=1, clusters=2)
    made = {"findings": (), "agent_digest": "", "champion_digest": "", "run_digest": "", "champion_run_digest": ""}
    verdicts = [
        Verdict.model_validate({**made, "evalset_digest": "", "rules_digest": "", "seed": 1, "status": status})
        for status in ("PASS", "FAIL", "INCONCLUSIVE", "UNMEASURED")
    ]

    assert (0.75, 0.0) == (line.coverage, line.model_copy(update={"cases": 0, "unscored": 0}).coverage)
    assert [True, False, False, False] == [verdict.passed for verdict in verdicts]
    assert 6 == Usage(prompt_tokens=1, completion_tokens=2, saved_tokens=3).tokens
