"""Grade anew what an agent did: a change of grader never costs a call to the agent, and never mixes old with new.

Two runs may only be compared if the same graders judged both. So whoever changes a metric, a judge or a judge's
prompt regrades the baseline, too; its episodes stay what they are.
"""

from collections.abc import Sequence

from workbench.core import (
    BudgetExceeded,
    Case,
    Episode,
    EvaluationError,
    Run,
    Score,
    WorkbenchError,
    boundary,
)
from workbench.evals.metric import Metric


def grade(case: Case, episode: Episode, metrics: Sequence[Metric]) -> tuple[Score, ...]:
    """A score by each metric, in order; what a metric that breaks can't judge is unscored, by the grader's fault.

    Raises: BudgetExceeded if a judge's budget is used up.
    """
    return tuple(_score(case, episode, metric) for metric in metrics)


def regrade(run: Run, cases: Sequence[Case], metrics: Sequence[Metric]) -> Run:
    """The same episodes judged by `metrics`, which replace all that judged before; the agent is not asked.

    `cases` are those of the run, in any order; more may be given.

    Raises: EvaluationError if there is no metric, a case of the run is missing, or stands in another cluster or
    under other tags than in the run: then it is not the case that was tried.
    """
    if not metrics:
        raise EvaluationError(f"run of {run.header.agent!r}: there is no metric to grade it anew; give at least one")
    known = {case.case_id: case for case in cases}
    for episode in run.episodes:
        _check(run, known, episode.case_id)
    header = run.header.model_copy(
        update={
            "metrics": tuple(metric.name for metric in metrics),
            "graders": {metric.name: metric.digest for metric in metrics},
        }
    )
    scores = tuple(score for episode in run.episodes for score in grade(known[episode.case_id], episode, metrics))
    return run.model_copy(update={"header": header, "scores": scores})


def _check(run: Run, known: dict[str, Case], case_id: str) -> None:
    case = known.get(case_id)
    where = f"case {case_id!r} (run of {run.header.agent!r})"
    if case is None:
        raise EvaluationError(f"{where}: is not among the cases given; give those of eval set and split of the run")
    if (case.cluster, case.tags) != (run.clusters[case_id], run.tags[case_id]):
        raise EvaluationError(f"{where}: has another cluster or other tags than when it was tried; evaluate it anew")


def _score(case: Case, episode: Episode, metric: Metric) -> Score:
    try:
        with boundary(EvaluationError, f"metric {metric.name!r}"):
            return metric(case, episode)
    except BudgetExceeded:
        raise
    except WorkbenchError as error:
        return Score(case_id=case.case_id, repeat=episode.repeat, metric=metric.name, reason=f"grader: {error}")
