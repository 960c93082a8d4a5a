"""An experiment whose winner is tried no longer than needed, and on suites besides the test."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from rehearsal import TEXT, Rehearsal, bench_in, judge

from workbench.core import ConfigError, read_run
from workbench.evals import summarize
from workbench.lab import read_experiment
from workbench.lab.deciding import verdict_of
from workbench.lab.guarding import agree_gate, check_release
from workbench.lab.outcome import conclude, render_outcome
from workbench.lab.release import track

SUITES = Path(__file__).parents[2] / "suites" / "first_tools"
TODAY = date(2026, 11, 23)
RULES = """\
suites: [SUITES/golden, SUITES/regression]
gate:
  - {metric: task_success, better_than: baseline, margin: 0.6, stop_early: {first: 12, every: 6}}
  - {metric: task_success, coverage: 0.9, suite: first_tools_golden}
traces"""
BOTH = TEXT.replace("gate:\n  - {metric: task_success, at_least: 0.05}\ntraces", RULES.replace("SUITES", str(SUITES)))


def test_from_the_file_to_the_outcome(cases: Path, tmp_path: Path, tracking_template: Path) -> None:
    """Stopped, tried on suites, decided, tracked, shown, and held against its evidence."""
    bench = bench_in(tmp_path, Rehearsal(), text=BOTH)
    shutil.copytree(tracking_template, bench.workspace.folder, dirs_exist_ok=True)
    folders = judge(bench)
    verdict, challenger = verdict_of(folders.gate), read_run(folders.winner / "test")

    assert len(challenger.clusters) < 24 == len(read_run(folders.baseline / "test").clusters)
    assert ["INCONCLUSIVE", "PASS"] == [finding.status for finding in verdict.findings]
    assert "stopped early" in verdict.notes[0]
    assert {"first_tools_golden", "first_tools_regression"} == {*verdict.suites}

    outcome = conclude(bench, folders, package=None, mlflow_run=track(bench, folders), seconds=1.0)
    assert "first_tools_golden: task_success" in render_outcome(outcome)
    assert bench.store.frame().height == outcome.paid.calls + outcome.cached_calls
    file, workspace = tmp_path / "rehearsal.yaml", tmp_path / "work"
    report = summarize(challenger)
    agree_gate(file, verdict, workspace, owner="lead", reason="looked at it", today=TODAY)
    assert () == check_release(file, verdict, workspace, report=report, today=TODAY).alarms
    bench.store.close()

    shutil.copytree(SUITES, tmp_path / "own")
    for card in tmp_path.glob("own/*/suite.yaml"):
        card.write_text(card.read_text().replace("../../../data", str(SUITES.parents[1] / "data")))
    line = tmp_path / "own" / "golden" / "cases.yaml"
    line.write_text(line.read_text().replace("request:", "request: Please,", 1))
    file.write_text(BOTH.replace(str(SUITES), "own"))
    changed = check_release(file, verdict, workspace, report=report, today=TODAY)
    assert any("asks or expects something else" in alarm.what for alarm in changed.alarms)
    assert any("is of eval set" in alarm.what for alarm in changed.alarms)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("/golden,", "/goldn,", r"suites\.0: suite .*golden"),
        ("suite: first_tools_golden", "suite: first_tool_golden", 'did you mean "first_tools_golden"'),
        ("metric: task_success, coverage", "metric: manner, coverage", "no such metric is measured"),
        ("first: 12, every: 6", "first: 2, every: 0", "every"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(tmp_path: Path, old: str, new: str, words: str) -> None:
    """A suite that is not there, a rule about no suite, a metric that no case of it has, looks that are none."""
    file = tmp_path / "bad.yaml"
    file.write_text(BOTH.replace(old, new))

    with pytest.raises(ConfigError, match=words):
        read_experiment(file)
