"""Vectors on disk, all of them looked at for each query, in three steps from coarse to fine.

    signs.npy     uint64 (words, rows)       a bit per dimension: is the value above zero?            in memory
    scales.npy    float32 (2, rows)          the step of a row's whole numbers, and their error       in memory
    int8.npy      int8 (rows, dimensions)    the row in whole numbers from -127 to 127                mapped
    f16.npy       float16 (rows, dimensions) the row                                                  mapped

The bits choose candidates, the whole numbers thin them out, and what is left is ranked by the cosines of the float16
rows. Only the first step can lose a row: the second keeps every candidate that its error bound can't rule out. Few
rows, or few that the caller may see, skip the first step, so a narrow filter is answered exactly.

A row's code is its own: nothing in it depends on the rows beside it, and what is chosen by codes depends on no order.
So rows that lie in several indexes are answered as if they lay in one (`choose_rows`), which a centre of all rows in
place of zero would not allow.

Why no graph (HNSW): it takes many times as long to build, can't be appended to for the price of what is new, and loses
most of what it should find under a narrow filter.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.core import RetrievalError, boundary
from workbench.retrieval import flat_numpy
from workbench.retrieval.index import Vectors

PER_HIT = 70
LEAST_CANDIDATES = 7_000
"""Rows that the bits choose: at least so many, and at least so many for each hit that is asked for. What that finds of
the ten nearest, `benchmarks.retrieval_speed` prints."""
_COMPILED_ROWS = 50_000
"""From here on compiled loops are worth the seconds that a process takes to load them; below it numpy is soon done."""
_BLOCK = 2_048
_FINEST = 8_191
"""A query in whole numbers goes from minus this to this: its product with 2,000 dimensions fits into 32 bits."""
_SLACK = 1e-5
"""Added to the error of a query for what float32 rounds."""
_HALF_ERROR = 6e-4
"""What float16 leaves out of a row of length 1: 2 ** -11 of it, and a little for values too small for that."""


class Coded(Protocol):
    """Rows whose codes are at hand."""

    @property
    def codes(self) -> NDArray[np.uint64]:
        """A row per word of 64 bits and a column per vector, as `code` makes them."""
        ...


class _Loops(Protocol):
    def near_codes(
        self,
        codes: NDArray[np.uint64],
        query: NDArray[np.uint64],
        allowed: NDArray[np.bool_],
        wanted: int,
        counts: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.uint16]]: ...

    def products(
        self, rows: NDArray[np.int8], positions: NDArray[np.int64], query: NDArray[np.int16]
    ) -> NDArray[np.int64]: ...


def write_flat(folder: Path, vectors: Vectors) -> None:
    """Write rows of length 1 as the files of a flat index; the same rows give the same bytes.

    The folder has to be there. Nothing is synced or published: the caller does that for a whole generation.

    Raises: RetrievalError if there are no rows, their dimension is no multiple of 64, a value is not finite or a
    length not 1, or the disk refuses.
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not len(vectors) or vectors.shape[1] % 64:
        raise RetrievalError(
            f"flat index {str(folder)!r}: got {vectors.dtype} {vectors.shape}, expected float32 with at least one row "
            "and a multiple of 64 dimensions"
        )
    with boundary(RetrievalError, f"flat index {str(folder)!r}"):
        _write(folder, vectors)


def _write(folder: Path, vectors: Vectors) -> None:
    rows, dimensions = vectors.shape
    codes = np.empty((_words(dimensions), rows), dtype=np.uint64)
    scales = np.empty((2, rows), dtype=np.float32)
    whole = _new(folder / "int8.npy", "int8", vectors.shape)
    halves = _new(folder / "f16.npy", "float16", vectors.shape)
    for start in range(0, rows, _BLOCK):
        part = slice(start, start + _BLOCK)
        _check_lengths(vectors[part], start)
        codes[:, part] = code(vectors[part])
        halves[part] = vectors[part]
        scales[0, part], whole[part], scales[1, part] = _quantize(vectors[part])
    whole.flush()
    halves.flush()
    for name, values in (("signs", codes), ("scales", scales)):
        np.save(folder / f"{name}.npy", values, allow_pickle=False)


