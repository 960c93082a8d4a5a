"""The self-checks find what would make an eval set's numbers wrong, and are silent on a sound one."""

from workbench.core import Case, EvalSet, ExpectedCall, ToolSpec, catalogue
from workbench.datasets import check_evalset

TOOL = ToolSpec(name="fly", parameters={"type": "object", "properties": {"to": {}}, "required": ["to"]})
OTHER = ToolSpec(name="sail")


def _case(case_id: str, request: str, **arguments: list[str]) -> Case:
    expected = ExpectedCall(tool=TOOL, arguments=dict(arguments))
    return Case(case_id=case_id, request=request, expected=expected, cluster="fly")


def test_a_sound_set_has_no_problem() -> None:
    """Silence means that everything was checked and right."""
    evalset = EvalSet(name="e", train=(_case("a", "one", to=["Rome"]),), val=(), test=(_case("b", "two", to=["Oslo"]),))

    assert () == check_evalset(evalset, catalogue("tools", [TOOL]))


def test_a_leak_between_splits_is_found() -> None:
    """A test request that repeats a training request is a problem of the later split."""
    evalset = EvalSet(name="e", train=(_case("a", "Go!", to=["Rome"]),), val=(), test=(_case("b", "go", to=["Rome"]),))
    (problem,) = check_evalset(evalset, catalogue("tools", [TOOL]))

    assert ("b", "is in test, and its near-duplicate 'a' is in train") == (problem.case_id, problem.message)


def test_a_tool_outside_the_catalogue_is_found() -> None:
    """A case whose tool can't be retrieved could never be answered."""
    evalset = EvalSet(name="e", train=(), val=(), test=(_case("b", "go", to=["Rome"]),))
    (problem,) = check_evalset(evalset, catalogue("tools", [OTHER]))

    assert "each expected tool is in the catalogue" == problem.check


def test_arguments_that_can_not_be_right_are_found() -> None:
    """No value, an undeclared name and a missing required argument are three problems."""
    evalset = EvalSet(name="e", train=(), val=(), test=(_case("b", "go", by=["air"]), _case("c", "stay", to=[])))
    problems = check_evalset(evalset, catalogue("tools", [TOOL]))

    assert [
        ("b", "argument 'by' is not one of tool 'fly'"),
        ("b", "required argument 'to' of tool 'fly' has no right value"),
        ("c", "argument 'to' has no right value"),
    ] == [(problem.case_id, problem.message) for problem in problems]
