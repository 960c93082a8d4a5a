"""What an optimizer will do, as far as it can be told before anybody is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from workbench.agents import AgentSpec
from workbench.core import Case, ExpectedAbstention
from workbench.lms import LMSpec
from workbench.optimize.racing import arrange
from workbench.optimize.search import Task
from workbench.optimize.space import Space


@dataclass(frozen=True)
class Setting:
    """What a loop's length hangs on. The task is only looked at: its agents are never asked."""

    start: AgentSpec
    task: Task
    space: Space
    proposer: LMSpec | None = None

    @property
    def cases(self) -> tuple[Case, ...]:
        """The validation cases in the order in which candidates meet them."""
        return arrange(self.task.val, self.task.seed)

    @property
    def strays(self) -> float:
        """Share of the validation cases for which nothing fits."""
        return sum(isinstance(case.expected, ExpectedAbstention) for case in self.task.val) / len(self.task.val)

    @property
    def every(self) -> tuple[int, ...]:
        """Places of all validation cases."""
        return tuple(range(len(self.task.val)))


class Visit(NamedTuple):
    """A candidate, tried on some validation cases."""

    probe: int
    """The probe whose prompts are like the candidate's."""
    places: Sequence[int]
    own: str = ""
    """What makes the candidate's prompts its own, if they are not the probe's to the letter."""


class Way(NamedTuple):
    """One way that a loop may go."""

    visits: tuple[Visit, ...]
    training: int = 0
    """Training cases that the first probe is tried on."""
    proposals: int = 0
    """Calls of the model that writes instructions."""


class Loop(NamedTuple):
    """What an optimizer will do."""

    probes: tuple[AgentSpec, ...]
    """Agents whose prompts are as long as those that it will ask."""
    draw: Callable[[Random], Way]
    vagueness: float = 0.0
    """How little the probes say of the prompts to come: the standard deviation of the logarithm of their length."""
    retrieves: bool = False
    """True if those after it may find other tools for the same requests."""
    trials: int = 1
    """After so many trials of its own it is through; fewer if the search has tried a candidate before."""
    abstains: float = 0.0
    """Largest share of the cases on which the agent may then abstain before it asks."""
    drafts: bool = False
    """True if a portfolio lets its candidates race, though by itself it tries each on every case."""
