"""Arrays of a segment, one after another in a single file, so that a new segment costs one fsync and one mapping.

Each stands there as an npy of its own; where, of what kind and shape, says a directory that the segment keeps.
"""

import math
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from workbench.core import Record, RetrievalError

_ALIGNMENT = 64
N = TypeVar("N", bound=np.generic)


class Place(Record):
    """Where an array stands in its file."""

    offset: int
    """Of its first value, in bytes."""
    dtype: str
    shape: tuple[int, ...]


class ArrayWriter:
    """Writes arrays to a new file, which is on the disk when the block ends."""

    def __init__(self, path: Path) -> None:
        self.places: dict[str, Place] = {}
        self._file = path.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if error is None:
                self._file.flush()
                os.fsync(self._file.fileno())

    def add(self, name: str, array: NDArray[np.generic]) -> None:
        """Append an array."""
        self._file.write(b"\0" * (-self._file.tell() % _ALIGNMENT))
        header = {"descr": npy.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
        npy.write_array_header_1_0(self._file, header)
        self.places[name] = Place(offset=self._file.tell(), dtype=array.dtype.str, shape=array.shape)
        if array.size:
            self._file.write(np.ascontiguousarray(array).data.cast("B"))


class Arrays:
    """The arrays of a file, mapped: only what is looked at is read."""

    def __init__(self, path: Path, places: Mapping[str, Place]) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._places = dict(places)
        needed = max(place.offset + _bytes(place) for place in places.values())
        if len(self._map) < needed:
            raise RetrievalError(f"file {str(path)!r}: has {len(self._map)} bytes, {needed} were written; build again")

    def get(self, name: str, kind: type[N]) -> NDArray[N]:
        """An array, read-only, whose values are of this kind."""
        place = self._places[name]
        array = np.frombuffer(self._map, np.dtype(place.dtype), math.prod(place.shape), place.offset)
        assert np.issubdtype(array.dtype, kind), f"array {name!r} holds {array.dtype}"
        return array.reshape(place.shape)

    def __contains__(self, name: object) -> bool:
        return name in self._places


def _bytes(place: Place) -> int:
    return math.prod(place.shape) * np.dtype(place.dtype).itemsize