class Flat:
    """A flat index that is open for searching. Safe under threads; uses one per search."""

    def __init__(self, folder: Path) -> None:
        with boundary(RetrievalError, f"flat index {str(folder)!r}: can't be opened; build the index again"):
            self.codes: NDArray[np.uint64] = np.load(folder / "signs.npy", allow_pickle=False)
            self._scales: Vectors = np.load(folder / "scales.npy", allow_pickle=False)
            # A plain array over the mapped file: numpy's own class for it is slow to take parts of.
            self._whole: NDArray[np.int8] = np.asarray(np.load(folder / "int8.npy", mmap_mode="r", allow_pickle=False))
            self._halves: NDArray[np.float16] = np.asarray(
                np.load(folder / "f16.npy", mmap_mode="r", allow_pickle=False)
            )
        self._check(folder)
        self._everything = np.ones(self.codes.shape[1], dtype=np.bool_)
        self._loops = _loops(len(self))
        self.search(self._halves[0].astype(np.float32), 1)  # the first search loads compiled code: not a caller's

    @classmethod
    def open(cls, folder: Path) -> "Flat":
        """Open what `write_flat` wrote.

        Raises: RetrievalError if a file is missing or they don't belong together.
        """
        return cls(folder)

    def __len__(self) -> int:
        return len(self._everything)

    def search(
        self, query: Vectors, k: int, *, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions of the k rows nearest to a query of length 1, and their cosines: best first, ties by position.

        Cosines are rounded to six digits, so that ties break alike on every machine. `allowed` says for each row
        whether it may be found; fewer than k are, if it leaves fewer. Up to max(`LEAST_CANDIDATES`,
        `PER_HIT` * k) allowed rows, the answer is exact.

        Raises: RetrievalError if k is less than 1, or query or `allowed` are of another size than the index.
        """
        self._check_request(query, k, allowed)
        [candidates] = choose_rows([self], [self._everything if allowed is None else allowed], query, k)
        return self.rank(candidates, query, k)

    def rank(
        self, candidates: NDArray[np.int64], query: Vectors, k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Of the rows at these positions the k nearest, exactly, as `search` tells them."""
        positions = self._thin_out(candidates, query, k)
        cosines = np.round(self._halves[positions].astype(np.float64) @ query.astype(np.float64), 6)
        best = np.lexsort((positions, -cosines))[:k]
        return positions[best], cosines[best].astype(np.float32)

    def _thin_out(self, positions: NDArray[np.int64], query: Vectors, k: int) -> NDArray[np.int64]:
        """Those of the candidates that can be among the best k, by the largest error their whole numbers can make."""
        if len(positions) <= k:
            return positions
        step = float(np.abs(query).max()) / _FINEST or 1.0
        rounded = np.rint(query / step).astype(np.int16)
        blur = float(np.linalg.norm(query - rounded * step)) + _SLACK
        scales, errors = self._scales[0][positions], self._scales[1][positions]
        about = self._loops.products(self._whole, positions, rounded) * (scales.astype(np.float64) * step)
        sure = np.partition(about - errors, -k)[-k] - 2 * blur
        kept: NDArray[np.int64] = positions[about + errors >= sure]
        return kept

    def _check(self, folder: Path) -> None:
        rows, dimensions = self._halves.shape
        shapes = [self._whole.shape, self.codes.shape, self._scales.shape]
        expected = [(rows, dimensions), (_words(dimensions), rows), (2, rows)]
        if shapes != expected:
            raise RetrievalError(
                f"flat index {str(folder)!r}: its files have shapes {shapes}, expected {expected} beside "
                f"{rows} float16 rows; write it again"
            )

    def _check_request(self, query: Vectors, k: int, allowed: NDArray[np.bool_] | None) -> None:
        if k < 1 or query.shape != self._halves.shape[1:] or (allowed is not None and allowed.shape != (len(self),)):
            rows = "all" if allowed is None else str(allowed.shape)
            raise RetrievalError(
                f"search among {len(self)} rows of {self._halves.shape[1]} dimensions: k is {k}, the query "
                f"{query.shape}, allowed rows {rows}; ask for at least 1, with sizes that fit"
            )


def choose_rows(
    indexes: Sequence[Coded], allowed: Sequence[NDArray[np.bool_]], query: Vectors, k: int
) -> list[NDArray[np.int64]]:
    """For each of some indexes the positions of the rows that the codes choose for k hits, as if they were one index.

    Over all of them max(`LEAST_CANDIDATES`, `PER_HIT` * k) of those allowed, and with the last of them all that are as
    far away; all, if no more are allowed.
    """
    wanted, counted = max(LEAST_CANDIDATES, PER_HIT * k), sum(np.count_nonzero(seen) for seen in allowed)
    if counted <= wanted:
        return [np.flatnonzero(seen) for seen in allowed]
    asked, loops = code(query[np.newaxis])[:, 0], _loops(sum(len(seen) for seen in allowed))
    counts = np.zeros(64 * len(asked) + 1, dtype=np.int64)
    masks = [np.broadcast_to(seen, seen.shape) for seen in allowed]  # read-only ones, for the same reason as in `code`
    found = [
        loops.near_codes(index.codes, asked, mask, wanted, counts) for index, mask in zip(indexes, masks, strict=True)
    ]
    farthest = int(np.searchsorted(np.cumsum(counts), wanted))
    return [positions[distances <= farthest] for positions, distances in found]


def code(rows: NDArray[np.floating]) -> NDArray[np.uint64]:
    """The codes of rows: a row per word of 64 bits, a column per vector."""
    bits = np.packbits(rows > 0, axis=1, bitorder="little").view("<u8")
    # In one order in memory wherever it comes from, or compiled loops are compiled once more.
    return np.ascontiguousarray(np.pad(bits, ((0, 0), (0, _words(rows.shape[1]) - bits.shape[1]))).T)


def _loops(rows: int) -> _Loops:
    if rows < _COMPILED_ROWS or find_spec("numba") is None:
        return flat_numpy
    from workbench.retrieval import compiled  # noqa: PLC0415 - a second to import, and not everywhere

    return compiled


def _words(dimensions: int) -> int:
    """Words of a code: compiled loops take six at a time, so there are empty ones at the end."""
    return -(-dimensions // 384) * 6


def _quantize(rows: Vectors) -> tuple[Vectors, NDArray[np.int8], Vectors]:
    """For each row the step, its whole numbers, and the most that they can be off in a cosine."""
    steps = np.maximum(rows.max(axis=1), -rows.min(axis=1)) / np.float32(127)
    whole = np.rint(rows / steps[:, np.newaxis])
    return steps, whole.astype(np.int8), _lengths(rows - whole * steps[:, np.newaxis]) + np.float32(_HALF_ERROR)


def _check_lengths(rows: Vectors, start: int) -> None:
    lengths = _lengths(rows)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < 1e-3))
    if len(wrong):
        raise RetrievalError(f"vector {start + int(wrong[0])}: has length {lengths[wrong[0]]:.4f}, expected 1")


def _lengths(rows: Vectors) -> Vectors:
    lengths: Vectors = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths


def _new(path: Path, dtype: str, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
