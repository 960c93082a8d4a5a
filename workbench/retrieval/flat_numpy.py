"""The two inner loops of a flat index in numpy: what a small index uses, and one on a machine without numba."""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 32_768
"""Rows at a time: what is computed of them stays in the processor's cache."""


def near_codes(
    codes: NDArray[np.uint64],
    query: NDArray[np.uint64],
    allowed: NDArray[np.bool_],
    wanted: int,
    counts: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Positions of the allowed rows whose codes can be among the `wanted` nearest, ascending, and the bits that differ.

    `counts` says of each number of bits how many rows differ in so many; this adds its own, so that the next index,
    asked with the same, leaves out what is farther than enough rows of this one. `codes` has a row per word of 64 bits
    and a column per vector.
    """
    distances = np.empty(codes.shape[1], dtype=np.uint16)
    for start in range(0, codes.shape[1], _BLOCK):
        block = codes[:, start : start + _BLOCK]
        differing = np.zeros(block.shape[1], dtype=np.uint16)
        for word, wanted_word in zip(block, query, strict=True):
            differing += np.bitwise_count(word ^ wanted_word)
        distances[start : start + _BLOCK] = differing
    counts += np.bincount(distances[allowed], minlength=len(counts))
    found = np.flatnonzero((distances <= np.searchsorted(np.cumsum(counts), wanted)) & allowed)
    return found, distances[found]


def products(rows: NDArray[np.int8], positions: NDArray[np.int64], query: NDArray[np.int16]) -> NDArray[np.int64]:
    """The inner product of each row named with the query, exactly."""
    return (rows[positions].astype(np.float64) @ query.astype(np.float64)).astype(np.int64)
