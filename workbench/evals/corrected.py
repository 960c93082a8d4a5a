"""The rate of faults, seen through a judge that makes mistakes itself.

A judge that flags answers misses some faults and flags some sound answers. What share it flags is the apparent
rate; knowing from labelled answers how often it errs either way, the true rate can be estimated, and how unsure
that leaves us can be said. Source of the estimate: Rogan & Gladen 1978, Estimating Prevalence from the Results of a
Screening Test, Am. J. Epidemiology 107(1); of the interval: Lang & Reiczigel 2014, Confidence Limits for Prevalence of
Disease Adjusted for Estimated Sensitivity and Specificity, Preventive Veterinary Medicine 113(1).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtri

from workbench.core import EvaluationError, Record
from workbench.evals.interval import NO_INTERVAL, Floats, Interval, codes, standard_error, student

Bools = NDArray[np.bool_]


class Tally(Record):
    """How often a share was met among answers, and how many independent answers they are worth."""

    hits: int = Field(ge=0)
    answers: int = Field(ge=0)
    worth: float = Field(ge=0, allow_inf_nan=False)
    """Answers of one cluster err together: so many independent ones would tell as much."""
    clusters: int | None = None
    """None if every answer stands for itself."""

    @property
    def share(self) -> float | None:
        """Hits by answers; None without answers."""
        return self.hits / self.answers if self.answers else None


class Calibration(Record):
    """What labelled answers show of a judge: how often it flags what people call faulty, and passes what is sound."""

    caught: Tally
    """Faulty answers, and how many of them the judge flagged: sensitivity."""
    passed: Tally
    """Sound answers, and how many of them it did not flag: specificity."""


class Corrected(Record):
    """A rate of faults that admits its judge's mistakes."""

    apparent: float | None
    """The share that the judge flagged; None if it saw no answer."""
    sensitivity: float | None
    specificity: float | None
    estimate: float | None
    """The true rate in [0, 1], lower is better; None is unmeasured, and then `reason` says why."""
    low: float | None = None
    high: float | None = None
    """Bounds of the interval; they carry the uncertainty of all three shares."""
    answers: int = Field(ge=0)
    """Answers the judge saw."""
    labelled: int = Field(ge=0)
    """Answers that people labelled."""
    reason: str = ""


def calibrate(faulty: Sequence[bool], flagged: Sequence[bool], clusters: Sequence[str] | None = None) -> Calibration:
    """What a labelled sample shows of a judge: people's word for each answer, then the judge's.

    Raises: EvaluationError if the sequences differ in length.

    >>> calibrate([True, True, False], [True, False, False]).caught.share
    0.5
    """
    lengths = {len(faulty), len(flagged), len(faulty if clusters is None else clusters)}
    if len(lengths) > 1:
        raise EvaluationError(f"calibration: sequences of {sorted(lengths)} entries; give one of each for each answer")
    truth, judged = np.asarray(faulty, dtype=np.bool_), np.asarray(flagged, dtype=np.bool_)
    names = None if clusters is None else np.asarray(clusters, dtype=np.str_)
    return Calibration(
        caught=_tally(judged[truth], None if names is None else names[truth]),
        passed=_tally(~judged[~truth], None if names is None else names[~truth]),
    )


def corrected_rate(
    flagged: Sequence[bool], calibration: Calibration, *, clusters: Sequence[str] | None = None, alpha: float = 0.05
) -> Corrected:
    """The true rate of faults behind what a judge flagged, with its 1 - alpha interval.

    Holds if the judge errs on these answers as often as on the labelled ones of the same kind: label answers of the
    same agent on the same kind of cases, drawn at random. Unmeasured where the judge is not shown to be better than
    chance, that is where the lower bound of sensitivity + specificity - 1 is not above 0: then what it flags says
    nothing, and the formula would blow noise up to any rate. Unmeasured, too, where no rate in [0, 1] explains what it
    flags: then it does not err as it did on the labelled answers.

    >>> labelled = calibrate([True] * 50 + [False] * 50, [True] * 45 + [False] * 50 + [True] * 5)
    >>> rate = corrected_rate([True] * 30 + [False] * 70, labelled)
    >>> [round(value, 3) for value in (rate.apparent, rate.estimate, rate.low, rate.high)]
    [0.3, 0.25, 0.096, 0.388]
    """
    judged = np.asarray(flagged, dtype=np.bool_)
    seen = _tally(judged, None if clusters is None else np.asarray(clusters, dtype=np.str_))
    caught, passed = calibration.caught, calibration.passed
    reason = _lack(seen, calibration) or _chance(calibration, alpha)
    estimate, interval = None, NO_INTERVAL
    if not reason:
        low, high = _bounds(seen, calibration, _quantile((seen, caught, passed), alpha))
        if high < 0 or low > 1:
            reason = "the judge errs otherwise than on the labelled answers: no rate explains what it flags; label anew"
        else:
            estimate, interval = _estimate(seen, calibration), Interval(max(0.0, low), min(1.0, high))
    return Corrected(
        apparent=seen.share,
        sensitivity=caught.share,
        specificity=passed.share,
        estimate=estimate,
        low=interval.low,
        high=interval.high,
        answers=seen.answers,
        labelled=caught.answers + passed.answers,
        reason=reason,
    )


