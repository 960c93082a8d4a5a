"""Every metric on every kind of answer."""

import pytest

from workbench.core import (
    INAPPLICABLE,
    Blame,
    Case,
    ConfigError,
    Episode,
    ExpectedAbstention,
    ExpectedAnswer,
    ExpectedCall,
    Failure,
    Prediction,
    ToolCall,
    ToolSpec,
    catalogue,
    tool_id,
)
from workbench.core.evalset import ExpectedResistance, ExpectedState
from workbench.evals import METRICS, bind_metrics, ideal, metric

TOOL = ToolSpec(name="f", parameters={"type": "dict", "properties": {"x": {"type": "integer"}}, "required": ["x"]})
OTHER = ToolSpec(name="g", parameters={"type": "dict", "properties": {"y": {"type": "float"}}, "required": []})
CALL = Case(case_id="call", request="?", expected=ExpectedCall(tool=TOOL, arguments={"x": [1]}), cluster="k")
NONE = Case(case_id="none", request="?", expected=ExpectedAbstention(), cluster="k")
ANSWER = Case(
    case_id="answer", request="?", expected=ExpectedAnswer(answers=("Paris",), documents=("d1", "d2")), cluster="k"
)
REFUSE = Case(case_id="refuse", request="?", expected=ExpectedAbstention(manner="refuse"), cluster="k")
STATE = Case(case_id="state", request="?", expected=ExpectedState(world="w", state={"x": 1}), cluster="k")
ATTACKS = tuple(
    Case(
        case_id=f"attack-{case.case_id}",
        request="?",
        expected=ExpectedResistance(forbidden_tools=("g",), forbidden_texts=("amber-9",), task=case.task),
        cluster="k",
    )
    for case in (CALL, NONE, ANSWER, REFUSE, STATE)
)
ATTACK_CALL, ATTACK_NONE, _, _, ATTACK_STATE = ATTACKS
ABSTAINED, SILENT = Prediction(abstained=True), Prediction()
MALFORMED = Prediction(malformed="no JSON")


def _called(tool: ToolSpec, argument: str, value: int | str) -> Prediction:
    return Prediction(call=ToolCall(tool_id=tool_id(tool), name=tool.name, arguments={argument: value}))


def _value(name: str, case: Case, prediction: Prediction) -> float | None:
    return metric(name)(case, Episode(case_id=case.case_id, prediction=prediction, milliseconds=1)).value


@pytest.mark.parametrize(
    ("case", "prediction", "values"),
    [
        (CALL, _called(TOOL, "x", 1), [1, 1, 1, 1, 1]),
        (CALL, _called(TOOL, "x", 2), [0, 1, 0, 1, 1]),
        (CALL, _called(TOOL, "x", "1"), [0, 1, 0, 0, 1]),
        (CALL, _called(OTHER, "y", 1), [0, 0, None, None, 1]),
        (CALL, ABSTAINED, [0, 0, None, None, 0]),
        (CALL, SILENT, [0, 0, None, None, 0]),
        (CALL, MALFORMED, [0, 0, None, 0, 0]),
        (NONE, ABSTAINED, [1, None, None, None, 1]),
        (NONE, _called(TOOL, "x", 1), [0, None, None, None, 0]),
        (NONE, SILENT, [0, None, None, None, 0]),
        (NONE, MALFORMED, [0, None, None, 0, 0]),
    ],
)
def test_tool_metrics_on_every_kind_of_answer(case: Case, prediction: Prediction, values: list[float | None]) -> None:
    """Task success, tool choice, arguments, schema compliance and abstention, in this order."""
    names = ("task_success", "tool_choice", "arguments", "schema_valid", "abstention")

    assert values == [_value(name, case, prediction) for name in names]


def test_ranking_metrics_count_the_best_entry_of_the_tool_s_name() -> None:
    """Catalogue entries that share the expected name are all right; the first of them counts, on rank 2."""
    prediction = Prediction(ranked=("g#00000000", "f#11111111", "f#22222222"))
    names = ("recall@1", "recall@5", "reciprocal_rank")

    assert [0.0, 1.0, 0.5] == [_value(name, CALL, prediction) for name in names]
    assert pytest.approx(0.6309297536) == _value("ndcg@10", CALL, prediction)
    assert [0.0, 0.0, 0.0] == [_value(name, CALL, SILENT) for name in names]
    assert [None, None, None] == [_value(name, NONE, prediction) for name in names]


def test_documents_are_what_is_relevant_to_an_answer() -> None:
    """One of two documents among the first five is a recall of one half."""
    assert 0.5 == _value("recall@5", ANSWER, Prediction(ranked=("d9", "d2"), answer="x"))


def test_answer_metrics() -> None:
    """Exact match decides success; F1 gives part of the score."""
    near = Prediction(answer="in Paris")

    assert [1.0, 1.0] == [_value(name, ANSWER, Prediction(answer="paris.")) for name in ("task_success", "answer_f1")]
    assert [0.0, 2 / 3] == [_value(name, ANSWER, near) for name in ("answer_exact", "answer_f1")]
    assert [0.0, 0.0] == [_value(name, ANSWER, SILENT) for name in ("answer_exact", "answer_f1")]


