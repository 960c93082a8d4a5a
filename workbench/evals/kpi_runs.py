"""KPIs that runs and their traces tell: each formula gives a number with its interval, or why there is none."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from workbench.core import EvaluationError, Run
from workbench.evals.interval import Floats
from workbench.evals.kpi_trials import Graded, Mask, Measured, Trials, level, ratio, share

COMPLETION = ("task_completion", "task_success", "utility", "state_reached", "answer_exact")
"""Metrics that tell whether a task was done right; the first that was measured counts."""
INJECTION = ("injection_resistance", "security")
SCHEMA = ("schema_valid", "structured_output")
POLICY = ("policy_compliance", "injection_resistance", "manner", "abstention")
"""Metrics that tell whether a policy was kept; on a case that covers one, each that was scored must be 1."""
NDCG, MRR, MAP = ("ndcg@10",), ("reciprocal_rank",), ("average_precision", "map", "average_precision@100")
RECALL = ("recall@5", "recall@10", "recall@1", "recall@100")

_COVERS, _ABSTENTION = "policy:", "suite:abstention"


class Sides(NamedTuple):
    """The runs of an agent, and of the baseline it is held against."""

    own: Trials
    baseline: Trials


Formula = Callable[[Sides], Measured]


def sides(runs: Sequence[Run], baseline: Sequence[Run]) -> Sides:
    """Runs as columns.

    Raises: EvaluationError if the runs, or those of the baseline, are of several agents.
    """
    for side in (runs, baseline):
        agents = sorted({run.header.agent for run in side})
        if len({run.header.agent_digest for run in side}) > 1:
            raise EvaluationError(f"KPIs: the runs are of several agents ({', '.join(agents)}); measure each alone")
    return Sides(Trials(runs), Trials(baseline))


def _unmeasured(reason: str, gaps: int = 0) -> Measured:
    return Measured(None, gaps=gaps, reason=reason)


def _score(names: Sequence[str]) -> Formula:
    """The mean of the first of these metrics that was measured."""

    def formula(given: Sides) -> Measured:
        graded = _graded(given.own, names)
        if isinstance(graded, Measured):
            return graded
        told = graded.scored
        return share(graded.values[told], given.own.clusters[told], int(graded.gaps.sum()), graded.reason)

    return formula


def _graded(trials: Trials, names: Sequence[str]) -> Graded | Measured:
    """The scores of the first metric that was measured; unmeasured if there is none, or it scored nothing."""
    name = trials.first(names)
    if name is None:
        return _unmeasured(f"no run has a metric that tells it: {', '.join(names)}")
    graded = trials.graded(name)
    return graded if graded.scored.any() else _unmeasured(f"{name}: {graded.reason}", int(graded.gaps.sum()))


def _escalated(trials: Trials) -> tuple[Mask, Mask] | Measured:
    """Where a request was handed to a person, and where nobody can tell."""
    predictions = [episode.prediction for episode in trials.episodes]
    said = [p is not None and p.manner is not None for p in predictions]
    silent = [p is not None and p.abstained and p.manner is None for p in predictions]
    if not any(said) and not any(silent) and not trials.tagged(_ABSTENTION).any():
        return _unmeasured("nothing here can escalate: no episode abstains, and no case (suite:abstention) asks for it")
    escalated = [p is not None and p.manner == "escalate" for p in predictions]
    unknown = trials.broken | np.array(silent, dtype=np.bool_)
    return np.array(escalated, dtype=np.bool_), unknown


_UNKNOWN = "abstained without saying how, or broke off by no fault of the agent"


def _escalation(given: Sides) -> Measured:
    found = _escalated(given.own)
    if isinstance(found, Measured):
        return found
    escalated, unknown = found
    if unknown.all():
        return _unmeasured(_UNKNOWN, int(unknown.sum()))
    kept = escalated[~unknown].astype(np.float64)
    return share(kept, given.own.clusters[~unknown], int(unknown.sum()), _UNKNOWN)


def _deflection(given: Sides) -> Measured:
    found, graded = _escalated(given.own), _graded(given.own, COMPLETION)
    if isinstance(found, Measured):
        return found
    if isinstance(graded, Measured):
        return graded
    escalated, unknown = found
    told = graded.scored & ~unknown
    gaps = int((graded.gaps | (unknown & graded.scored)).sum())
    if not told.any():
        return _unmeasured(_UNKNOWN, gaps)
    deflected = ((graded.values == 1) & ~escalated)[told].astype(np.float64)
    return share(deflected, given.own.clusters[told], gaps, f"not graded, or {_UNKNOWN}")


def _resolution(given: Sides) -> Measured:
    """The mean over its repeats for each case that both completed."""
    if not given.baseline.runs:
        return _unmeasured("there is no baseline to hold it against")
    times = [_completed_times(trials) for trials in given]
    own, other = times
    if isinstance(own, Measured):
        return own
    if isinstance(other, Measured):
        return other._replace(reason=f"baseline: {other.reason}")
    shared = sorted(own.keys() & other.keys())
    if not shared:
        return _unmeasured("no task was completed by both")
    clusters = dict(zip((e.case_id for e in given.own.episodes), given.own.clusters.tolist(), strict=True))
    above, below = (np.array([side[case] for case in shared], dtype=np.float64) for side in (own, other))
    if not below.sum():
        return _unmeasured("baseline: no time was recorded")
    return ratio(above, below, np.array([clusters[case] for case in shared], dtype=np.int64))


def _completed_times(trials: Trials) -> dict[str, float] | Measured:
    graded = _graded(trials, COMPLETION)
    if isinstance(graded, Measured):
        return graded
    if not trials.milliseconds.any():
        return _unmeasured("no time was recorded")
    times: dict[str, list[float]] = {}
    for place in np.flatnonzero(graded.values == 1):
        times.setdefault(trials.episodes[place].case_id, []).append(float(trials.milliseconds[place]))
    return {case: sum(found) / len(found) for case, found in times.items()}


def _tool_success(given: Sides) -> Measured:
    steps = given.own.steps
    if not steps.tools.any():
        return _unmeasured("no tool call was recorded in a trace")
    succeeded = (~steps.errors[steps.tools]).astype(np.float64)
    return share(succeeded, given.own.clusters[steps.episodes[steps.tools]])


def _tool_correctness(given: Sides) -> Measured:
    """Right arguments where the right tool was chosen, and 0 where it was not."""
    choice, arguments = _graded(given.own, ("tool_choice",)), _graded(given.own, ("arguments",))
    if isinstance(choice, Measured):
        return _score(("call_correct",))(given)._replace(reason="no run has the metrics tool_choice and arguments")
    if isinstance(arguments, Measured) and (choice.values == 1).any():
        return arguments
    wrong = choice.values == 0
    values = choice.values if isinstance(arguments, Measured) else np.where(wrong, 0.0, arguments.values)
    told = choice.scored & ~np.isnan(values)
    gaps = int((choice.gaps | (choice.scored & ~told)).sum())
    if not told.any():
        return _unmeasured(choice.reason, gaps)
    return share(values[told], given.own.clusters[told], gaps, choice.reason)


def _violations(given: Sides) -> Measured:
    trials = given.own
    covered = trials.tagged(_COVERS)
    if not covered.any():
        return _unmeasured("no case covers a policy (tag policy:...)")
    graded = [trials.graded(name) for name in POLICY if name in trials.metrics]
    if not graded:
        return _unmeasured(f"no run has a metric that tells it: {', '.join(POLICY)}")
    values = np.array([one.values for one in graded])
    told = covered & ~np.isnan(values).all(axis=0)
    gaps = int((covered & np.array([one.gaps for one in graded]).any(axis=0) & ~told).sum())
    if not told.any():
        return _unmeasured("no case that covers a policy was graded", int(covered.sum()))
    broken = (np.nanmin(values[:, told], axis=0) < 1).astype(np.float64)
    return share(broken, trials.clusters[told], gaps, "not graded")


def _latency(at: float) -> Formula:
    def formula(given: Sides) -> Measured:
        trials = given.own
        kept = ~trials.broken
        if not trials.milliseconds[kept].any():
            return _unmeasured("no time was recorded", len(trials.episodes))
        gaps = int(trials.broken.sum())
        return level(trials.milliseconds[kept], trials.clusters[kept], at, gaps, "broke off by no fault of the agent")

    return formula


def _step_latency(at: float) -> Formula:
    def formula(given: Sides) -> Measured:
        steps = given.own.steps
        if not steps.milliseconds.any():
            return _unmeasured("no step was recorded with its time", len(steps.milliseconds))
        return level(steps.milliseconds, given.own.clusters[steps.episodes], at)

    return formula


def _per_completion(spent: Floats, known: Mask, trials: Trials, unit: str) -> Measured:
    """What all episodes took over how many completed their task; `known` where it is known what one took."""
    graded = _graded(trials, COMPLETION)
    if isinstance(graded, Measured):
        return graded
    told = graded.scored & known & ~trials.broken
    gaps = int(((graded.scored & ~told) | graded.gaps).sum())
    done = (graded.values[told] == 1).astype(np.float64)
    if not done.any():
        total = f"{spent[told].sum():.6g} {unit}"
        return _unmeasured(f"no task was completed: {total} were spent, and the price of one has no bound", gaps)
    reason = "not graded or not counted, or broke off by no fault of the agent"
    return ratio(spent[told], done, trials.clusters[told], gaps, reason)


def _cost(given: Sides) -> Measured:
    trials = given.own
    paid = [episode.usage.usd for episode in trials.episodes]
    dollars = np.array([usd for usd in paid if usd is not None], dtype=np.float64)
    unknown = len(paid) - len(dollars)
    if unknown:  # the price of the calls whose price is known would look like the price of all
        return _unmeasured(f"the price of a model is unknown in {unknown} of {len(paid)} episodes", len(paid))
    if not dollars.any() and not trials.counted.any():
        return _unmeasured("no model call was counted", len(paid))
    return _per_completion(dollars, np.ones(len(paid), dtype=np.bool_), trials, "USD")


def _tokens(given: Sides) -> Measured:
    trials = given.own
    if not trials.counted.any():
        return _unmeasured("no token was counted", len(trials.episodes))
    return _per_completion(trials.tokens, trials.counted, trials, "tokens")


def _tokens_per_step(given: Sides) -> Measured:
    trials = given.own
    if not trials.counted.any():
        return _unmeasured("no token was counted", len(trials.episodes))
    steps = np.bincount(trials.steps.episodes, minlength=len(trials.episodes)).astype(np.float64)
    told = (steps > 0) & trials.counted
    if not told.any():
        return _unmeasured("no step was recorded in a trace", len(told))
    gaps = int((~told).sum())
    return ratio(trials.tokens[told], steps[told], trials.clusters[told], gaps, "no step or no token was recorded")


def _coverage(given: Sides) -> Measured:
    """Over all metrics: each pair of episode and metric that applies should have a score."""
    trials = given.own
    graded = [trials.graded(name) for name in trials.metrics]
    scored = np.concatenate([one.scored for one in graded])
    due = scored | np.concatenate([one.gaps for one in graded])
    if not due.any():
        return _unmeasured("no metric applies to any case")
    clusters = np.tile(trials.clusters, len(graded))
    return share(scored[due].astype(np.float64), clusters[due])


FORMULAS: dict[str, Formula] = {
    "task_completion": _score(COMPLETION),
    "human_escalation": _escalation,
    "deflection": _deflection,
    "time_to_resolution": _resolution,
    "tool_call_success": _tool_success,
    "tool_call_correctness": _tool_correctness,
    "structured_output": _score(SCHEMA),
    "policy_violations": _violations,
    "injection_resistance": _score(INJECTION),
    "retrieval_ndcg": _score(NDCG),
    "retrieval_mrr": _score(MRR),
    "retrieval_recall": _score(RECALL),
    "retrieval_map": _score(MAP),
    "latency_p50": _latency(0.5),
    "latency_p95": _latency(0.95),
    "step_latency_p50": _step_latency(0.5),
    "step_latency_p95": _step_latency(0.95),
    "cost_per_completed_task": _cost,
    "tokens_per_completion": _tokens,
    "tokens_per_step": _tokens_per_step,
    "evaluation_coverage": _coverage,
}
"""A formula for each KPI that runs tell."""
