"""The benchmark runs small, and it would see a call that the ledger lacks, has twice or has under another name."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import ledger as benchmark
from benchmarks.tracked_usage import tracked_usage

SMALL = benchmark.Size(asked=12, cases=6)


def test_all_is_reconciled(tmp_path: Path) -> None:
    """Threads, something outside, and a program."""
    legs = [
        benchmark.threads(SMALL, tmp_path),
        benchmark.outside(SMALL, tmp_path, benchmark.OUTSIDE[0]),
        benchmark.evaluation(SMALL, tmp_path),
    ]

    assert [True] * 3 == [leg.met for leg in legs], legs
    assert [True] * 3 == [leg.calls > 0 for leg in legs]


@pytest.mark.parametrize(
    ("ledger", "percent"),
    [
        ({("r", "a", "calls"): 3, ("r", "b", "calls"): 1}, 100.0),
        ({("r", "a", "calls"): 3}, 75.0),
        ({("r", "a", "calls"): 3, ("r", "b", "calls"): 2}, 80.0),
        ({("r", "a", "calls"): 2, ("r", "b", "calls"): 2}, 75.0),
    ],
)
def test_what_is_missing_twice_or_under_another_name_is_seen(
    ledger: dict[tuple[str, str, str], int], percent: float
) -> None:
    """Sums alone would not show the last."""
    account = Counter({("r", "a", "calls"): 3, ("r", "b", "calls"): 1})

    assert percent == benchmark._reconciled(account, Counter(ledger), "calls")


def test_the_peer_is_measured() -> None:
    """One thread reports all."""
    assert (100.0, "tokens by model") == tracked_usage(4, 1)
