"""Who watches a search besides the terminal, and what they are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from workbench.agents import Agent
from workbench.core import Meter
from workbench.lab.trials import Begun
from workbench.optimize import Optimized, Standing, Trial


class Watched(NamedTuple):
    """A search that begins."""

    indexes: Path
    evalset: Path
    begun: Begun
    meter: Meter


class Watcher(Protocol):
    """Is told of a search from whatever thread it is in, and must not hold it up."""

    def built(self, agent: Agent) -> None:
        """An agent that may be tried."""

    def begin(self, agent: Agent) -> None:
        """A candidate is about to meet its first case."""

    def add(self, trial: Trial) -> None:
        """A trial has ended."""

    def race(self, standing: Standing) -> None:
        """How a race stands after a look."""

    def end(self, optimized: Optimized) -> None:
        """The search has ended, with all that it found."""


class Nobody:
    """Nobody watches."""

    def built(self, agent: Agent) -> None:
        """Of no interest."""

    def begin(self, agent: Agent) -> None:
        """Of no interest."""

    def add(self, trial: Trial) -> None:
        """Of no interest."""

    def race(self, standing: Standing) -> None:
        """Of no interest."""

    def end(self, optimized: Optimized) -> None:
        """Of no interest."""


@contextmanager
def unwatched(_bench: object, _watched: Watched) -> Iterator[Watcher]:
    """Nobody watches."""
    yield Nobody()
