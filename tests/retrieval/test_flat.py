"""A flat index finds what comparing every row finds: exactly under narrow filters, nearly always among many rows."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from workbench.core import RetrievalError
from workbench.retrieval import flat
from workbench.retrieval.flat import Flat, write_flat

Found = tuple[list[int], list[float]]


def _rows(count: int, dimensions: int = 64, seed: int = 0) -> NDArray[np.float32]:
    """Points around a few centres, of length 1, far from the origin: as embeddings lie."""
    stream = np.random.default_rng(seed)
    centres = stream.normal(size=(20, dimensions)) + 0.5
    rows = centres[stream.integers(20, size=count)] + 0.7 * stream.normal(size=(count, dimensions))
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _exact(rows: NDArray[np.float32], query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_]) -> Found:
    """The oracle: cosines with all float16 rows, sorted."""
    cosines = np.round(rows.astype(np.float16).astype(np.float64) @ query.astype(np.float64), 6)
    order = [int(place) for place in np.lexsort((np.arange(len(rows)), -cosines)) if allowed[place]][:k]
    return order, cosines[order].astype(np.float32).tolist()


def _found(index: Flat, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None) -> Found:
    positions, cosines = index.search(query, k, allowed=allowed)
    return positions.tolist(), cosines.tolist()


@pytest.fixture(params=["numpy", "compiled"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small indexes that choose candidates as large ones do, with either kind of loops."""
    monkeypatch.setattr(flat, "LEAST_CANDIDATES", 300)
    monkeypatch.setattr(flat, "PER_HIT", 10)
    if request.param == "compiled":
        pytest.importorskip("numba")
        monkeypatch.setattr(flat, "_COMPILED_ROWS", 0)


@pytest.mark.usefixtures("loops")
@pytest.mark.parametrize("dimensions", [64, 384, 448])
def test_a_narrow_filter_is_answered_exactly(dimensions: int, tmp_path: Path) -> None:
    """Few allowed rows: positions and cosines are those of comparing each of them, at any number asked for."""
    rows, stream = _rows(3_000, dimensions), np.random.default_rng(1)
    write_flat(tmp_path, rows)
    index = Flat.open(tmp_path)
    for query in _rows(5, dimensions, seed=2):
        for share, k in ((0.002, 10), (0.05, 1), (0.09, 20), (0.0, 3)):
            allowed = stream.random(len(rows)) < share
            assert _exact(rows, query, k, allowed) == _found(index, query, k, allowed)


@pytest.mark.usefixtures("loops")
def test_among_many_rows_nearly_all_are_found(tmp_path: Path) -> None:
    """A fifth of the allowed rows are candidates: 97 of 100 of the true ten are found, and only what is allowed."""
    drawn, allowed = _rows(3_050, 384), np.arange(3_000) % 2 == 0
    rows, queries = drawn[:3_000], drawn[3_000:]
    write_flat(tmp_path, rows)
    index, met = Flat.open(tmp_path), 0
    for query in queries:
        found, _ = _found(index, query, 10, allowed)
        assert allowed[found].all()
        met += len(set(found) & set(_exact(rows, query, 10, allowed)[0]))
    assert met >= 485


def test_compiled_loops_give_the_same_answers_as_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, with a filter and without one."""
    pytest.importorskip("numba")
    monkeypatch.setattr(flat, "LEAST_CANDIDATES", 100)
    monkeypatch.setattr(flat, "PER_HIT", 1)
    rows, allowed = _rows(9_000), np.random.default_rng(4).random(9_000) < 0.3
    write_flat(tmp_path, rows)
    plain = Flat.open(tmp_path)
    monkeypatch.setattr(flat, "_COMPILED_ROWS", 0)
    compiled = Flat.open(tmp_path)
    for query in _rows(20, seed=5):
        assert _found(plain, query, 10) == _found(compiled, query, 10)
        assert _found(plain, query, 10, allowed) == _found(compiled, query, 10, allowed)


def test_equal_rows_are_ranked_by_position(tmp_path: Path) -> None:
    """Of the same row many times the first are found."""
    write_flat(tmp_path, np.repeat(_rows(1), 30, axis=0))

    assert [0, 1, 2, 3] == _found(Flat.open(tmp_path), _rows(1)[0], 4)[0]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    """Files can be named by their digests."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_flat(tmp_path / name, _rows(100))
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))

    assert one == two
    assert {"f16.npy", "int8.npy", "scales.npy", "signs.npy"} == set(one)


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((0, 64), dtype=np.float32),
        np.ones((2, 63), dtype=np.float32),
        np.ones((2, 64), dtype=np.float32),
        np.full((2, 64), np.nan, dtype=np.float32),
        np.zeros((2, 64), dtype=np.float32),
    ],
)
def test_what_is_no_set_of_unit_vectors_is_refused(rows: NDArray[np.float32], tmp_path: Path) -> None:
    """No rows, an odd size, another length, not a number, nothing."""
    with pytest.raises(RetrievalError, match="expected"):
        write_flat(tmp_path, rows)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    """One file of another index, or none at all."""
    write_flat(tmp_path, _rows(10))
    np.save(tmp_path / "scales.npy", np.ones((2, 9), dtype=np.float32))
    with pytest.raises(RetrievalError, match="write it again"):
        Flat.open(tmp_path)
    (tmp_path / "scales.npy").unlink()
    with pytest.raises(RetrievalError, match=r"scales\.npy"):
        Flat.open(tmp_path)


@pytest.mark.parametrize(("size", "k", "allowed"), [(64, 0, 10), (128, 1, 10), (64, 1, 9)])
def test_a_request_of_another_size_is_refused(size: int, k: int, allowed: int, tmp_path: Path) -> None:
    """No hit asked for, a query of other dimensions, a filter for other rows."""
    write_flat(tmp_path, _rows(10))
    with pytest.raises(RetrievalError, match="sizes that fit"):
        Flat.open(tmp_path).search(_rows(1, size)[0], k, allowed=np.ones(allowed, dtype=np.bool_))
