"""The two inner loops of a flat index in numpy: what a small index uses, and one on a machine without numba."""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 32_768
"""Rows at a time: what is computed of them stays in the processor's cache."""


def nearest_codes(
    codes: NDArray[np.uint64], query: NDArray[np.uint64], allowed: NDArray[np.bool_], wanted: int
) -> NDArray[np.int64]:
    """Positions of the rows whose codes differ from the query's in the fewest bits, ascending.

    At least `wanted` of those allowed, or all; with the last of them come all that are as far away. `codes` has a
    row per word of 64 bits and a column per vector.
    """
    distances = np.empty(codes.shape[1], dtype=np.uint16)
    for start in range(0, codes.shape[1], _BLOCK):
        block = codes[:, start : start + _BLOCK]
        differing = np.zeros(block.shape[1], dtype=np.uint16)
        for word, wanted_word in zip(block, query, strict=True):
            differing += np.bitwise_count(word ^ wanted_word)
        distances[start : start + _BLOCK] = differing
    counts = np.cumsum(np.bincount(distances[allowed], minlength=64 * len(query) + 1))
    farthest = int(np.searchsorted(counts, min(wanted, int(counts[-1]))))
    return np.flatnonzero((distances <= farthest) & allowed)


def products(rows: NDArray[np.int8], positions: NDArray[np.int64], query: NDArray[np.int16]) -> NDArray[np.int64]:
    """The inner product of each row named with the query, exactly."""
    return (rows[positions].astype(np.float64) @ query.astype(np.float64)).astype(np.int64)
