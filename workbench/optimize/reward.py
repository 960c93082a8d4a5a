"""How dspy's optimizers see our metric and our budget."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dspy

from workbench.core import BudgetExceeded, Episode, Meter, OptimizeError, boundary
from workbench.evals import metric
from workbench.optimize.search import Task

Reward = Callable[..., float]
"""dspy's form of a metric: (example, prediction, trace=None) → score in [0, 1]."""


def graded(task: Task) -> Reward:
    """The task's metric for dspy; a case it can't score counts as 0, since dspy knows no unscored."""
    score = metric(task.metric)
    cases = {case.case_id: case for case in (*task.train, *task.val)}

    def reward(example: dspy.Example, prediction: dspy.Prediction, _trace: object = None) -> float:
        case = cases[example.case_id]
        episode = Episode(case_id=case.case_id, prediction=prediction.prediction, milliseconds=0.0)
        return score(case, episode).value or 0.0

    return reward


@contextmanager
def within_budget(meter: Meter) -> Iterator[None]:
    """Let a foreign loop end as our own error.

    Raises: BudgetExceeded if the budget refused a call inside, whatever the loop made of it; else OptimizeError.
    """
    before = meter.refusal
    try:
        with boundary(OptimizeError, "dspy's optimizer failed"):
            yield
    except OptimizeError as cause:
        if meter.refusal != before:
            raise BudgetExceeded(meter.refusal) from cause
        raise
