"""A gate that was agreed to is held against what it is now, and a verdict against its evidence."""

from datetime import date
from pathlib import Path

import pytest
from rehearsal import TEXT, Rehearsal, bench_in, judge

from workbench.core import ConfigError, DataError, Report, Verdict, read_run, write_run
from workbench.evals import summarize
from workbench.lab.deciding import verdict_of
from workbench.lab.guarding import agree_gate, check_release, pact_file

TODAY = date(2026, 11, 22)


def release(folder: Path) -> tuple[Path, Verdict, Report, Path]:
    """The experiment file, its verdict, the challenger's report and the workspace."""
    bench = bench_in(folder, Rehearsal())
    folders = judge(bench)
    bench.store.close()
    report = summarize(read_run(folders.winner / "test"))
    return folder / "rehearsal.yaml", verdict_of(folders.gate), report, folder / "work"


def test_what_was_agreed_holds(folder: Path) -> None:
    """Nothing changed: no alarm, and the pact lies beside the experiment file."""
    file, verdict, report, workspace = release(folder)

    before = check_release(file, verdict, workspace, report=report, today=TODAY)
    path = agree_gate(file, verdict, workspace, owner="lead", reason="looked at it", today=TODAY)
    after = check_release(file, verdict, workspace, report=report, today=TODAY)

    assert pact_file(file) == path
    assert (False, True) == (before.agreed, after.agreed)
    assert () == before.alarms
    assert () == after.alarms


def test_a_loosened_rule_is_noticed(folder: Path) -> None:
    """The rules are those of the file as it is now: they no longer give this verdict, and are weaker than agreed."""
    file, verdict, report, workspace = release(folder)
    agree_gate(file, verdict, workspace, owner="lead", reason="looked at it", today=TODAY)
    file.write_text(TEXT.replace("at_least: 0.05", "at_least: 0.01"))

    found = check_release(file, verdict, workspace, report=report, today=TODAY)

    assert {"rule", "evidence"} == {alarm.about for alarm in found.alarms}
    assert not found.holds


def test_an_edited_report_is_noticed(folder: Path) -> None:
    """The report that was kept has to follow from the run."""
    file, verdict, report, workspace = release(folder)
    line = report.lines[0].model_copy(update={"estimate": 0.99})
    edited = report.model_copy(update={"lines": (line, *report.lines[1:])})

    found = check_release(file, verdict, workspace, report=edited, today=TODAY)

    assert ["the report is not the one that follows from the challenger's run"] == [one.what for one in found.alarms]


def test_an_edited_run_is_no_longer_found(folder: Path) -> None:
    """The verdict names its runs by their content."""
    file, verdict, report, workspace = release(folder)
    for header in (workspace / "stages").glob("*/test/header.json"):
        run = read_run(header.parent)
        raised = tuple(score.model_copy(update={"value": 1.0}) for score in run.scores)
        write_run(header.parent, run.model_copy(update={"scores": raised}))

    with pytest.raises(DataError, match="is not in the workspace, or was edited"):
        check_release(file, verdict, workspace, report=report, today=TODAY)


def test_somebody_has_to_answer(folder: Path) -> None:
    """An agreement without a name is none."""
    file, verdict, _report, workspace = release(folder)

    with pytest.raises(ConfigError, match="an owner who answers for it"):
        agree_gate(file, verdict, workspace, owner=" ", reason="looked", today=TODAY)
