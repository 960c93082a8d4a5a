"""The measuring of retrieval's speed measures what it says: every query asked, mixes on the sphere, a true oracle."""

from pathlib import Path

import numpy as np

from benchmarks.speed_texts import mixed
from benchmarks.speed_times import take_times
from benchmarks.speed_vectors import _nearest


def test_every_query_is_asked_once_before_any_is_asked_again() -> None:
    """Three passes in order; the best pass is no slower than the first, and the middle no slower than the tail."""
    asked: list[str] = []
    times = take_times(asked.append, ["a", "b"], passes=3)

    assert ["a", "b"] * 3 == asked
    assert 0 <= times.p50 <= times.p95 <= times.first_p95
    assert times.cpu <= times.cpu_p95


def test_mixes_begin_with_what_is_real_and_have_length_one(tmp_path: Path) -> None:
    """The rows are the real ones, then points between two of them; the same each time."""
    base = np.eye(64, dtype=np.float32)
    rows = mixed(base, 500, tmp_path / "one.npy")

    np.testing.assert_array_equal(base, rows[:64])
    np.testing.assert_allclose(1, np.linalg.norm(rows, axis=1), rtol=1e-5)
    assert (np.count_nonzero(rows, axis=1) <= 2).all()
    np.testing.assert_array_equal(rows, mixed(base, 500, tmp_path / "two.npy"))


def test_the_oracle_is_the_full_sort() -> None:
    """Over more rows than a block: the ten nearest, nearest first."""
    drawn = np.random.default_rng(1).normal(size=(60_005, 8)).astype(np.float32)
    rows, queries = drawn[:60_000], drawn[60_000:]
    expected = np.argsort(-(queries @ rows.T), axis=1)[:, :10]

    np.testing.assert_array_equal(expected, _nearest(rows, queries))
