"""Suites: cases that a person writes, reviews and versions beside the code.

A suite is a folder with `suite.yaml`, which says what it is for and what it must cover, and any number of
`cases*.yaml` or `cases*.jsonl` files. A folder of such folders is read as one. `build_suite` makes an eval set of it,
all of it test, so that nothing is ever optimized on a suite.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field, JsonValue, ValidationError

from workbench.core import Case, DataError, EvalSet, Record, ToolSpec, nearest, read_records
from workbench.datasets.suite_lines import ALLOWED, ASPECTS, CaseLine, Covers, SuiteKind, Tools, to_expected, tools_of
from workbench.datasets.yaml_lines import Located, fit, read_located, refuse_what_json_lacks

SUITE_FILE = "suite.yaml"


class MustCover(Record):
    """What a suite promises to cover, in the words its cases use."""

    intents: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    """Failure modes."""

    def covers(self) -> Covers:
        """The same by the names that cases use."""
        return Covers(intent=self.intents, tool=self.tools, policy=self.policies, failure=self.failures)


class SuiteCard(Record):
    """The suite.yaml of a suite."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    kind: SuiteKind
    owner: str = Field(min_length=1)
    """Who answers for it."""
    description: str = Field(min_length=1)
    tools: str = ""
    """The file of the tools that its cases name, a `ToolSpec` a line; relative to this folder."""
    must_cover: MustCover = MustCover()


class SuiteCase(Record):
    """One case, and what a person wrote of it."""

    case: Case
    covers: Covers
    where: str
    """File and line."""
    note: str = ""
    bug: str = ""
    fixed: str = ""
    """ISO 8601."""


class Suite(Record):
    """A suite that was read and fits; cases in the order of files and lines."""

    card: SuiteCard
    folder: str
    cases: tuple[SuiteCase, ...]


def read_suites(path: Path) -> tuple[Suite, ...]:
    """The suite in a folder, or every suite in the folders right below it, by name of the folder.

    Raises: DataError if there is none; with file, line and field for the first thing that is wrong in one.
    """
    if (path / SUITE_FILE).exists():
        return (read_suite(path),)
    folders = sorted(file.parent for file in path.glob(f"*/{SUITE_FILE}"))
    if not folders:
        known = [folder.name for folder in path.parent.glob("*/") if any(folder.rglob(SUITE_FILE))]
        hint = f"; {nearest(path.name, known)}" if known and not path.is_dir() else ""
        raise DataError(f"suite {str(path)!r}: holds no {SUITE_FILE}{hint}")
    return tuple(map(read_suite, folders))


def read_suite(folder: Path) -> Suite:
    """Read and check one suite; what only other suites or worlds can show is not checked here.

    Raises: DataError with file, line and field for the first thing that is wrong.
    """
    path = folder / SUITE_FILE
    found = read_located(path, noun="suite", error=DataError)
    card = fit(found, SuiteCard, noun="suite", path=path, error=DataError)
    tools = _tools(folder, card, found)
    for number, name in enumerate(card.must_cover.tools if tools else ()):
        if name not in tools:
            line = found.line(("must_cover", "tools", str(number)))
            raise DataError(f"suite {card.name!r} ({path}:{line}): tool {name!r} is unknown; {nearest(name, tools)}")
    files = sorted(file for file in folder.glob("cases*") if file.suffix in (".yaml", ".jsonl"))
    cases = tuple(_case(card, tools, file, item, place) for file in files for item, place in _items(file))
    if not cases:
        raise DataError(f"suite {card.name!r} ({path}): has no case; write one in {folder / 'cases.yaml'}")
    return Suite(card=card, folder=str(folder), cases=cases)


def build_suite(path: Path) -> EvalSet:
    """The eval set of a folder of one suite or of several: every case in "test", by id, whatever file it is in.

    What a case covers becomes tags (`suite:golden`, `intent:travel`, `tool:ride.book`, ...), so that reports show
    slices of it. The eval set's digest is the suite's version: it stays when notes, owners or the order change.

    Raises: DataError for the first thing that is wrong, or for an id that comes twice.
    """
    suites = read_suites(path)
    name = suites[0].card.name if (path / SUITE_FILE).exists() else path.resolve().name
    return to_evalset(name, suites)


