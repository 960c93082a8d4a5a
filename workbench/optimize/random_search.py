"""Random search over the configuration, as a race."""

from dataclasses import dataclass

from workbench.agents import AgentSpec
from workbench.core import OptimizeError
from workbench.optimize.fewshot import taught
from workbench.optimize.racing import Rules
from workbench.optimize.search import Search, Task
from workbench.optimize.space import Space, sample, vary


@dataclass(frozen=True)
class RandomSearch:
    """Draw points of the space and let them race: all meet a few cases, and who still can win meets more.

    Source: Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification and Hyperparameter Optimization, for the
    idea; how many go on is not fixed here but follows from what the cases show.
    """

    space: Space
    candidates: int = 5
    first_cases: int = 6
    """Validation cases before the first look; from look to look they grow by half."""
    alpha: float = 0.1
    """The highest chance that the truly best candidate is dropped as beaten; the gate is not its business."""
    futility: float = 0.1
    """The lowest chance to come out ahead on all validation cases with which a candidate goes on."""

    def draft(self, start: AgentSpec, task: Task) -> tuple[AgentSpec, ...]:
        """Up to `candidates` points.

        Raises: OptimizeError if the space is empty.
        """
        points = sample(self.space, count=self.candidates, seed=task.seed)
        if not points or not self.space:
            raise OptimizeError("random_search: the space names no knob; add some under optimize.space")
        filled = taught(start, task)
        return tuple(vary(filled, point) for point in points)

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Let the points race; who is not dropped is tried on every validation case.

        Raises: OptimizeError if the space is empty.
        """
        rules = Rules(alpha=self.alpha, futility=self.futility, first_cases=self.first_cases)
        search.race(self.draft(start, search.task), origin="random_search", rules=rules)
        return search.leader()
