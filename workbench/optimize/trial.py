"""Trials: what a search tried, and what came of it."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from workbench.agents import AgentSpec, Program
from workbench.core import Record, Report, Spend
from workbench.optimize.racing import Elimination

START = "start"
"""Who proposed the agent that a search begins with."""


class Trial(Record):
    """A candidate, tried on validation cases."""

    number: int = Field(ge=0)
    origin: str
    """The optimizer that proposed it; "start" for the agent the search began with."""
    changes: dict[str, str]
    """Each knob that differs from the agent the search began with: old → new."""
    spec: AgentSpec
    """Its knobs; the program stands under its digest in `Optimized.programs`."""
    program_digest: str
    agent_digest: str
    report: Report
    score: float | None = Field(ge=0, le=1)
    """Mean of the metric over the scored cases; None if none was scored."""
    scored: int
    cases: int
    """Validation cases it was tried on."""
    repeats: int = 1
    """How often each of them was asked; more than once only where answers vary and a choice hung on it."""
    complete: bool
    """True if it was tried on all of them."""
    tokens: float
    """Mean tokens of a case, whether or not the call store answered."""
    model_seconds: float
    """Mean model time of a case when it was paid."""
    dropped: Elimination | None = None
    """Why a race went on without it; None if it was tried whole, or the budget ended first."""

    def whole(self, programs: Mapping[str, Program]) -> AgentSpec:
        """The candidate with its program, which stands among these by its digest."""
        return self.spec.model_copy(update={"program": programs[self.program_digest]})


class Optimized(Record):
    """The outcome of a search: the best complete trial and all that were made."""

    best: Trial
    trials: tuple[Trial, ...]
    programs: dict[str, Program]
    """Every program that was tried, by digest: trials share them, and some hold a thousand demos."""
    stopped: str = ""
    """Why the search ended before it was through; empty if it ran to its end."""
    spent: Spend

    @property
    def winner(self) -> AgentSpec:
        """The best candidate, whole."""
        return self.spec(self.best)

    def spec(self, trial: Trial) -> AgentSpec:
        """A trial's candidate, whole."""
        return trial.whole(self.programs)

    @property
    def dropped(self) -> tuple[Elimination, ...]:
        """Why races went on without some candidates, in the order in which they were dropped."""
        return tuple(trial.dropped for trial in self.trials if trial.dropped is not None)


def latest(trials: Sequence[Trial]) -> list[Trial]:
    """The complete trials; of an agent that was asked again the last one stands, since it holds all the answers."""
    return list({trial.agent_digest: trial for trial in trials if trial.complete}.values())


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """The complete trials that have a score, best first; ties go to fewer tokens, then to the earlier one."""
    complete = [trial for trial in latest(trials) if trial.score is not None]
    return sorted(complete, key=lambda trial: (-(trial.score or 0.0), trial.tokens, trial.number))
