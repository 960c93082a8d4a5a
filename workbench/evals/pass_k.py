"""Does it work every time, does it work at least once: pass^k and pass@k over the repeats of each case.

A case with n scored repeats of which c are right is right in all of k repeats, drawn without putting back, with
probability C(c, k) / C(n, k); and in at least one with 1 - C(n - c, k) / C(n, k). Both are unbiased estimates for k new
tries. Source: Yao et al. 2024, tau-bench: A Benchmark for Tool-Agent-User Interaction in Real-World Domains, section
5.1 (pass^k); Chen et al. 2021, Evaluating Large Language Models Trained on Code, section 2.1 (pass@k).
"""

from collections.abc import Callable
from math import comb
from typing import NamedTuple

import numpy as np

from workbench.core import INAPPLICABLE, EvaluationError, Run, nearest
from workbench.evals.interval import NO_INTERVAL, Interval, codes, share_interval


class PassRate(NamedTuple):
    """A mean over cases with its interval by cluster."""

    estimate: float | None
    """In [0, 1]; None is unmeasured, and then `reason` says why."""
    interval: Interval
    cases: int
    reason: str = ""


def all_of(k: int, right: int, tries: int) -> float:
    """The probability that k of the tries are all right.

    >>> all_of(2, right=3, tries=4)
    0.5
    """
    return comb(right, k) / comb(tries, k)


def one_of(k: int, right: int, tries: int) -> float:
    """The probability that at least one of k of the tries is right.

    >>> one_of(2, right=1, tries=4)
    0.5
    """
    return 1 - comb(tries - right, k) / comb(tries, k)


def pass_hat_k(run: Run, metric: str, k: int) -> float | None:
    """pass^k: how often k tries of a case are all right, mean over cases.

    None if any case has fewer than k scored repeats: leaving it out would choose the cases by how they went.

    Raises: EvaluationError if k is below 1, the run lacks the metric, or a score is neither 0 nor 1.
    """
    return measure_pass(run, metric, k, all_of).estimate


def pass_at_k(run: Run, metric: str, k: int) -> float | None:
    """pass@k: how often at least one of k tries of a case is right, mean over cases; None as for `pass_hat_k`.

    Raises: EvaluationError as `pass_hat_k` does.
    """
    return measure_pass(run, metric, k, one_of).estimate


def measure_pass(
    run: Run, metric: str, k: int, chance: Callable[[int, int, int], float], *, alpha: float = 0.05
) -> PassRate:
    """The mean over cases of `chance`, `all_of` or `one_of`, with its 1 - alpha interval.

    The interval is that of every other score, over one value a case: what its repeats add up to. Cases to which the
    metric does not apply are left out. Unmeasured if any other case has fewer than k scored repeats.

    Raises: EvaluationError as `pass_hat_k` does.
    """
    if k < 1:
        raise EvaluationError(f"pass^k of {metric!r}: k is {k}; it counts tries, from 1")
    counts = _count(run, metric)
    short = sorted(case_id for case_id, (_right, tries) in counts.items() if tries < k)
    if short:
        reason = f"{len(short)} of {len(counts)} cases have fewer than {k} scored repeats, {short[0]!r} first"
        return PassRate(None, NO_INTERVAL, 0, reason)
    if not counts:
        return PassRate(None, NO_INTERVAL, 0, "applies to no case")
    values = np.array([chance(k, right, tries) for right, tries in counts.values()], dtype=np.float64)
    clusters = codes([run.clusters[case_id] for case_id in counts])
    return PassRate(float(values.mean()), share_interval(values, clusters, alpha), len(values))


def _count(run: Run, metric: str) -> dict[str, tuple[int, int]]:
    """Right and scored repeats of each case that the metric applies to, in the order of the run."""
    if metric not in run.header.metrics:
        raise EvaluationError(
            f"run of {run.header.agent!r}: has no metric {metric!r}; {nearest(metric, run.header.metrics)}"
        )
    counts: dict[str, tuple[int, int]] = {}
    for score in run.scores:
        if score.metric != metric or (score.value is None and score.reason.startswith(INAPPLICABLE)):
            continue
        right, tries = counts.setdefault(score.case_id, (0, 0))
        if score.value is None:
            continue
        if score.value not in (0.0, 1.0):
            raise EvaluationError(
                f"pass^k of {metric!r}: case {score.case_id!r} repeat {score.repeat} has {score.value:g}; "
                "it counts successes, so choose a metric whose values are 0 and 1"
            )
        counts[score.case_id] = (right + int(score.value), tries + 1)
    return counts
