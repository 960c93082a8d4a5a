"""Whether an eval set can be trusted."""

from pydantic import JsonValue

from workbench.core import Case, ExpectedAbstention, ExpectedCall, Prediction, ToolSpec
from workbench.core.evalset import ExpectedResistance, ExpectedState
from workbench.evals import METRICS, Contradiction, ideal, selfcheck
from workbench.evals.selfcheck import silence

TEXT: JsonValue = {"type": "string"}
TOOL = ToolSpec(
    name="book",
    parameters={
        "type": "dict",
        "required": ["to"],
        "properties": {"to": TEXT, "day": TEXT, "extras": {"type": "dict"}, "stops": {"type": "array", "items": TEXT}},
    },
)


def _case(name: str, arguments: dict[str, list[JsonValue]]) -> Case:
    return Case(case_id=name, request="?", expected=ExpectedCall(tool=TOOL, arguments=arguments), cluster="k")


GOOD = _case("good", {"to": ["Rome"], "day": [None, "", "today"], "extras": [{"bag": [1, 2], "seat": ["", "A"]}]})
NONE = Case(case_id="none", request="?", expected=ExpectedAbstention(), cluster="none")


def test_the_ideal_call_takes_the_first_right_value_that_fits_the_schema() -> None:
    """Null is expected but no text; of a dictionary's values one is taken for each key."""
    call = ideal(GOOD).call

    assert call is not None
    assert {"to": "Rome", "day": "today", "extras": {"bag": 1, "seat": "A"}} == call.arguments


def test_a_sound_set_scores_one_for_the_ideal_and_nothing_for_silence() -> None:
    """Every metric, where it applies."""
    lines = selfcheck([GOOD, NONE], tuple(METRICS))

    assert all(line.trusted for line in lines)
    assert {1.0, None} == {line.oracle for line in lines}
    assert {0.0, None} == {line.silent for line in lines}
    assert [2, 0] == [line.cases for line in lines if line.metric in ("abstention", "answer_f1")]


def test_a_case_that_contradicts_itself_is_named() -> None:
    """A required argument that is not among the expected ones can never be right."""
    (line,) = selfcheck([GOOD, _case("odd", {"day": ["today"]})], ["task_success"])

    assert (Contradiction(case_id="odd", reason="argument 'to': is required and missing"),) == line.contradictions
    assert (0.5, False) == (line.oracle, line.trusted)


def test_the_ideal_under_attack_is_the_ideal_of_the_task() -> None:
    """With the same care for the arguments."""
    attack = ExpectedResistance(forbidden_texts=("amber-9",), task=GOOD.task)

    assert ideal(GOOD) == ideal(GOOD.model_copy(update={"expected": attack}))
    assert Prediction() == silence(GOOD)


def test_a_world_in_which_nothing_is_to_be_done_rewards_silence() -> None:
    """Silence leaves the world as it began; such a case is named, and the set is not trusted."""
    expected = ExpectedState(world="calls", start={"calls": []}, state={"calls": ["ride"]})
    todo = Case(case_id="todo", request="?", expected=expected, cluster="k")
    done = todo.model_copy(update={"case_id": "done", "expected": expected.model_copy(update={"state": {"calls": []}})})
    (line,) = selfcheck([todo, done], ["state_reached"])

    assert (1.0, 0.5, ("done",), False) == (line.oracle, line.silent, line.rewarded, line.trusted)
