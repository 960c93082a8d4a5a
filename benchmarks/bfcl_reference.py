"""The leaderboard's rows and its own checker, taken out of its package without installing it."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TypeVar
from unittest.mock import patch

from pydantic import BaseModel, JsonValue

from workbench.core import ExpectedCall, ToolCall, ToolSpec
from workbench.datasets import default_cache, fetch, load_registry

SETS = (
    "simple_python", "multiple", "parallel", "parallel_multiple",
    "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple",
)  # fmt: skip
"""Every set whose right calls are known and are Python's: 2,351 rows."""

_PACKAGE = "bfcl_eval"
_CONVERTORS = f"{_PACKAGE}.eval_checker.ast_eval.type_convertor"
_MODEL = "any"
_T = TypeVar("_T", bound=BaseModel)


@dataclass(frozen=True)
class Row:
    """One row: the functions it offers and the calls that are right."""

    row_id: str
    set_name: str
    functions: tuple[dict[str, JsonValue], ...]
    answers: tuple[dict[str, dict[str, list[JsonValue]]], ...]
    expected: tuple[ExpectedCall, ...]
    """The same for our graders."""


@dataclass(frozen=True)
class Opinion:
    """What the checker says of an answer."""

    valid: bool
    reason: str = ""
    raised: bool = False
    """True if it broke: then it has no opinion."""


Checker = Callable[[Row, Sequence[ToolCall]], Opinion]


def fetch_reference() -> Path:
    """The folder with rows and checker, fetched into the cache where it is not there yet.

    Raises: DataError if it can't be had.
    """
    return fetch(load_registry(Path(__file__).parent).entry("bfcl_v4_reference"), cache=default_cache())


def read_rows(folder: Path) -> tuple[Row, ...]:
    """Every row of every set, in the order of `SETS` and of the files."""
    rows: list[Row] = []
    for name in SETS:
        asked = _lines(folder / "data" / f"BFCL_v4_{name}.json", _Asked)
        answers = {one.id: one for one in _lines(folder / "data" / "possible_answer" / f"BFCL_v4_{name}.json", _Answer)}
        rows.extend(_row(name, one, answers[one.id]) for one in asked)
    return tuple(rows)


def load_checker(folder: Path) -> Checker:
    """The checker as published: three of its files are executed, what it imports besides are placeholders.

    The placeholders stand for the list of models, of which it only reads whether a model's dots in names become
    underscores (here they do not), and for the Java and JavaScript converters, which Python calls never reach.
    """
    placeholders = {
        f"{_PACKAGE}.constants.model_config": _module(
            MODEL_CONFIG_MAPPING={_MODEL: SimpleNamespace(underscore_to_dot=False)}
        ),
        f"{_CONVERTORS}.java_type_converter": _module(java_type_converter=None),
        f"{_CONVERTORS}.js_type_converter": _module(js_type_converter=None),
    }
    with patch.dict(sys.modules, placeholders):
        enums = _load(folder, "constants.enums")
        _load(folder, "constants.type_mappings")
        checker = _load(folder, "eval_checker.ast_eval.ast_checker")

    def check(row: Row, calls: Sequence[ToolCall]) -> Opinion:
        output = [{call.name: call.arguments} for call in calls]
        try:
            said = checker.ast_checker(
                list(row.functions), output, list(row.answers), enums.Language.PYTHON, row.set_name, _MODEL
            )
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:
            return Opinion(valid=False, reason=repr(error), raised=True)
        return Opinion(valid=bool(said["valid"]), reason="; ".join(_words(said["error"])))

    return check


def _words(errors: Sequence[object]) -> list[str]:
    """The checker's reasons; of a row with several calls those that it gives for each call it compared."""
    words: list[str] = []
    for error in errors:
        if isinstance(error, dict):
            words.extend(reason for compared in error.values() for reason in compared["sub_error"])
        else:
            words.append(str(error))
    return words


class _Asked(BaseModel):
    id: str
    function: list[dict[str, JsonValue]]


class _Answer(BaseModel):
    id: str
    ground_truth: list[dict[str, dict[str, list[JsonValue]]]]


def _row(set_name: str, asked: _Asked, answer: _Answer) -> Row:
    tools = {tool.name: tool for tool in map(ToolSpec.model_validate, reversed(asked.function))}
    right = [(name, arguments) for call in answer.ground_truth for name, arguments in call.items()]
    expected = tuple(ExpectedCall(tool=tools[name], arguments=arguments) for name, arguments in right)
    return Row(asked.id, set_name, tuple(asked.function), tuple(answer.ground_truth), expected)


def _lines(path: Path, kind: type[_T]) -> list[_T]:
    return [kind.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _module(**names: object) -> ModuleType:
    module = ModuleType("placeholder")
    vars(module).update(names)
    return module


def _load(folder: Path, name: str) -> ModuleType:
    path = folder / f"{name.replace('.', '/')}.py"
    spec = importlib.util.spec_from_file_location(f"{_PACKAGE}.{name}", path)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
