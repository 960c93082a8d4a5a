"""Names of a segment, such as its words: each has a number, and is found by a hash without reading the others."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from workbench.retrieval.live_arrays import Arrays, ArrayWriter

ABSENT = -1


class Names:
    """Names in their order, read from a segment's arrays."""

    def __init__(self, arrays: Arrays, of: str) -> None:
        self._hashes = arrays.get(f"{of}.hashes", np.uint64)
        self._numbers = arrays.get(f"{of}.numbers", np.uint32)
        self._ends = arrays.get(f"{of}.ends", np.int64)
        self._bytes = arrays.get(f"{of}.bytes", np.uint8)

    def __len__(self) -> int:
        return len(self._hashes)

    def name(self, number: int) -> str:
        """The name with this number."""
        return self._bytes[self._start(number) : int(self._ends[number])].tobytes().decode()

    def all(self) -> list[str]:
        """Every name, in order."""
        content, ends = self._bytes.tobytes(), self._ends.tolist()
        return [content[start:end].decode() for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []

    def find(self, names: Sequence[str], hashes: NDArray[np.uint64] | None = None) -> NDArray[np.int64]:
        """The number of each name, `ABSENT` where there is none; `hashes` of the names save their computation."""
        hashes = hash_names(names) if hashes is None else hashes
        numbers = np.full(len(names), ABSENT, dtype=np.int64)
        first, last = (np.searchsorted(self._hashes, hashes, side) for side in ("left", "right"))
        for asked in np.flatnonzero(last > first).tolist():
            # Two names may share a hash, so what is found there is compared.
            for candidate in self._numbers[first[asked] : last[asked]].tolist():
                if self.name(candidate) == names[asked]:
                    numbers[asked] = candidate
        return numbers

    def _start(self, number: int) -> int:
        return int(self._ends[number - 1]) if number else 0


def hash_names(names: Sequence[str]) -> NDArray[np.uint64]:
    """Eight bytes of BLAKE2b of each name."""
    content = b"".join(blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(content, dtype=np.dtype("<u8"))


def write_names(writer: ArrayWriter, of: str, names: Sequence[str]) -> None:
    """Append names, numbered in the order they come in."""
    hashes, encoded = hash_names(names), [name.encode() for name in names]
    order = np.argsort(hashes, kind="stable")
    writer.add(f"{of}.hashes", hashes[order])
    writer.add(f"{of}.numbers", order.astype(np.uint32))
    writer.add(f"{of}.ends", np.cumsum([len(one) for one in encoded], dtype=np.int64))
    writer.add(f"{of}.bytes", np.frombuffer(b"".join(encoded), dtype=np.uint8))
