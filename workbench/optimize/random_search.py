"""Random search over the configuration, with the weaker half dropped early."""

from dataclasses import dataclass

from workbench.agents import AgentSpec
from workbench.core import OptimizeError
from workbench.optimize.fewshot import taught
from workbench.optimize.search import Search, Trial
from workbench.optimize.space import Space, sample, vary


@dataclass(frozen=True)
class RandomSearch:
    """Draw points of the space; try all on a few cases, the better half on more, the best on all.

    Successive halving. Source: Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification and
    Hyperparameter Optimization. Every rung is a prefix of the validation cases, so candidates meet the
    same cases in the same order and a survivor's first answers are already paid.
    """

    space: Space
    candidates: int = 5
    first_cases: int = 12
    """Validation cases of the first rung; each rung doubles them."""

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Try up to `candidates` points; the last survivor is tried on every validation case.

        Raises: OptimizeError if the space is empty.
        """
        points = sample(self.space, count=self.candidates, seed=search.task.seed)
        if not points or not self.space:
            raise OptimizeError("random_search: the space names no knob; add some under optimize.space")
        filled = taught(start, search.task)
        specs = [vary(filled, point) for point in points]
        cases, total = min(self.first_cases, len(search.task.val)), len(search.task.val)
        while True:
            trials = [search.attempt(spec, origin="random_search", cases=cases) for spec in specs]
            if cases == total:
                return search.leader()
            keep = max(1, (len(trials) + 1) // 2)
            specs = [search.spec(trial) for trial in sorted(trials, key=_order)[:keep]]
            cases = total if len(specs) == 1 else min(total, cases * 2)


def _order(trial: Trial) -> tuple[float, float, int]:
    return (-(trial.score or 0.0), trial.tokens, trial.number)
