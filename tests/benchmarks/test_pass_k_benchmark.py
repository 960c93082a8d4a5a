"""The benchmark says yes only to the published digits, and no without the data."""

import json
from pathlib import Path

import pytest

from benchmarks import pass_k as benchmark
from workbench.datasets.recorded import read_recorded

FIXTURE = Path(__file__).parents[1] / "datasets" / "recordings" / "tau_bench.json"


@pytest.mark.parametrize(
    ("value", "expected"), [(0.42, True), (0.4204, True), (0.4206, False), (0.41, False), (None, False)]
)
def test_a_figure_is_met_in_every_printed_digit(value: float | None, expected: bool) -> None:
    """Unmeasured is not met."""
    assert expected == benchmark.Figure(1, value, None, None, None, "0.420").met


def test_other_runs_miss_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed and written is what was measured, and the exit code follows it."""
    monkeypatch.setattr(benchmark, "shared", lambda _name: FIXTURE)
    file = tmp_path / "figures.json"

    assert 1 == benchmark.main(["--quick", "--json", str(file)])
    assert "target MISSED" in capsys.readouterr().out
    written = json.loads(file.read_text())
    assert (False, None) == (written["met"], written["figures"][0]["pass_hat"])


def test_the_fixture_is_measured() -> None:
    """One case has no score, so nothing is measured: silence is no pass."""
    (run,) = read_recorded(FIXTURE, kind="tau-bench").runs

    assert [None] * 4 == [figure.pass_hat for figure in benchmark.measure(run)]


def test_without_the_data_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, with the variable to set."""
    monkeypatch.setenv("WORKBENCH_SHARED_DATA", str(tmp_path))

    assert 2 == benchmark.main([])
    assert "set WORKBENCH_SHARED_DATA" in capsys.readouterr().err
