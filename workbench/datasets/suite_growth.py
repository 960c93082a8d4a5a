"""Reviewed failures become cases: a suite grows by what went wrong."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import JsonValue

from workbench.core import (
    Case,
    DataError,
    ExpectedAbstention,
    ExpectedAnswer,
    ExpectedCall,
    ExpectedResistance,
    ExpectedState,
    Record,
    ToolSpec,
    canonical_json,
    read_records,
    write_bytes,
)
from workbench.datasets.suite import SUITE_FILE, Suite, read_suite

GROWN = "cases_reviewed.jsonl"


class Lesson(Record):
    """A case that went wrong, and what people said of it."""

    case: Case
    bug: str
    """What went wrong, for regressions."""
    note: str = ""
    failure: str = ""
    """The failure mode, in the words that suites use."""


def grow_suite(folder: Path, lessons: Sequence[Lesson], *, fixed: date | None = None) -> Suite:
    """Add cases to a suite, in a file of their own; the suite as it is then, read and checked.

    Cases that the suite has already stay as they are. `fixed` is the day on which the bugs were fixed, which a
    suite of regressions asks for; tools that its cases need and its file of tools lacks are added there.

    Raises: DataError if the suite can't be read, or would not fit afterwards; then nothing is changed.
    """
    suite = read_suite(folder)
    known = {written.case.case_id for written in suite.cases}
    new = [lesson for lesson in lessons if lesson.case.case_id not in known]
    regression = suite.card.kind == "regression"
    if regression and fixed is None and new:
        raise DataError(f"suite {suite.card.name!r} ({folder}): is for fixed bugs; say on which day they were fixed")
    path, tools = folder / GROWN, _tools_file(suite, new)
    changed = {path: path.read_bytes() if path.exists() else b""}
    lines = b"".join(canonical_json(_line(lesson, fixed if regression else None)) + b"\n" for lesson in new)
    if tools is not None:
        changed[tools] = tools.read_bytes()
        write_bytes(tools, changed[tools] + _missing_tools(tools, new))
    if new:
        write_bytes(path, changed[path] + lines)
    try:
        return read_suite(folder)
    except DataError:
        for file, before in changed.items():
            write_bytes(file, before) if before else file.unlink(missing_ok=True)
        raise


def _line(lesson: Lesson, fixed: date | None) -> dict[str, JsonValue]:
    case = lesson.case
    line: dict[str, JsonValue] = {"id": case.case_id, "request": case.request, "cluster": case.cluster}
    line["expected"] = _expected(case)
    covers = _covers(lesson)
    if covers:
        line["covers"] = covers
    if lesson.note:
        line["note"] = lesson.note
    if fixed is not None:
        line |= {"bug": lesson.bug, "fixed": fixed.isoformat()}
    return line


def _covers(lesson: Lesson) -> dict[str, JsonValue]:
    """What the case covered already, and the failure that people named."""
    named = [(kind, value) for kind, _colon, value in (tag.partition(":") for tag in lesson.case.tags)]
    named += [("failure", lesson.failure)] if lesson.failure else []
    covers: dict[str, JsonValue] = {}
    for aspect in ("intent", "policy", "failure"):
        values: list[JsonValue] = [*dict.fromkeys(value for kind, value in named if kind == aspect)]
        if values:
            covers[aspect] = values
    return covers


def _expected(case: Case) -> JsonValue:
    """The expectation as a person would write it, with the names of tools in their place."""
    return _written(case.expected)


def _written(
    expected: ExpectedCall | ExpectedAbstention | ExpectedAnswer | ExpectedState | ExpectedResistance,
) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = expected.model_dump(mode="json", exclude_defaults=True) | {"kind": expected.kind}
    if isinstance(expected, ExpectedCall):
        data["tool"] = expected.tool.name
    elif isinstance(expected, ExpectedState):
        data["tools"] = [tool.name for tool in expected.tools]
    elif isinstance(expected, ExpectedResistance):
        data["task"] = _written(expected.task)
    return data


def _tools_of(case: Case) -> tuple[ToolSpec, ...]:
    expected = case.expected.task if isinstance(case.expected, ExpectedResistance) else case.expected
    if isinstance(expected, ExpectedCall):
        return (expected.tool,)
    return expected.tools if isinstance(expected, ExpectedState) else ()


def _tools_file(suite: Suite, lessons: Sequence[Lesson]) -> Path | None:
    """Where the suite's tools stand; None if no case needs one.

    Raises: DataError if a case needs a tool and the suite names no file of tools.
    """
    if not any(_tools_of(lesson.case) for lesson in lessons):
        return None
    if not suite.card.tools:
        where = f"{suite.folder}/{SUITE_FILE}"
        raise DataError(f"suite {suite.card.name!r} ({where}): names no file of tools, and its new cases need some")
    return Path(suite.folder) / suite.card.tools


def _missing_tools(path: Path, lessons: Sequence[Lesson]) -> bytes:
    known = {tool.name for tool in read_records(path, ToolSpec)}
    missing = {tool.name: tool for lesson in lessons for tool in _tools_of(lesson.case) if tool.name not in known}
    return b"".join(canonical_json(missing[name].model_dump(mode="json")) + b"\n" for name in sorted(missing))
