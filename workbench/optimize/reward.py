"""How dspy's optimizers see our metric and our budget."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dspy

from workbench.core import BudgetExceeded, Episode, Meter, OptimizeError, Score, WorkbenchError, boundary
from workbench.evals import metric
from workbench.optimize.search import Task

Reward = Callable[..., float]
"""dspy's form of a metric: (example, prediction, trace=None) → score in [0, 1]."""

Feedback = Callable[..., dspy.Prediction]
"""GEPA's form of a metric: what `Reward` takes and whose words are asked for → score and why, in words."""


class Refused(BaseException):
    """A model could not be asked; no Exception, since a foreign loop swallows those and scores 0 for our fault."""

    def __init__(self, error: WorkbenchError) -> None:
        super().__init__(str(error))
        self.error = error


def graded(task: Task) -> Reward:
    """The task's metric for dspy; a case it can't score counts as 0, since dspy knows no unscored."""
    score = scoring(task)

    def reward(example: dspy.Example, prediction: dspy.Prediction, _trace: object = None) -> float:
        return score(example, prediction).value or 0.0

    return reward


def explained(task: Task) -> Feedback:
    """The task's metric for GEPA: the score of `graded`, with the metric's reason as what to learn from."""
    score = scoring(task)

    def feedback(
        example: dspy.Example,
        prediction: dspy.Prediction,
        _trace: object = None,
        _name: str | None = None,
        _own_trace: object = None,
    ) -> dspy.Prediction:
        found = score(example, prediction)
        value = found.value or 0.0
        return dspy.Prediction(score=value, feedback=found.reason or f"The score is {value:g} of 1.")

    return feedback


@contextmanager
def within_budget(meter: Meter) -> Iterator[None]:
    """Let a foreign loop end as our own error.

    Raises: BudgetExceeded if the budget refused a call inside, whatever the loop made of it; else OptimizeError.
    """
    before = meter.refusal
    try:
        with boundary(OptimizeError, "dspy's optimizer failed"):
            try:
                yield
            except Refused as refusal:
                raise refusal.error from None  # it stands behind the refusal already
    except OptimizeError as cause:
        if meter.refusal != before:
            raise BudgetExceeded(meter.refusal) from cause
        raise


def scoring(task: Task) -> Callable[[dspy.Example, dspy.Prediction], Score]:
    """The task's metric for what an agent's module answers; a case it can't score has a reason and no value."""
    judge = metric(task.metric) if task.grader is None else task.grader
    cases = {case.case_id: case for case in (*task.train, *task.val)}

    def score(example: dspy.Example, prediction: dspy.Prediction) -> Score:
        case = cases[example.case_id]
        return judge(case, Episode(case_id=case.case_id, prediction=prediction.prediction, milliseconds=0.0))

    return score
