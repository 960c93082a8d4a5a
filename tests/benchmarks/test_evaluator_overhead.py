"""The benchmark's parts run on a few cases, and it says yes only to what it measured."""

from pathlib import Path

import pytest

from benchmarks import evaluator_overhead as benchmark
from workbench.lms import CallStore
from workbench.tracking import open_store


def test_ours_stores_what_the_table_says(tmp_path: Path) -> None:
    """Every answer, ledger row, episode, score and trace of the run is found again."""
    store = open_store(tmp_path / "store")
    ours = benchmark.Ours(tmp_path, store)
    cases = benchmark.make_cases(6)
    seconds = ours(cases)

    calls = CallStore(tmp_path / "calls-1.db").frame()
    assert (6, 0, 0.0) == (calls.height, int(calls["cached"].sum()), calls["usd"].sum())
    assert {case.case_id for case in cases} == set(calls["case_id"])
    assert 7 == len((tmp_path / "journal-1" / "episodes.jsonl").read_text().splitlines())
    experiment = store.client.get_experiment_by_name("ours")
    assert experiment is not None
    traces = store.client.search_traces(locations=[experiment.experiment_id])
    assert [2] * 6 == [len(trace.data.spans) for trace in traces]
    assert {"answer_exact", "expected"} == {one.name for trace in traces for one in trace.info.assessments}
    assert 0 < sum(part[0] for part in ours.parts.values()) <= 1000 * seconds


def test_all_evaluate_the_same_program_on_the_same_cases() -> None:
    """It is right for every second case, by whoever's metric."""
    cases = benchmark.make_cases(10)

    assert 0 < benchmark.bare_loop(cases)
    assert 0 < benchmark.dspy_evaluate(cases)
    assert ["no", "yes"] * 5 == [benchmark._right(case) for case in cases]


@pytest.mark.parametrize(("overhead", "expected"), [(1.99, 0), (2.01, 1)])
def test_the_exit_code_is_the_measured_target(
    overhead: float, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the file holds what was measured, met or not."""
    figures = [benchmark.Figure(name, 10, [overhead, overhead, 50.0]) for name in benchmark.STORED]
    monkeypatch.setattr(benchmark, "measure", lambda _size, _folder: (figures, {"all": overhead}))

    assert expected == benchmark.main(["--quick", "--json", str(tmp_path / "figures.json")])
    assert ("target met" in capsys.readouterr().out) == (expected == 0)
    assert f'"met": {str(expected == 0).lower()}' in (tmp_path / "figures.json").read_text()
