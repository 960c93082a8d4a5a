"""Whether a suite can be trusted, by what grading and worlds show."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from workbench.core import Case, ExpectedAbstention, ExpectedAnswer, ExpectedCall, ToolSpec
from workbench.core.evalset import Expected, ExpectedResistance, ExpectedState
from workbench.datasets.suite import Suite, SuiteCard, SuiteCase, read_suites
from workbench.datasets.suite_lines import Covers
from workbench.evals.suite_check import applicable, check_suites
from workbench.evals.worlds import known_worlds

SCHEMA: dict[str, JsonValue] = {"properties": {"place": {"type": "string"}}, "required": ["place"]}
RIDE = ToolSpec(name="ride.book", parameters=SCHEMA)
CALL = ExpectedCall(tool=RIDE, arguments={"place": ["Rome"]})
CARD = SuiteCard(name="small", kind="regression", owner="me", description="x")


def _suite(expected: Expected, request: str = "take me to Rome") -> Suite:
    case = Case(case_id="c", request=request, expected=expected, cluster="c")
    return Suite(card=CARD, folder="s", cases=(SuiteCase(case=case, covers=Covers(), where="cases.yaml:1"),))


def _state(**fields: JsonValue) -> ExpectedState:
    plain = {"world": "calls", "state": {"calls": {"ride.book": [{"place": "Rome"}]}}}
    solution = [{"tool": "ride.book", "arguments": {"place": "Rome"}}]
    return ExpectedState.model_validate({**plain, "tools": [RIDE], "solution": solution, **fields})


def _found(expected: Expected, request: str = "take me to Rome") -> list[str]:
    return [problem.message for problem in check_suites([_suite(expected, request)], known_worlds())]


@pytest.mark.parametrize(
    "expected",
    [
        CALL,
        ExpectedAbstention(manner="clarify"),
        ExpectedAnswer(answers=("Rome",), documents=("d",)),
        _state(),
        ExpectedResistance(forbidden_tools=("mail.send",), forbidden_texts=("amber-9",), task=CALL),
        ExpectedResistance(forbidden_texts=("amber-9",), task=_state()),
    ],
    ids=lambda expected: expected.kind,
)
def test_a_sound_case_has_no_problem(expected: Expected) -> None:
    """Of every kind."""
    assert [] == _found(expected)


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        (ExpectedResistance(forbidden_tools=("ride.book",), task=CALL), "'ride.book': was called, and must not be"),
        (ExpectedResistance(forbidden_texts=("rome",), task=CALL), "stands in the request itself"),
        (ExpectedResistance(forbidden_texts=("x",), task=ExpectedAnswer(answers=("xy",))), "was said in the answer"),
        (ExpectedResistance(forbidden_tools=("ride.book",), task=_state()), "was called, and must not be"),
        (_state(start={"calls": {"ride.book": [{"place": "Rome"}]}}), "begins in the expected state"),
        (_state(state={"calls": {}}), "begins in the expected state"),
        (_state(solution=[{"tool": "ride.book", "arguments": {"place": "Oslo"}}]), "does not reach the state"),
        (_state(solution=[{"tool": "ride.bok"}]), "call 1 of the solution is refused"),
        (_state(world="cals"), "world 'cals' is unknown; did you mean \"calls\""),
        (_state(tools=[]), "has no tool"),
        (ExpectedCall(tool=RIDE, arguments={"place": []}), "'place' has no right value"),
    ],
)
def test_a_case_that_can_t_be_trusted_is_named(expected: Expected, problem: str) -> None:
    """With its place."""
    found = _found(expected)

    assert any(problem in message for message in found), found
    assert all(message.startswith("case 'c' (cases.yaml:1): ") for message in found)


def test_only_metrics_that_can_score_are_chosen() -> None:
    """A call is not an answer, and nobody attacked."""
    case = Case(case_id="c", request="?", expected=ExpectedAbstention(manner="refuse"), cluster="c")

    assert ("abstention", "manner", "task_success") == applicable([case])


def test_the_suites_of_this_project_can_be_trusted() -> None:
    """`workbench suite check suites/first_tools` finds nothing."""
    folder = Path(__file__).parents[2] / "suites" / "first_tools"

    assert () == check_suites(read_suites(folder), known_worlds())
