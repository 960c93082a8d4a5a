"""What is wrong with suites that can be read: between their cases, and between what they say and what they cover."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from workbench.core import Case, ExpectedCall
from workbench.datasets.checks import Problem, wrong_arguments
from workbench.datasets.duplicates import near_duplicates, normalize
from workbench.datasets.suite import Suite, SuiteCase
from workbench.datasets.suite_coverage import cover


def check_cases(suites: Sequence[Suite]) -> tuple[Problem, ...]:
    """Every problem that the cases show by themselves, in the order of the checks; empty if there is none.

    Near-duplicate requests are allowed within one cluster only: intervals then count them as one.
    """
    written = [case for suite in suites for case in suite.cases]
    uncovered = (problem for suite in suites for problem in _uncovered(suite))
    return (*_twice(written), *_alike(written), *_contradictory(written), *_wrong_calls(written), *uncovered)


def _twice(written: Sequence[SuiteCase]) -> Iterator[Problem]:
    first: dict[str, SuiteCase] = {}
    for case in written:
        earlier = first.setdefault(case.case.case_id, case)
        if earlier is not case:
            yield _problem("each id comes once", case, f"is also the id of {earlier.where}; rename one")


def _alike(written: Sequence[SuiteCase]) -> Iterator[Problem]:
    groups: defaultdict[int, list[SuiteCase]] = defaultdict(list)
    for root, case in zip(near_duplicates([case.case.request for case in written]), written, strict=True):
        groups[root].append(case)
    for group in groups.values():
        for case in group[1:]:
            if case.case.cluster != group[0].case.cluster:
                message = f"asks nearly the same as {_name(group[0])}; give both one cluster, or reword one"
                yield _problem("near-duplicates share a cluster", case, message)


def _contradictory(written: Sequence[SuiteCase]) -> Iterator[Problem]:
    """The same words can't want two things; where a world is played the world may tell the difference."""
    first: dict[tuple[str, ...], SuiteCase] = {}
    for case in written:
        earlier = first.setdefault(normalize(case.case.request), case)
        if _wanted(case.case) != _wanted(earlier.case):
            message = f"asks the same as {_name(earlier)} and expects another thing; correct one"
            yield _problem("one request expects one thing", case, message)


def _wanted(case: Case) -> str:
    task = case.task
    if isinstance(task, ExpectedCall):
        values = sorted((name, sorted(map(repr, right))) for name, right in task.arguments.items())
        return f"call {task.tool.name} {values!r}"
    return task.kind


def _wrong_calls(written: Sequence[SuiteCase]) -> Iterator[Problem]:
    for case in written:
        if isinstance(case.case.task, ExpectedCall):
            for message in wrong_arguments(case.case.task):
                yield _problem("each expected argument can be given right", case, message)


def _uncovered(suite: Suite) -> Iterator[Problem]:
    for line in cover([suite]).uncovered:
        yield Problem(
            check="what must be covered is covered",
            case_id="",
            message=f"suite {suite.card.name!r} ({suite.folder}): {line.aspect} {line.name!r} is in no case; write one",
        )


def _problem(check: str, case: SuiteCase, message: str) -> Problem:
    return Problem(check=check, case_id=case.case.case_id, message=f"{_name(case)}: {message}")


def _name(case: SuiteCase) -> str:
    return f"case {case.case.case_id!r} ({case.where})"
