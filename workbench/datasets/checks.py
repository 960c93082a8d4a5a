"""Self-checks of an eval set: what would make its numbers mean something else than they say."""

from collections.abc import Iterable

from workbench.core import SPLITS, Case, Corpus, EvalSet, ExpectedCall, Record, tool_id
from workbench.datasets.duplicates import near_duplicates


class Problem(Record):
    """Something wrong with one case of an eval set."""

    check: str
    """The rule that is broken, in words."""
    case_id: str
    message: str


def check_evalset(evalset: EvalSet, tools: Corpus) -> tuple[Problem, ...]:
    """Every problem, by check and case id; empty if the set is sound.

    Checks that no near-duplicates stand in different splits, that each expected tool is in the catalogue,
    and that each expected argument can be given right. That ids are unique and each case has an
    expectation is checked by the records themselves.
    """
    problems = (*_leaks(evalset), *_missing_tools(evalset, tools), *_arguments(evalset))
    return tuple(sorted(problems, key=lambda problem: (problem.check, problem.case_id)))


def _cases(evalset: EvalSet) -> list[tuple[str, Case]]:
    return [(split, case) for split in SPLITS for case in evalset.split(split)]


def _leaks(evalset: EvalSet) -> Iterable[Problem]:
    cases = _cases(evalset)
    roots = near_duplicates([case.request for _, case in cases])
    for (split, case), root in zip(cases, roots, strict=True):
        first_split, first = cases[root]
        if split != first_split:
            yield Problem(
                check="near-duplicates stand in one split",
                case_id=case.case_id,
                message=f"is in {split}, and its near-duplicate {first.case_id!r} is in {first_split}",
            )


def _missing_tools(evalset: EvalSet, tools: Corpus) -> Iterable[Problem]:
    known = {document.doc_id for document in tools.documents}
    for _, case in _cases(evalset):
        if isinstance(case.expected, ExpectedCall) and tool_id(case.expected.tool) not in known:
            yield Problem(
                check="each expected tool is in the catalogue",
                case_id=case.case_id,
                message=f"tool {tool_id(case.expected.tool)!r} is not in catalogue {tools.name!r}",
            )


def _arguments(evalset: EvalSet) -> Iterable[Problem]:
    for _, case in _cases(evalset):
        if isinstance(case.expected, ExpectedCall):
            for message in wrong_arguments(case.expected):
                yield Problem(check="each expected argument can be given right", case_id=case.case_id, message=message)


def wrong_arguments(expected: ExpectedCall) -> tuple[str, ...]:
    """Why no call could be right: one reason for each argument that can't be given as expected."""
    tool = expected.tool
    reasons = []
    for name, values in expected.arguments.items():
        if not values:
            reasons.append(f"argument {name!r} has no right value")
        elif name not in tool.properties and "" not in values:
            reasons.append(f"argument {name!r} is not one of tool {tool.name!r}")
    missing = [name for name in tool.required if name not in expected.arguments]
    reasons.extend(f"required argument {name!r} of tool {tool.name!r} has no right value" for name in missing)
    return tuple(reasons)
