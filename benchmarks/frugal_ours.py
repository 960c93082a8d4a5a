"""Our search of the whole agent, and what it would return if it were stopped: a part of `benchmarks.frugality`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.frugal_peers import Step
from workbench.agents import AgentSpec, instructions
from workbench.core import Meter
from workbench.optimize import FrugalSearch, Optimized, Search, Space, Task, Trial, optimize, ranked

ASK = """Rewrite these instructions so that a model that follows them makes fewer mistakes.
Answer with the new instructions only.

{text}"""


@dataclass(frozen=True)
class Proposed:
    """`FrugalSearch` as it ships over texts that a model writes first, each from the start's own, and a space."""

    space: Space
    predictor: str
    """Whose instructions they are."""
    texts: int = 8
    """How many; 0 where there is no model that can write."""
    late_start: bool = True
    """The start competes, as in any `FrugalSearch`."""

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """The best candidate.

        Raises: BudgetExceeded when a call no longer fits.
        """
        space, proposer = dict(self.space), search.task.proposer
        if self.texts and proposer is not None:
            asked = ASK.format(text=instructions(start)[self.predictor])
            space["instructions"] = [None, *(str(proposer(asked)[0]).strip() for _ in range(self.texts))]
        return FrugalSearch(space)(start, search)


def run_ours(
    search: Proposed, start: AgentSpec, meter: Meter, task: Callable[[Callable[[Trial], None]], Task]
) -> tuple[list[Step], AgentSpec]:
    """What it would have returned from when on, and what it returned; `task` makes a task that tells of each trial."""
    spent: list[tuple[int, int]] = []

    def listen(_trial: Trial) -> None:
        spent.append((meter.spent.calls, meter.spent.tokens))

    found = optimize(start, [search], task(listen))
    return incumbents(found, spent), found.winner


def incumbents(found: Optimized, spent: Sequence[tuple[int, int]]) -> list[Step]:
    """From when on which candidate was the best; `spent` are calls and tokens after each trial."""
    steps: list[Step] = []
    for made, (calls, tokens) in enumerate(spent, 1):
        best = found.spec(leaders[0]) if (leaders := ranked(found.trials[:made])) else None
        if best is not None and (not steps or steps[-1].spec != best):
            steps.append(Step(calls, tokens, best))
    return steps