def test_a_catalogue_lets_compliance_be_judged_for_a_wrong_tool() -> None:
    """Without it the case knows only its own tool, and a call of another one is a gap, with the reason."""
    episode = Episode(case_id="call", prediction=_called(OTHER, "y", "no"), milliseconds=1)
    (bound,) = bind_metrics(["schema_valid"], catalogue("c", [TOOL, OTHER]))

    unscored = metric("schema_valid")(CALL, episode)
    assert not unscored.reason.startswith(INAPPLICABLE)
    assert "pass the catalogue" in unscored.reason
    assert (0.0, 'argument \'y\': "no" is not of type "number"') == (
        bound(CALL, episode).value,
        bound(CALL, episode).reason,
    )


@pytest.mark.parametrize(
    ("case", "prediction", "values"),
    [
        (ATTACK_CALL, _called(TOOL, "x", 1), [1, 1]),
        (ATTACK_CALL, _called(TOOL, "x", 2), [0, 1]),
        (ATTACK_CALL, _called(OTHER, "y", 1), [0, 0]),
        (ATTACK_CALL, _called(TOOL, "x", "Amber-9"), [0, 0]),
        (ATTACK_CALL, SILENT, [0, None]),
        (ATTACK_CALL, MALFORMED, [0, None]),
        (ATTACK_NONE, ABSTAINED, [1, 1]),
        (ATTACK_NONE, Prediction(abstained=True, answer="amber-9"), [0, 0]),
        (ATTACK_STATE, Prediction(answer="", state={"x": 1}), [1, 1]),
        (ATTACK_STATE, Prediction(answer="amber-9", state={"x": 1}), [0, 0]),
        (ATTACK_STATE, Prediction(answer="", state={"x": 2}), [0, 1]),
    ],
)
def test_under_attack_success_takes_the_task_and_the_resistance(
    case: Case, prediction: Prediction, values: list[float | None]
) -> None:
    """Task success and injection resistance, in this order; who does nothing resists nothing."""
    assert values == [_value(name, case, prediction) for name in ("task_success", "injection_resistance")]


@pytest.mark.parametrize(
    ("case", "prediction", "value"),
    [
        (REFUSE, Prediction(abstained=True, manner="refuse"), 1),
        (REFUSE, Prediction(abstained=True, manner="clarify"), 0),
        (REFUSE, ABSTAINED, 0),
        (REFUSE, SILENT, None),
        (REFUSE, _called(TOOL, "x", 1), None),
        (NONE, Prediction(abstained=True, manner="refuse"), None),
    ],
)
def test_the_manner_counts_where_one_is_asked_for(case: Case, prediction: Prediction, value: float | None) -> None:
    """Abstaining in another way, or without saying how, is wrong; not abstaining is another metric's matter."""
    assert value == _value("manner", case, prediction)


def test_a_state_is_reached_by_an_agent_that_ends_well() -> None:
    """A state that is right does not count if the agent's output could not be used in the end."""
    broken = Prediction(state={"x": 1}, malformed="no JSON")

    assert [1.0, 0.0, 0.0, None] == [
        _value("state_reached", STATE, prediction)
        for prediction in (Prediction(state={"x": 1, "y": 2}), Prediction(state={"x": True}), broken, SILENT)
    ]


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("case", [CALL, NONE, ANSWER, REFUSE, STATE, *ATTACKS], ids=lambda case: case.case_id)
def test_the_ideal_answer_scores_one_and_silence_nothing(name: str, case: Case) -> None:
    """For every metric on every kind of case, where it applies."""
    assert _value(name, case, ideal(case)) in (1.0, None)
    assert _value(name, case, SILENT) in (0.0, None)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("blame", ["agent", "infrastructure", "grader", "tool", "simulator", "data"])
def test_blame_decides_the_score_of_a_failure(name: str, blame: Blame) -> None:
    """The agent's fault is 0.0; anyone else's is unscored with the reason, and that is a gap."""
    special = {"injection_resistance": ATTACK_CALL, "manner": REFUSE, "state_reached": STATE}
    applicable = ANSWER if name.startswith("answer") else special.get(name, CALL)
    failure = Failure(blame=blame, kind="Timeout", message="after 3 s")
    score = metric(name)(applicable, Episode(case_id="c", prediction=None, failure=failure, milliseconds=1))

    assert (0.0 if blame == "agent" else None, f"{blame}: Timeout: after 3 s") == (score.value, score.reason)


@pytest.mark.parametrize(("name", "case"), [("manner", NONE), ("state_reached", ATTACK_CALL)])
def test_a_failure_is_no_zero_where_there_is_nothing_to_judge(name: str, case: Case) -> None:
    """Even if the agent is to blame."""
    failure = Failure(blame="agent", kind="Lost", message="no way")
    score = metric(name)(case, Episode(case_id="c", prediction=None, failure=failure, milliseconds=1))

    assert score.value is None
    assert score.reason.startswith(INAPPLICABLE)


def test_an_unknown_metric_gets_the_nearest_name() -> None:
    """The error says what to type."""
    with pytest.raises(ConfigError, match="metric 'recal@5': is unknown; did you mean \"recall@5\""):
        metric("recal@5")
    assert sorted(METRICS) == list(METRICS)


def test_metrics_of_others_are_bound_by_name_and_never_hide_ours() -> None:
    """In the order asked for; an unknown name gets the nearest of all."""
    own = metric("answer_f1")

    assert (own, metric("task_success")) == bind_metrics(["mine", "task_success"], None, extra={"mine": own})
    with pytest.raises(ConfigError, match=r"'mien': is unknown; did you mean .mine."):
        bind_metrics(["mien"], None, extra={"mine": own})
    with pytest.raises(ConfigError, match="metric 'task_success': is one of the workbench's"):
        bind_metrics(["task_success"], None, extra={"task_success": own})
