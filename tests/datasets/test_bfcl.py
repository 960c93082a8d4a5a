"""The leaderboard's files become cases and tools; what can't be a case is reported, never dropped silently."""

import json
from pathlib import Path

import pytest

from workbench.core import DataError, ExpectedAbstention, ExpectedCall, tool_id
from workbench.datasets import BfclData, load_bfcl

ADD = {
    "name": "math.add",
    "description": "Add.",
    "parameters": {"type": "dict", "properties": {"a": {"type": "float"}}, "required": ["a"]},
}


def _row(row_id: str, *messages: tuple[str, str], functions: tuple[object, ...] = (ADD,)) -> dict[str, object]:
    question = [[{"role": role, "content": content} for role, content in messages]]
    return {"id": row_id, "question": question, "function": list(functions)}


def _write(folder: Path, name: str, rows: list[object], answers: list[object] | None = None) -> Path:
    (folder / "possible_answer").mkdir(exist_ok=True)
    (folder / f"BFCL_v4_{name}.json").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    if answers is not None:
        path = folder / "possible_answer" / f"BFCL_v4_{name}.json"
        path.write_text("\n".join(map(json.dumps, answers)), encoding="utf-8")
    return folder


def test_a_row_becomes_a_case(tmp_path: Path) -> None:
    """The request is the system's text, then the user's messages; the tool keeps the types it declares."""
    row = _row("q1", ("system", "Be brief."), ("user", "Add 1.5"), ("assistant", "To what?"), ("user", "to 0"))
    data = load_bfcl(
        _write(tmp_path, "multiple", [row], [{"id": "q1", "ground_truth": [{"math.add": {"a": [1.5]}}]}]), ["multiple"]
    )

    (case,) = data.cases
    assert "Be brief.\nAdd 1.5\nto 0" == case.request
    assert isinstance(case.expected, ExpectedCall)
    assert {"a": [1.5]} == case.expected.arguments
    assert ADD["parameters"] == case.expected.tool.parameters
    assert (("multiple",), "math.add") == (case.tags, case.cluster)


def test_a_case_knows_what_its_row_offered(bfcl: BfclData) -> None:
    """The expected tool is always among the offered ones, and every offered one is in the catalogue."""
    known = {tool_id(tool) for tool in bfcl.tools}

    assert {case.case_id for case in bfcl.cases} == set(bfcl.offered)
    assert known >= {name for names in bfcl.offered.values() for name in names}
    for case in bfcl.cases:
        if isinstance(case.expected, ExpectedCall):
            assert tool_id(case.expected.tool) in bfcl.offered[case.case_id]


def test_an_irrelevance_row_expects_an_abstention(tmp_path: Path) -> None:
    """Where no offered function fits there is no answer file, and the offered functions still join the catalogue."""
    data = load_bfcl(_write(tmp_path, "irrelevance", [_row("q1", ("user", "Sing"))]), ["irrelevance"])

    assert ExpectedAbstention() == data.cases[0].expected
    assert ["math.add"] == [tool.name for tool in data.tools]


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        ([{"math.ad": {"a": [1]}}], "'math.ad', which is not offered; did you mean \"math.add\""),
        ([{"math.add": {"a": [1]}}, {"math.add": {"a": [2]}}], "holds 2 calls"),
        ([{"math.add": {"a": []}}], "'a' has no right value"),
        ([{"math.add": {"a": [1], "b": [2]}}], "'b' is not one of tool 'math.add'"),
        ([{"math.add": {}}], "required argument 'a'"),
    ],
)
def test_a_row_without_a_right_call_is_reported(tmp_path: Path, truth: list[object], reason: str) -> None:
    """An answer that no call can meet makes no case, and the reason is kept."""
    folder = _write(tmp_path, "multiple", [_row("q1", ("user", "Add"))], [{"id": "q1", "ground_truth": truth}])
    data = load_bfcl(folder, ["multiple"])

    assert ((), ["q1"]) == (data.cases, [skipped.row_id for skipped in data.skipped])
    assert reason in data.skipped[0].reason


def test_an_undeclared_argument_that_may_be_left_out_is_fine(tmp_path: Path) -> None:
    """The empty string among the values means the argument may be absent, so a right call exists."""
    truth = [{"math.add": {"a": [1], "unit": ["", "m"]}}]
    folder = _write(tmp_path, "multiple", [_row("q1", ("user", "Add"))], [{"id": "q1", "ground_truth": truth}])

    assert 1 == len(load_bfcl(folder, ["multiple"]).cases)


def test_rows_without_words_or_answer_are_reported(tmp_path: Path) -> None:
    """A blank request and a row that the answers don't know are both skipped with their reason."""
    rows: list[object] = [_row("blank", ("system", "Hi"), ("user", "  ")), _row("orphan", ("user", "Add"))]
    data = load_bfcl(_write(tmp_path, "multiple", rows, []), ["multiple"])

    expected = [("blank", "no user message has any text"), ("orphan", "no answer has this id")]
    assert expected == [(skipped.row_id, skipped.reason) for skipped in data.skipped]


def test_a_broken_row_is_named_with_its_line(tmp_path: Path) -> None:
    """A row that breaks the format stops the reading with file and line."""
    folder = _write(tmp_path, "irrelevance", [_row("q1", ("user", "Sing")), {"id": "q2"}])

    with pytest.raises(DataError, match=r"BFCL_v4_irrelevance\.json:2"):
        load_bfcl(folder, ["irrelevance"])


def test_an_unknown_set_gets_the_nearest(tmp_path: Path) -> None:
    """A mistyped set is answered with the one that was meant."""
    with pytest.raises(DataError, match='did you mean "live_multiple"'):
        load_bfcl(tmp_path, ["live_multipel"])


def test_the_real_sets_are_whole(bfcl: BfclData) -> None:
    """Rows per set as counted in the wheel's files: 1053, 258, 200, 400, 240, 884; four have no right call."""
    counts: dict[str, int] = {}
    for case in bfcl.cases:
        counts[case.tags[0]] = counts.get(case.tags[0], 0) + 1

    assert {
        "live_multiple": 1051,
        "live_simple": 256,
        "multiple": 200,
        "simple_python": 400,
        "irrelevance": 240,
        "live_irrelevance": 884,
    } == counts
    assert 4 == len(bfcl.skipped)
    assert 2684 == len(bfcl.tools)


def test_real_rows_read_as_written(bfcl: BfclData) -> None:
    """The first, tenth and last row of live_multiple, as they stand in the wheel's files."""
    rows = [case for case in bfcl.cases if case.tags == ("live_multiple",)]
    first, tenth, last = rows[0], rows[9], rows[-1]

    assert isinstance(first.expected, ExpectedCall)
    assert isinstance(tenth.expected, ExpectedCall)
    assert isinstance(last.expected, ExpectedCall)
    assert ("live_multiple_0-0-0", "ChaDri.change_drink") == (first.case_id, first.expected.tool.name)
    assert first.request.startswith("update my latte to a large size with coconut milk")
    assert ["latte"] == first.expected.arguments["drink_id"]
    assert ("live_multiple_9-4-1", "what is Imjin war") == (tenth.case_id, tenth.request)
    assert {
        "keyword": ["Imjin war"],
        "result_format": ["", "text"],
        "language": ["", "EN"],
        "max_results": ["", 10],
    } == tenth.expected.arguments
    assert ("live_multiple_1052-279-0", {"volume": [50]}) == (last.case_id, last.expected.arguments)
    assert "dict" == last.expected.tool.parameters["type"]
