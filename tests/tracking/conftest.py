"""A store to copy, and an experiment to log."""

import shutil
from pathlib import Path

import pytest
from weather import make_case

from workbench.core import EvalSet
from workbench.tracking import ExperimentLog, Store, describe_data, open_store


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database as it is after its first migration, which takes seconds: copied, never changed."""
    folder = tmp_path_factory.mktemp("template")
    open_store(folder)
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """A folder with a fresh store of its own."""
    shutil.copytree(template, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> Store:
    """A fresh store."""
    return open_store(folder)


@pytest.fixture
def evalset() -> EvalSet:
    """Two cases to train, two to choose, six to test."""
    cases = tuple(make_case(number) for number in range(10))
    return EvalSet(name="weather", train=cases[:2], val=cases[2:4], test=cases[4:], sources=("5" * 64,))


@pytest.fixture
def experiment(evalset: EvalSet) -> ExperimentLog:
    """One execution."""
    return ExperimentLog(
        name="tool_calling",
        question="Which tool, with which arguments?",
        seed=7,
        lm="embedded",
        params={"budget": {"calls": 3000}, "metrics": ["exact_call", "tool_choice"]},
        data=describe_data(evalset),
    )
