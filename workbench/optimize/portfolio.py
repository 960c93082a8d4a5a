"""Several optimizers under one budget, which moves to what pays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Protocol, runtime_checkable

from workbench.agents import AgentSpec
from workbench.core import Budget, BudgetExceeded
from workbench.optimize.racing import Rules
from workbench.optimize.search import Optimizer, Search, Task


@dataclass
class Member:
    """An optimizer that takes part, and what came of it."""

    name: str
    optimizer: Optimizer
    score: float = 0.0
    """The highest validation score of a complete trial it made; 0.0 if it made none."""
    trials: int = 0
    """How many it made, whole or not."""
    through: bool = False
    """True if it ended by itself, so that more budget would change nothing."""


@runtime_checkable
class Drafter(Protocol):
    """An optimizer whose candidates are known before any of them is tried."""

    def draft(self, start: AgentSpec, task: Task) -> Sequence[AgentSpec]:
        """The candidates that it would try."""
        ...


@dataclass(frozen=True)
class Portfolio:
    """Optimizers that begin with the same agent and share evaluator, answers and budget.

    Candidates that are known beforehand, whoever drafts them, enter one race, one of each member by turns: what can't
    win is dropped on a few cases, so a small budget is enough for many; for whom there is no room enters another race
    once the other members leave something. Then come those that judge candidates on their way to better ones, by
    successive halving over optimizers: in each round those that are left get equal parts of the round's budget, then
    the better half by validation goes on; the others come again only if the better ones leave something. An optimizer
    that is cut off by the end of its part is begun anew in the next round with a larger one: whatever it asked before
    is answered from the call store and charged once, so it goes on where it was. When all are through and something was
    found, they begin once more with the best agent so far, which joins what one found to what another finds; a
    generation that finds nothing better is the last.

    Without a call store an optimizer that is begun anew pays anew. Which calls were the last of a part is a matter of
    threads, if there are several; how many there were is not. Source: Jamieson and Talwalkar 2016, Non-stochastic
    Best Arm Identification and Hyperparameter Optimization; begun anew on kept answers instead of being suspended.
    """

    members: Mapping[str, Optimizer]
    rules: Rules = field(default_factory=Rules)
    """Of the race."""

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Improve on `start` until the budget ends or nobody finds anything better; the best agent.

        Raises: BudgetExceeded when the budget itself ends; OptimizeError if a member can't work with the task.
        """
        while True:
            before = search.best().score
            self._generation(start, search)
            if (search.best().score or 0.0) <= (before or 0.0):
                return search.leader()
            start = search.leader()

    def _generation(self, start: AgentSpec, search: Search) -> None:
        """One race of all that is drafted; then every other member until it is through."""
        drafters = {name: member for name, member in self.members.items() if isinstance(member, Drafter)}
        waiting = [Member(name, optimizer) for name, optimizer in self.members.items() if name not in drafters]
        race = Member("race", _Race(drafters, self.rules))
        if not waiting:
            self._advance(race, start, search, None)
            return
        if drafters:
            self._advance(race, start, search, _share(search.task.meter.left(), parts=1 + len(waiting)))
        self._halve(waiting, start, search)
        if not race.through:
            self._advance(race, start, search, None)

    def _halve(self, waiting: Sequence[Member], start: AgentSpec, search: Search) -> None:
        """Every member until it is through; who is dropped on the way waits for what the better ones leave."""
        running = [*waiting]
        rounds = (len(running) - 1).bit_length()  # halving leaves one
        for left in range(rounds, 0, -1):
            share = _share(search.task.meter.left(), parts=(left + 1) * max(1, len(running)))
            for member in running:
                self._advance(member, start, search, share)
            running = _best([member for member in running if not member.through])
            running = running[: (len(running) + 1) // 2]
        for member in (*running, *_best([member for member in waiting if member not in running])):
            if not member.through:
                self._advance(member, start, search, None)

    def _advance(self, member: Member, start: AgentSpec, search: Search, share: Budget | None) -> None:
        """Let a member work with its part of the budget; None is all that is left."""
        meter, made, full = search.task.meter, len(search.trials), search.full_races
        try:
            if share is None:
                member.optimizer(start, search)
            else:
                with meter.part(share):
                    member.optimizer(start, search)
            member.through = search.full_races == full or share is None
        except BudgetExceeded:
            if share is None or meter.refusal:
                raise
        finally:
            member.trials += len(search.trials) - made
            new = [trial.score for trial in search.trials[made:] if trial.complete and trial.score is not None]
            member.score = max([member.score, *new])


@dataclass
class _Race:
    """All that is drafted, in one race; what was drafted before a budget cut it is not drafted again."""

    drafters: Mapping[str, Drafter]
    rules: Rules
    _drafts: dict[str, Sequence[AgentSpec]] = field(default_factory=dict)

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Let the candidates race."""
        for name, member in self.drafters.items():
            if name not in self._drafts:
                self._drafts[name] = member.draft(start, search.task)
        named = [[(name, spec) for spec in specs] for name, specs in self._drafts.items()]
        turns = [one for turn in zip_longest(*named) for one in turn if one is not None]
        owners, specs = [name for name, _ in turns], [spec for _, spec in turns]
        search.race(specs, origin="portfolio", rules=self.rules, owners=owners)
        return search.leader()


def _best(members: Sequence[Member]) -> list[Member]:
    return sorted(members, key=lambda member: (-member.score, -member.trials))


def _share(left: Budget, *, parts: int) -> Budget:
    """One of so many equal parts of what is left; calls and tokens rounded down."""
    return Budget.model_construct(
        calls=None if left.calls is None else left.calls // parts,
        tokens=None if left.tokens is None else left.tokens // parts,
        seconds=None if left.seconds is None else left.seconds / parts,
        usd=None if left.usd is None else left.usd / parts,
    )
