"""What was worked out lately, so that it is not worked out again."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from numpy.typing import NDArray

_Array = TypeVar("_Array", bound=NDArray)  # type: ignore[type-arg]  # of any numbers


class Memory(Generic[_Array]):
    """The last arrays by name, which nobody can change. Safe under threads: two may work out one array at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Array] = OrderedDict()

    def recall(self, name: str, make: Callable[[], _Array]) -> _Array:
        """The array of a name, made now if it is not remembered."""
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
                return self._known[name]
        array = make()
        array.setflags(write=False)
        with self._lock:
            self._known[name] = array
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return array
