"""More than one candidate may try its luck on held-out cases, and pays for it with stricter tests."""

from datetime import date
from pathlib import Path

import pytest
from rehearsal import TEXT, Rehearsal, bench_in, judge

from workbench.core import read_run
from workbench.lab import Bench
from workbench.lab.deciding import Final, final, verdict_of
from workbench.lab.searching import found
from workbench.optimize import finalists

THREE = TEXT.replace("  budget: {calls: 200", "  finalists: 3\n  budget: {calls: 200")


def decided(folder: Path, text: str) -> tuple[Bench, Final, list[str]]:
    """The experiment up to the gate: its bench, who won, and the folders of the finalists that were tried."""
    bench = bench_in(folder, Rehearsal(), text=text)
    folders = judge(bench)
    bench.store.close()
    tried = sorted(path.name for path in folders.winner.glob("finalist-*"))
    verdict, winner = verdict_of(folders.gate), final(folders.winner)
    outcome = found(folders.optimized)

    assert read_run(folders.winner / "test").digest == verdict.run_digest
    assert outcome.trials[winner.trial].agent_digest == verdict.agent_digest
    assert winner.trial in {trial.number for trial in finalists(outcome, 3)}
    return bench, winner, tried


def test_the_best_by_validation_goes_first_and_a_pass_ends_it(cases: Path, tmp_path: Path) -> None:
    """It meets the rules, so nobody else is tried; each test was at a third of the error rate."""
    bench, winner, tried = decided(tmp_path, THREE)

    assert (0, 1, ["finalist-0"]) == (winner.place, winner.tried, tried)
    assert winner.of > 1
    assert pytest.approx(0.05 / 3) == bench.experiment.terms(date(2026, 11, 23)).alpha


def test_where_none_passes_the_best_by_validation_stands(cases: Path, tmp_path: Path) -> None:
    """All were tried, and the verdict on the first is kept with its evidence."""
    bench, winner, tried = decided(tmp_path, THREE.replace("at_least: 0.05", "at_least: 0.99"))

    assert (0, winner.of, winner.of) == (winner.place, winner.tried, len(tried))
    assert bench.workspace.folder == tmp_path / "work"
