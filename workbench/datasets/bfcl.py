"""The Berkeley Function Calling Leaderboard: one request, a few offered functions, one right call or none.

Source: Patil et al. 2025, The Berkeley Function Calling Leaderboard, ICML; file format of version 4.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from workbench.core import (
    Case,
    DataError,
    ExpectedAbstention,
    ExpectedCall,
    Record,
    ToolSpec,
    nearest,
    read_records,
    tool_id,
)
from workbench.datasets.checks import wrong_arguments

CALL_SETS = ("live_multiple", "live_simple", "multiple", "simple_python")
ABSTENTION_SETS = ("irrelevance", "live_irrelevance")
BFCL_SETS = (*CALL_SETS, *ABSTENTION_SETS)


class Skipped(Record):
    """A row that became no case, and why."""

    row_id: str
    set_name: str
    reason: str


class BfclData(Record):
    """What the chosen sets hold, in the order of the files."""

    cases: tuple[Case, ...]
    tools: tuple[ToolSpec, ...]
    """Every offered function once, as declared: its `parameters` keep the leaderboard's type names (dict, float,
    tuple, any), because its grading rules are written in them."""
    offered: dict[str, tuple[str, ...]]
    """For each case id the catalogue's ids of the functions its row offers, in the row's order: the choice for which
    the leaderboard's labels hold. Over a larger catalogue an "irrelevant" request may well have a fitting tool."""
    skipped: tuple[Skipped, ...]


class _Message(Record):
    role: str
    content: str


class _Row(Record):
    id: str
    question: list[list[_Message]]
    function: list[ToolSpec]


class _Answer(Record):
    id: str
    ground_truth: list[dict[str, dict[str, list[JsonValue]]]]


def load_bfcl(folder: Path, sets: Sequence[str] = BFCL_SETS) -> BfclData:
    """Read the named sets from a fetched folder.

    The request is the text of the user's messages, one after the other, after the system's if there is one;
    what an assistant said in between is left out. A case's cluster is its tool's name, or its own id where no
    tool is right; its one tag is its set.

    Raises: DataError for an unknown set, a missing file, or a row that breaks the format, with file and line.
    """
    cases: list[Case] = []
    tools: dict[str, ToolSpec] = {}
    offered: dict[str, tuple[str, ...]] = {}
    skipped: list[Skipped] = []
    for name in sets:
        if name not in BFCL_SETS:
            raise DataError(f"BFCL set {name!r}: is unknown; {nearest(name, BFCL_SETS)}")
        answers = _answers(folder, name)
        for row in read_records(folder / f"BFCL_v4_{name}.json", _Row):
            tools.update((tool.digest, tool) for tool in row.function)
            made = _case(name, row, answers)
            if isinstance(made, Case):
                cases.append(made)
                offered[made.case_id] = tuple(tool_id(tool) for tool in row.function)
            else:
                skipped.append(made)
    return BfclData(cases=tuple(cases), tools=tuple(tools.values()), offered=offered, skipped=tuple(skipped))


def _answers(folder: Path, name: str) -> dict[str, _Answer]:
    if name in ABSTENTION_SETS:
        return {}
    path = folder / "possible_answer" / f"BFCL_v4_{name}.json"
    return {answer.id: answer for answer in read_records(path, _Answer)}


def _case(name: str, row: _Row, answers: dict[str, _Answer]) -> Case | Skipped:
    request = _request(row)
    if not request:
        return Skipped(row_id=row.id, set_name=name, reason="no user message has any text")
    if name in ABSTENTION_SETS:
        return Case(case_id=row.id, request=request, expected=ExpectedAbstention(), cluster=row.id, tags=(name,))
    expected = _expected(row, answers)
    if isinstance(expected, str):
        return Skipped(row_id=row.id, set_name=name, reason=expected)
    return Case(case_id=row.id, request=request, expected=expected, cluster=expected.tool.name, tags=(name,))


def _request(row: _Row) -> str:
    messages = [message for turn in row.question for message in turn]
    users = [message.content.strip() for message in messages if message.role == "user"]
    if not any(users):
        return ""
    system = [message.content.strip() for message in messages if message.role == "system"]
    return "\n".join(text for text in (*system, *users) if text)


def _expected(row: _Row, answers: dict[str, _Answer]) -> ExpectedCall | str:
    """The one right call, or why there is none."""
    answer = answers.get(row.id)
    if answer is None:
        return "no answer has this id"
    calls = [call for entry in answer.ground_truth for call in entry.items()]
    if len(calls) != 1:
        return f"the answer holds {len(calls)} calls; a case takes exactly one"
    name, arguments = calls[0]
    tools = {tool.digest: tool for tool in row.function if tool.name == name}
    if not tools:
        offered = [tool.name for tool in row.function]
        return f"the answer calls {name!r}, which is not offered; {nearest(name, offered)}"
    if len(tools) > 1:
        return f"the answer calls {name!r}, which is offered {len(tools)} times with different parameters"
    expected = ExpectedCall(tool=next(iter(tools.values())), arguments=arguments)
    wrong = wrong_arguments(expected)
    return f"no call could be right: {'; '.join(wrong)}" if wrong else expected
