"""The inner loops of large indexes as machine code: the same answers as numpy gives, several times faster.

The only importer of numba, which need not be there. Compiling takes seconds once on a machine; the result is kept
beside this file as Python keeps its own, or in the user's cache folder where that can't be written.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

_Loop = TypeVar("_Loop", bound=Callable[..., object])
_BLOCK = 4096
"""Rows at a time: the distances of a block are counted while they are in the processor's nearest cache."""
_ONE, _TWO, _FOUR, _TOP = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)
_PAIRS, _QUADS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
_BYTES, _SUM = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0101010101010101)


def _compiled(loop: _Loop) -> _Loop:
    """The loop as machine code that lets other threads run."""
    return cast(_Loop, numba.njit(nogil=True, cache=True)(loop))


@_compiled
def _ones(word: np.uint64) -> np.uint64:
    """How many bits are set. The compiler knows these lines and makes one instruction of them.

    Source: Warren 2013, Hacker's Delight, ch. 5-1.
    """
    word = word - ((word >> _ONE) & _PAIRS)
    word = (word & _QUADS) + ((word >> _TWO) & _QUADS)
    word = (word + (word >> _FOUR)) & _BYTES
    return (word * _SUM) >> _TOP


@_compiled
def near_codes(
    codes: NDArray[np.uint64],
    query: NDArray[np.uint64],
    allowed: NDArray[np.bool_],
    wanted: int,
    counts: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """See `flat_numpy.near_codes`; the number of words has to be a multiple of six."""
    words, rows = codes.shape
    found, distances = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.uint16)
    farthest, within, filled = 64 * words, counts.sum(), 0
    block = np.empty(_BLOCK, dtype=np.uint16)
    for start in range(0, rows, _BLOCK):
        size = min(_BLOCK, rows - start)
        block[:] = 0
        for word in range(0, words, 6):
            _add_differing(block[:size], codes, query, word, start)
        for row in range(size):
            if block[row] <= farthest and allowed[start + row]:
                found[filled], distances[filled] = start + row, block[row]
                counts[block[row]] += 1
                within, filled = within + 1, filled + 1
        # What is farther than enough rows that were seen can't be among the nearest, here and in what comes later.
        while within - counts[farthest] >= wanted:
            within -= counts[farthest]
            farthest -= 1
    near = distances[:filled] <= farthest
    return found[:filled][near], distances[:filled][near]


@_compiled
def _add_differing(
    block: NDArray[np.uint16], codes: NDArray[np.uint64], query: NDArray[np.uint64], word: int, start: int
) -> None:
    """Add the bits in which six words differ: spelled out, or the compiler would take one row after the other."""
    stop = start + len(block)
    one, two, three = codes[word][start:stop], codes[word + 1][start:stop], codes[word + 2][start:stop]
    four, five, six = codes[word + 3][start:stop], codes[word + 4][start:stop], codes[word + 5][start:stop]
    first, second, third = query[word], query[word + 1], query[word + 2]
    fourth, fifth, sixth = query[word + 3], query[word + 4], query[word + 5]
    for row in range(len(block)):
        left = _ones(one[row] ^ first) + _ones(two[row] ^ second) + _ones(three[row] ^ third)
        right = _ones(four[row] ^ fourth) + _ones(five[row] ^ fifth) + _ones(six[row] ^ sixth)
        block[row] += np.uint16(left + right)


@_compiled
def products(rows: NDArray[np.int8], positions: NDArray[np.int64], query: NDArray[np.int16]) -> NDArray[np.int64]:
    """See `flat_numpy.products`; the sum has to fit into 32 bits."""
    found = np.empty(len(positions), dtype=np.int64)
    for place in range(len(positions)):
        row = rows[positions[place]]
        total = np.int32(0)
        for dimension in range(len(query)):
            total += np.int32(row[dimension]) * np.int32(query[dimension])
        found[place] = total
    return found


@_compiled
def add_weights(
    scores: NDArray[np.float64],
    words: NDArray[np.int64],
    starts: NDArray[np.int64],
    documents: NDArray[np.int32],
    weights: NDArray[np.float64],
) -> None:
    """Add to each document's score what each word of a query weighs in it, word after word."""
    for word in words:
        for place in range(starts[word], starts[word + 1]):
            scores[documents[place]] += weights[place]


@_compiled
def best(scores: NDArray[np.float64], places: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Positions of the k highest scores above zero, highest first, ties by place."""
    found = np.empty(min(k, len(scores)), dtype=np.int64)
    filled = 0
    for row in range(len(scores)):
        score, place = scores[row], places[row]
        if score <= 0 or (filled == len(found) and not _before(score, place, scores, places, found[filled - 1])):
            continue
        at = min(filled, len(found) - 1)
        while at > 0 and _before(score, place, scores, places, found[at - 1]):
            found[at] = found[at - 1]
            at -= 1
        found[at] = row
        filled = min(filled + 1, len(found))
    return found[:filled]


@_compiled
def _before(score: float, place: int, scores: NDArray[np.float64], places: NDArray[np.int64], row: int) -> bool:
    return bool(score > scores[row] or (score == scores[row] and place < places[row]))
