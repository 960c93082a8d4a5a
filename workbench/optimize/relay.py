"""Optimizers one after the other: each begins with what the one before it leaves."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from workbench.agents import AgentSpec
from workbench.core import BudgetExceeded
from workbench.optimize.search import Optimizer, Search, Task
from workbench.optimize.trial import START, Optimized


@runtime_checkable
class LateStarter(Protocol):
    """An optimizer in whose search the start competes like any other candidate."""

    @property
    def late_start(self) -> bool:
        """Whether the start need not be tried on every case before."""
        ...


def optimize(start: AgentSpec, optimizers: Sequence[Optimizer], task: Task) -> Optimized:
    """Try `start`, then let each optimizer improve on what the one before it leaves; the best of all trials wins.

    The start is a candidate like any other, so a search that finds nothing better gives it back; optimizers that let
    it compete (`LateStarter`) come before it is tried on every case. When the budget ends, the best complete trial
    stands and `stopped` says why.

    Raises: OptimizeError if nobody could be tried on every case, or an optimizer can't work with the task.
    """
    search, begun = Search(task, start), start
    late = bool(optimizers) and all(isinstance(one, LateStarter) and one.late_start for one in optimizers)
    stopped = ""
    try:
        if not late:
            search.attempt(begun, origin=START)
        for optimizer in optimizers:
            start = optimizer(start, search)
            if task.meter.refusal:  # a foreign loop went on without the calls that were refused
                raise BudgetExceeded(task.meter.refusal)
        if late and search.has_room(len(search.cases), [*search.runs.values()]):
            search.attempt(begun, origin=START)
        search.settle()
    except BudgetExceeded as end:
        stopped = str(end)
    if search.left_out and not stopped:
        stopped = f"budget: had no room for {len(search.left_out)} of the candidates; raise it to try them"
    return Optimized(
        best=search.best(),
        trials=tuple(search.trials),
        programs=search.programs,
        stopped=stopped,
        spent=task.meter.spent,
    )
