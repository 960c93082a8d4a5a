"""A stage is its inputs: what is unchanged is found again, what was cut off goes on, nothing is paid twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rehearsal
from rehearsal import TEXT, Rehearsal, Told, bench_in, judge

from workbench.core import read_run
from workbench.lab import searching
from workbench.lab.deciding import runs_of
from workbench.lms import CallStore


def made_in(folder: Path, text: str) -> tuple[list[str], int]:
    """The stages that were made over what the folder holds, and the calls that were really asked."""
    told, model = Told(), Rehearsal()
    judge(bench_in(folder, model, text=text, progress=told))
    return told.made, model.engine.calls


def test_the_second_run_finds_every_stage_and_asks_nothing(folder: Path) -> None:
    """In seconds, whatever the first one took."""
    assert ([], 0) == made_in(folder, TEXT)


@pytest.mark.parametrize(
    ("old", "new", "expected", "asks"),
    [
        ("at_least: 0.05", "at_least: 0.99", ["gate"], False),
        ("question: Does", "question: Still, does", [], False),
        ("traces: 4", "traces: 5", [], False),
        ("calls: 200", "calls: 199", ["optimize"], False),
        ("recall@1]", "recall@5]", ["baseline", "optimize", "winner", "gate"], False),
        ("seed: 7", "seed: 8", ["evalset", "baseline", "optimize", "winner", "gate"], True),
        ("test: 24", "test: 20", ["evalset", "baseline", "optimize", "winner", "gate"], True),
    ],
)
def test_a_change_makes_anew_what_rests_on_it(
    old: str, new: str, expected: list[str], asks: bool, folder: Path
) -> None:
    """And nothing else; an answer that is paid for is not asked again."""
    assert old in TEXT
    made, calls = made_in(folder, TEXT.replace(old, new))

    assert expected == made
    assert asks == (calls > 0)


def test_the_winner_is_better_and_the_ledger_agrees_with_the_engine(cases: Path, tmp_path: Path) -> None:
    """Calls and tokens of all stages, by the engine's own counters; the search is charged what it paid itself."""
    model = Rehearsal()
    bench = bench_in(tmp_path, model)
    folders = judge(bench)
    ledger = bench.store.frame()
    paid = ledger.filter(~ledger["cached"])

    expected = (model.engine.calls, model.engine.prompt_tokens, model.engine.completion_tokens)
    assert expected == (paid.height, paid["prompt_tokens"].sum(), paid["completion_tokens"].sum())
    found = searching.found(folders.optimized)
    searched = paid.filter(paid["run"] == searching.search_run(folders.optimized))
    assert (searched.height, "") == (found.spent.calls, found.stopped)
    before, after = (
        [score.value or 0.0 for score in run.scores if score.metric == "task_success"]
        for run in runs_of(folders.baseline, folders.winner)
    )
    assert sum(before) < sum(after)


def test_no_test_case_is_met_before_the_winner_is_chosen(folder: Path, cases: Path) -> None:
    """The ledger of the search names validation cases alone."""
    bench = bench_in(folder, Rehearsal())
    folders = judge(bench)
    cases_of = bench.evalset(folders.evalset)
    met = set(bench.store.frame(searching.search_run(folders.optimized))["case_id"])

    assert met <= {case.case_id for case in cases_of.val}
    assert len(cases_of.test) == len(read_run(folders.winner / "test").episodes)


def test_a_stage_that_was_cut_off_is_not_done(folder: Path) -> None:
    """Without its marker it is made again, over what it left."""
    marker = next(folder.glob("work/stages/winner-*/done.json"))
    marker.unlink()

    assert (["winner"], 0) == made_in(folder, TEXT)


def test_a_search_that_is_killed_ends_like_one_that_is_not(
    cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill -9 in the middle, and again over the same workspace: the same bytes, no question paid twice.

    The clock stands still in all three processes: how long something took is all that may differ.
    """
    killed = tmp_path / "killed"
    already = _kill_in_search(killed, after=30)
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    model, whole = Rehearsal(), Rehearsal()
    resumed = bench_in(killed, model)
    *_, found = rehearsal.search(resumed)
    *_, expected = rehearsal.search(bench_in(tmp_path / "whole", whole))

    assert (expected / "optimized.json").read_bytes() == (found / "optimized.json").read_bytes()
    ledger = resumed.store.frame()
    paid = ledger.filter(~ledger["cached"])
    assert paid.height == paid["key"].n_unique() == whole.engine.calls
    assert 30 <= already <= whole.engine.calls - model.engine.calls
    assert model.engine.calls > 0


def _kill_in_search(folder: Path, *, after: int) -> int:
    """Run the experiment in a process of its own and kill it when its search has paid so many calls; those paid."""
    command = [sys.executable, str(Path(rehearsal.__file__)), str(folder)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(root)}
    )
    ends = time.monotonic() + 60
    try:
        while process.poll() is None and time.monotonic() < ends:
            if _paid(folder / "work" / "calls.db") >= after:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
    finally:
        process.kill()
        assert -signal.SIGKILL == process.wait(), "it ended before it could be killed"
    assert [] == list(folder.glob("work/stages/optimize-*/done.json"))
    return _paid(folder / "work" / "calls.db")


def _paid(path: Path) -> int:
    """Calls that a search paid for so far."""
    if not path.exists():
        return 0
    store = CallStore(path)
    try:
        ledger = store.frame()
        return int((~ledger["cached"] & ledger["run"].str.starts_with("search-")).sum())
    finally:
        store.close()
