"""The proof on a small evaluation, and that it would see a loss."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import kill_nine as benchmark

FINE = benchmark.Leg(
    name="scripted", cases=9, kills=3, lost=0, done_twice=0, tried_again=2, most_under_way=2, torn=0,
    same_bytes=True, seconds=1.0,
)  # fmt: skip


def test_killed_evaluations_lose_nothing_and_pay_nothing_twice(tmp_path: Path) -> None:
    """Real processes, real kills."""
    report = benchmark.kills(tmp_path, kills=4, cases=80)

    assert (4, 4) == (report.scripted.kills, report.paid.kills)
    assert report.met, benchmark.render(report)
    assert "0 questions paid twice by the ledger" in benchmark.render(report)


@pytest.mark.parametrize(
    ("change", "met"),
    [
        ({}, True),
        ({"lost": 1}, False),
        ({"done_twice": 1}, False),
        ({"same_bytes": False}, False),
        ({"kills": 2}, False),
        ({"most_under_way": 3}, False),
        ({"tried_again": 6}, True),
    ],
)
def test_what_counts_as_a_trace(change: dict[str, int], met: bool) -> None:
    """What was under way may be tried again, as much as there are threads; nothing else."""
    leg = FINE.model_copy(update=change)
    report = benchmark.KillReport(wanted=3, scripted=FINE, paid=leg, paid_twice=0, asked_again=1)

    assert met == report.met
    assert not report.model_copy(update={"paid_twice": 1}).met


def test_a_lost_and_a_repeated_episode_are_seen(tmp_path: Path) -> None:
    """The watch compares calls and journal with what they were before."""
    (tmp_path / "journal").mkdir()
    journal, calls = tmp_path / "journal" / "episodes.jsonl", tmp_path / "calls"
    watch = benchmark._Watch(tmp_path)
    line = '{{"episode":{{"case_id":"{}"}}}}\n'
    calls.write_text("c0\nc1\nc2\n")
    journal.write_text("first\n" + line.format("c0") + line.format("c1") + '{"episode":')
    watch.look()
    calls.write_text("c0\nc1\nc2\nc2\nc0\n")
    journal.write_text("first\n" + line.format("c0") + line.format("c2"))
    watch.look()

    assert (1, 1, 1) == (watch.lost, watch.done_twice, watch.torn)
    assert Counter(c0=1, c2=1) == watch.journalled
