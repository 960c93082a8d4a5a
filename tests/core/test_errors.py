"""The error tree: every error is for a person, and says something."""

import re
from collections.abc import Iterator

import pytest

from workbench import core
from workbench.core import (
    BudgetExceeded,
    CassetteMiss,
    DataError,
    LMError,
    PackageError,
    WorkbenchError,
    boundary,
    nearest,
)
from workbench.core import errors as module


def _tree(kind: type[WorkbenchError]) -> Iterator[type[WorkbenchError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


def test_every_error_is_documented_exported_and_drawn() -> None:
    """Each class of the module is a WorkbenchError with its own docstring, in `core`'s names and in the drawing."""
    declared = {one for one in vars(module).values() if isinstance(one, type) and issubclass(one, Exception)}
    drawn = set(re.findall(r"^ +[│ ]*(?:├─ |└─ )?([A-Z]\w+) {2,}", module.__doc__ or "", re.MULTILINE))

    assert declared == {one for one in _tree(WorkbenchError) if one.__module__ == module.__name__}
    assert all("__doc__" in vars(one) and one.__doc__ for one in declared)
    assert {one.__name__ for one in declared} == drawn
    assert drawn <= set(core.__all__)


def test_errors_of_the_house_are_all_workbench_errors() -> None:
    """Every exception that any room exports can be shown as one line."""
    exported = [getattr(core, name) for name in core.__all__]
    errors = [one for one in exported if isinstance(one, type) and issubclass(one, BaseException)]

    assert 10 < len(errors)
    assert all(issubclass(one, WorkbenchError) for one in errors)
    assert issubclass(CassetteMiss, LMError)


def test_a_boundary_turns_foreign_errors_into_ours() -> None:
    """With the foreign one as cause, its kind and its words."""
    text = "file 'x': ZeroDivisionError: division by zero"
    with pytest.raises(DataError, match=text) as raised, boundary(DataError, "file 'x'"):
        _ = 1 / 0

    assert isinstance(raised.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("passing", [BudgetExceeded("used up"), KeyboardInterrupt(), SystemExit(2)])
def test_a_boundary_lets_our_own_errors_and_a_person_through(passing: BaseException) -> None:
    """The very same object comes out."""
    with pytest.raises(type(passing)) as raised, boundary(PackageError, "package 'p'"):
        raise passing

    assert passing is raised.value


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("tool_choise", ["tool_choice", "mrr"], 'did you mean "tool_choice"?'),
        ("zzz", {"mrr", "abstention"}, "known: abstention, mrr"),
        ("embeded", iter(["embedded"]), 'did you mean "embedded"?'),
    ],
)
def test_an_unknown_name_gets_the_nearest_known_one(name: str, known: list[str], expected: str) -> None:
    """Or all of them, sorted, where none is near."""
    assert expected == nearest(name, known)