def _tally(hits: Bools, clusters: NDArray[np.str_] | None) -> Tally:
    count = int(hits.sum())
    if clusters is None:
        return Tally(hits=count, answers=len(hits), worth=len(hits))
    numbers = codes([str(name) for name in clusters])
    groups = int(numbers.max()) + 1 if len(numbers) else 0
    return Tally(hits=count, answers=len(hits), worth=_worth(hits.astype(np.float64), numbers, groups), clusters=groups)


def _worth(values: Floats, numbers: NDArray[np.int64], groups: int) -> float:
    """How many independent answers have the clustered variance; where all agree each cluster counts as one."""
    if groups < 2:
        return float(groups)
    error = standard_error(values, numbers)
    share = float(values.mean())
    return min(float(len(values)), share * (1 - share) / error**2) if error > 0 else float(groups)


def _lack(seen: Tally, calibration: Calibration) -> str:
    """What is missing, in words; empty if nothing is."""
    if not seen.answers:
        return "the judge saw no answer"
    needed = (("faulty", calibration.caught), ("sound", calibration.passed))
    missing = [kind for kind, tally in needed if not tally.answers]
    if missing:
        return f"no labelled answer is {' or '.join(missing)}; label more answers"
    single = [tally for tally in (seen, calibration.caught, calibration.passed) if tally.clusters == 1]
    return "answers come from a single cluster, which leaves nothing to estimate from" if single else ""


def _chance(calibration: Calibration, alpha: float) -> str:
    caught, passed = (_smoothed(tally, 1.0) for tally in (calibration.caught, calibration.passed))
    index = caught.share + passed.share - 1
    spread = _quantile((calibration.caught, calibration.passed), alpha) * math.sqrt(caught.variance + passed.variance)
    if index - spread > 0:
        return ""
    return (
        f"the judge is not shown to be better than chance: it flags {calibration.caught.share:.0%} of "
        f"{calibration.caught.answers} faulty and {1 - (calibration.passed.share or 0.0):.0%} of "
        f"{calibration.passed.answers} sound answers; label more, or use another judge"
    )


def _quantile(tallies: Sequence[Tally], alpha: float) -> float:
    """The normal quantile, or Student's for the fewest clusters where answers come in clusters."""
    groups = [tally.clusters for tally in tallies if tally.clusters is not None]
    return student(1 - alpha / 2, min(groups)) if groups else float(ndtri(1 - alpha / 2))


def _estimate(seen: Tally, calibration: Calibration) -> float:
    """Rogan & Gladen's estimate, cut to [0, 1]."""
    apparent, sensitivity, specificity = (
        tally.hits / tally.answers for tally in (seen, calibration.caught, calibration.passed)
    )
    return min(1.0, max(0.0, (apparent + specificity - 1) / (sensitivity + specificity - 1)))


class _Smoothed(NamedTuple):
    share: float
    variance: float


def _smoothed(tally: Tally, added: float) -> _Smoothed:
    """A share with `added` hits and as many misses more, and its variance."""
    size = tally.worth + 2 * added
    share = (tally.worth * tally.hits / tally.answers + added) / size
    return _Smoothed(share, share * (1 - share) / size)


def _bounds(seen: Tally, calibration: Calibration, quantile: float) -> tuple[float, float]:
    """Lang & Reiczigel's adjusted interval, not yet cut to [0, 1]: their P', dP, Var(P') and equation 16."""
    apparent = _smoothed(seen, quantile**2 / 2)
    caught, passed = (_smoothed(tally, 1.0) for tally in (calibration.caught, calibration.passed))
    index = caught.share + passed.share - 1
    rate = (apparent.share + passed.share - 1) / index
    shift = 2 * quantile**2 * (rate * caught.variance - (1 - rate) * passed.variance)
    variance = apparent.variance + rate**2 * caught.variance + (1 - rate) ** 2 * passed.variance
    spread = quantile * math.sqrt(variance) / index
    return rate + shift - spread, rate + shift + spread