def to_evalset(name: str, suites: Sequence[Suite]) -> EvalSet:
    """The eval set of suites that were read.

    Raises: DataError for an id that comes twice.
    """
    first: dict[str, str] = {}
    for written in (written for suite in suites for written in suite.cases):
        case_id = written.case.case_id
        if case_id in first:
            raise DataError(f"case {case_id!r} ({written.where}): is in {first[case_id]}, too; rename one")
        first[case_id] = written.where
    cases = sorted((written.case for suite in suites for written in suite.cases), key=lambda case: case.case_id)
    return EvalSet(name=name, train=(), val=(), test=tuple(cases))


def _tools(folder: Path, card: SuiteCard, found: Located) -> dict[str, ToolSpec]:
    if not card.tools:
        return {}
    path = folder / card.tools
    if not path.is_file():
        where = f"{folder / SUITE_FILE}:{found.line(('tools',))}"
        raise DataError(f"suite {card.name!r} ({where}): tools: file {str(path)!r} is missing")
    return {tool.name: tool for tool in read_records(path, ToolSpec)}


def _items(path: Path) -> Iterator[tuple[JsonValue, Located]]:
    """Each case's data, with its lines."""
    if path.suffix == ".jsonl":
        yield from _json_items(path)
        return
    found = read_located(path, noun="cases", error=DataError)
    if not isinstance(found.data, list):
        raise DataError(f"cases ({path}:1): must be a list of cases")
    inner: defaultdict[str, dict[tuple[str, ...], int]] = defaultdict(dict)
    for field, line in found.lines.items():
        inner[field[0]][field[1:]] = line
    for number, item in enumerate(found.data):
        yield item, Located(item, inner[str(number)])


def _json_items(path: Path) -> Iterator[tuple[JsonValue, Located]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as cause:
        raise DataError(f"cases {str(path)!r}: can't be read: {cause}") from cause
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except json.JSONDecodeError as cause:
            raise DataError(f"cases ({path}:{number}): is not JSON: {cause.msg} at column {cause.colno}") from cause
        refuse_what_json_lacks(item, f"cases ({path}:{number})", DataError)
        yield item, Located(item, {(): number})


def _case(card: SuiteCard, tools: Tools, path: Path, item: JsonValue, place: Located) -> SuiteCase:
    named = item.get("id") if isinstance(item, dict) else None
    noun = f"case {named!r}" if isinstance(named, str) else "case"
    line = fit(place, CaseLine, noun=noun, path=path, error=DataError, whole="case")
    try:
        expected = to_expected(line.expected, tools)
    except (DataError, ValidationError) as cause:
        raise DataError(f"{noun} ({path}:{place.line(('expected',))}): {_words(cause)}") from cause
    for field, problem in _problems(card, line, tools):
        raise DataError(f"{noun} ({path}:{place.line(field)}): {'.'.join(field)}: {problem}")
    covers = line.covers if line.covers.tool else line.covers.model_copy(update={"tool": tools_of(expected)})
    case = Case(
        case_id=line.id,
        request=line.request,
        expected=expected,
        cluster=line.cluster or line.id,
        tags=_tags(card.kind, covers),
    )
    fixed = line.fixed.isoformat() if line.fixed else ""
    where = f"{path}:{place.line(())}"
    return SuiteCase(case=case, covers=covers, where=where, note=line.note, bug=line.bug, fixed=fixed)


def _problems(card: SuiteCard, line: CaseLine, tools: Tools) -> Iterator[tuple[tuple[str, ...], str]]:
    """What no single field shows."""
    allowed = ALLOWED[card.kind]
    if line.expected.kind not in allowed:
        yield ("expected", "kind"), f"{line.expected.kind!r} is not for a suite of kind {card.kind!r}: {_or(allowed)}"
    regression = card.kind == "regression"
    if regression and not line.bug:
        yield ("bug",), "is missing; say what went wrong once"
    if regression and line.fixed is None:
        yield ("fixed",), "is missing; say on which day the bug was fixed"
    if not regression and (line.bug or line.fixed):
        yield ("bug" if line.bug else "fixed",), f"is for regressions, and this suite is of kind {card.kind!r}"
    for name in line.covers.tool if tools else ():
        if name not in tools:
            yield ("covers", "tool"), f"tool {name!r} is unknown; {nearest(name, tools)}"


def _tags(kind: SuiteKind, covers: Covers) -> tuple[str, ...]:
    named = {f"{aspect}:{name}" for aspect in ASPECTS for name in covers.of(aspect)}
    return (f"suite:{kind}", *sorted(named))


def _words(cause: DataError | ValidationError) -> str:
    if isinstance(cause, DataError):
        return str(cause)
    return "expected: " + cause.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")


def _or(names: Sequence[str]) -> str:
    return f"use {' or '.join(names)}"
