"""The benchmark's parts on rows made by hand, with a checker made by hand."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import argument_grading as benchmark
from benchmarks.bfcl_reference import Opinion, Row
from benchmarks.mutated_calls import KINDS, Mutant, first_right, mutate
from workbench.core import ExpectedCall, ToolCall, ToolSpec
from workbench.datasets import load_registry
from workbench.evals.calls import grade_calls

SCHEMA = {"type": "dict", "properties": {"x": {"type": "string"}, "n": {"type": "integer"}}, "required": ["x"]}
FORECAST = ExpectedCall(tool=ToolSpec(name="f", parameters=SCHEMA), arguments={"x": ["Rome", "Roma"], "n": ["", 3]})


def _row(*expected: ExpectedCall) -> Row:
    return Row(row_id="parallel_0", set_name="parallel", functions=(), answers=(), expected=expected)


def _like_ours(row: Row, calls: Sequence[ToolCall]) -> Opinion:
    return Opinion(valid=not grade_calls(row.expected, calls))


def _refuses(_row: Row, _calls: Sequence[ToolCall]) -> Opinion:
    return Opinion(valid=False, reason="no")


def test_the_first_right_values_leave_out_what_only_may_be_left_out() -> None:
    """The empty text is no value."""
    row = _row(FORECAST, FORECAST.model_copy(update={"arguments": {"x": ["Oslo"], "n": [""]}}))

    assert [{"x": "Rome", "n": 3}, {"x": "Oslo"}] == [call.arguments for call in first_right(row)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_change_changes_something_and_follows_from_its_seed(kind: str) -> None:
    """Over a hundred draws at least some are unlike the first right values, and two equal seeds draw the same."""
    row = _row(FORECAST, FORECAST.model_copy(update={"arguments": {"x": ["Oslo"], "n": [5]}}))
    drawn = [mutate(row, kind, random.Random(seed)).calls for seed in range(100)]

    assert any(calls != first_right(row) for calls in drawn)
    assert drawn == [mutate(row, kind, random.Random(seed)).calls for seed in range(100)]


def test_a_difference_is_counted_and_shown() -> None:
    """A checker that refuses everything agrees on what ours refuses, too."""
    agreement = benchmark.Agreement("some")
    agreement.add(Mutant(_row(FORECAST), "some", first_right(_row(FORECAST))), _refuses)
    agreement.add(Mutant(_row(FORECAST), "some", ()), _refuses)

    assert (2, 1, 0, 1, "50.000%") == (
        agreement.answers, agreement.calls, agreement.right, agreement.agreed, agreement.share,
    )  # fmt: skip
    assert "parallel_0: the checker says 'no', ours ''" == agreement.differing


def test_a_row_that_is_refused_by_its_own_checker_is_listed() -> None:
    """With the checker's reason, and ours must refuse it as well to agree."""
    size = benchmark.Size(mutants=1, every=1, rounds=1, least=1)
    result = benchmark.measure([_row(FORECAST, FORECAST)], _refuses, size)

    assert [("parallel_0", "no")] == [(one.row_id, one.reason) for one in result.contradictions]
    assert {"agreement on rows": False} == {what: met for what, _, _, met in benchmark.judge(result, size)[1:2]}


@pytest.mark.parametrize(("rows", "expected"), [(benchmark.ROWS, 0), (benchmark.ROWS - 1, 1)])
def test_the_exit_code_is_what_was_measured(
    rows: int, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row too few is a miss, and the file holds what was measured."""
    monkeypatch.setattr(benchmark, "fetch_reference", lambda: tmp_path)
    monkeypatch.setattr(benchmark, "read_rows", lambda _folder: [_row(FORECAST, FORECAST)] * rows)
    monkeypatch.setattr(benchmark, "load_checker", lambda _folder: _like_ours)

    assert expected == benchmark.main(["--quick", "--json", str(tmp_path / "figures.json")])
    assert ("MISSED" in capsys.readouterr().out) == bool(expected)
    assert f'"met": {str(not expected).lower()}' in (tmp_path / "figures.json").read_text()


def test_the_reference_is_the_wheel_that_the_project_s_data_set_comes_in() -> None:
    """One version for rows, cases and checker; files that both name have one digest."""
    ours = load_registry().entry("bfcl_v4")
    reference = load_registry(Path(benchmark.__file__).parent).entry("bfcl_v4_reference")
    shared = {path: digest for path, digest in ours.files.items() if f"data/{path}" in reference.files}

    assert ours.wheel == reference.wheel
    assert 8 == len(shared)
    assert shared == {path: reference.files[f"data/{path}"] for path in shared}
