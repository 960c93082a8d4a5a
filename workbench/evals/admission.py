"""Who may judge? A judge is admitted only on a labelled sample that shows how well it agrees with people.

`admit` compares a judge's verdicts with people's, and a `Guarded` metric scores nothing until it holds an admission
that was earned by exactly this judge: its digest names model, prompt, scale and parser, so another prompt is
another judge.

The measure is balanced agreement, the mean of sensitivity and specificity. It is 0.5 for every judge that does not
look, however rare faults are; agreement as such and Gwet's AC1 praise a judge that passes everything where faults are
rare, and Cohen's kappa of one and the same judge changes with how rare they are. Twice balanced agreement less one is
Youden's index, by which `corrected_rate` divides. Source: Youden 1950, Index for Rating Diagnostic Tests, Cancer
3(1); Feinstein & Cicchetti 1990, High Agreement but Low Kappa, J. Clinical Epidemiology 43(6).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from workbench.core import (
    BudgetExceeded,
    Case,
    Episode,
    EvaluationError,
    Record,
    Score,
    WorkbenchError,
    boundary,
    digest_json,
    short,
)
from workbench.evals.corrected import Calibration, calibrate
from workbench.evals.interval import NO_INTERVAL, Interval, codes, share_interval
from workbench.evals.metric import Metric

Standing = Literal["admitted", "refused", "unmeasured"]
SOUND_FROM = 0.5
"""A score from here on says that an answer is sound; below, that it is faulty."""


class Labelled(Record):
    """An answer that a person judged."""

    case: Case
    episode: Episode
    sound: bool
    """The person's word."""


class Concordance(Record):
    """How well verdicts agree with people's, with 1 - alpha intervals by cluster."""

    balanced: float | None
    """Mean of sensitivity and specificity, in [0, 1], higher is better, 0.5 is chance; None without both kinds."""
    low: float | None
    high: float | None
    sensitivity: float | None
    """Share of the faulty answers that were flagged."""
    specificity: float | None
    """Share of the sound answers that were not."""
    kappa: float | None
    """Cohen's kappa, for readers who know it; None where it is undefined. Nothing is decided by it."""


class Admission(Record):
    """What a judge showed on a labelled sample, and whether that is enough."""

    judge: str
    judge_digest: str
    sample_digest: str
    at_least: float
    """What the lower bound of balanced agreement must reach."""
    alpha: float
    standing: Standing
    agreement: Concordance
    calibration: Calibration
    """For `corrected_rate`."""
    ungraded: int = Field(ge=0)
    """Labelled answers on which it gave no verdict; each counts as a wrong one."""
    clusters: int = Field(ge=0)
    reason: str
    """The outcome in words."""

    @property
    def admitted(self) -> bool:
        """True if it may judge; anything else is not an admission."""
        return self.standing == "admitted"


@dataclass(frozen=True)
class Guarded:
    """A judge as a metric: unscored with the reason until it holds an admission of its own."""

    judge: Metric
    admission: Admission | None = None
    rests_on: str = ""
    """Digest of what the judge looks things up in; its admission is for any of it."""

    @property
    def name(self) -> str:
        """The judge's."""
        return self.judge.name

    @property
    def digest(self) -> str:
        """Of the judge, of what it looks things up in, and whether it may judge."""
        return digest_json([self.judge.digest, self.rests_on, not self.objection])

    @property
    def objection(self) -> str:
        """Why it may not judge; empty if it may."""
        if self.admission is None:
            return "is not admitted; let `admit` try it on a labelled sample"
        if self.admission.judge_digest != self.judge.digest:
            held, own = short(self.admission.judge_digest), short(self.judge.digest)
            return f"holds the admission of another judge ({held}, this is {own}); admit it anew"
        return "" if self.admission.admitted else f"is not admitted: {self.admission.reason}"

    def __call__(self, case: Case, episode: Episode) -> Score:
        """Judge one episode of one case."""
        if objection := self.objection:
            reason = f"grader: judge {self.name!r}: {objection}"
            return Score(case_id=case.case_id, repeat=episode.repeat, metric=self.name, reason=reason)
        return self.judge(case, episode)


def admit(judge: Metric, sample: Sequence[Labelled], *, at_least: float = 0.8, alpha: float = 0.05) -> Admission:
    """Try a judge on what people judged; it is admitted if the lower bound of balanced agreement reaches `at_least`.

    The bound is that of the two-sided 1 - alpha interval by cluster. A guarded judge is tried as itself. An answer
    it can't grade counts as a wrong verdict, so that nobody is admitted by shirking what is hard.

    Raises: EvaluationError if `at_least` would admit chance, or an answer comes twice.
    """
    tried = judge.judge if isinstance(judge, Guarded) else judge
    if not 0.5 < at_least < 1:
        raise EvaluationError(f"judge {tried.name!r}: at_least {at_least:g} is not between 0.5 (chance) and 1")
    keys = Counter((one.case.case_id, one.episode.repeat) for one in sample)
    if twice := [key for key, count in keys.items() if count > 1]:
        raise EvaluationError(f"case {twice[0][0]!r}: comes twice in the labelled sample; give each answer once")
    faulty = [not one.sound for one in sample]
    verdicts = [_flagged(tried, one) for one in sample]
    flagged = [
        not is_faulty if verdict is None else verdict for verdict, is_faulty in zip(verdicts, faulty, strict=True)
    ]
    clusters = [one.case.cluster for one in sample]
    agreement = agree(faulty, flagged, clusters, alpha=alpha)
    ungraded = verdicts.count(None)
    standing, reason = _decide(agreement, at_least, sum(faulty), len(faulty))
    return Admission(
        judge=tried.name,
        judge_digest=tried.digest,
        sample_digest=digest_json([one.digest for one in sample]),
        at_least=at_least,
        alpha=alpha,
        standing=standing,
        agreement=agreement,
        calibration=calibrate(faulty, flagged, clusters),
        ungraded=ungraded,
        clusters=len(set(clusters)),
        reason=reason + (f"; {ungraded} answers it could not grade count against it" if ungraded else ""),
    )


def agree(
    faulty: Sequence[bool], flagged: Sequence[bool], clusters: Sequence[str], *, alpha: float = 0.05
) -> Concordance:
    """How well what was flagged agrees with what people call faulty.

    The interval of the mean of two shares is made of theirs. Source: Zou & Donner 2008, Construction of Confidence
    Limits about Effect Measures: A General Approach, Statistics in Medicine 27(10).

    >>> agree([True, True, False, False], [True, False, False, False], ["a", "b", "c", "d"]).balanced
    0.75
    """
    truth, judged, names = np.asarray(faulty, np.bool_), np.asarray(flagged, np.bool_), np.asarray(clusters, np.str_)
    shares, bounds = [], []
    for right, kind in ((judged, truth), (~judged, ~truth)):
        values = right[kind].astype(np.float64)
        shares.append(float(values.mean()) if len(values) else None)
        bounds.append(share_interval(values, codes([str(name) for name in names[kind]]), alpha))
    sensitivity, specificity = shares
    balanced, interval = None, NO_INTERVAL
    if sensitivity is not None and specificity is not None:
        balanced = (sensitivity + specificity) / 2
        interval = _mean_of_two((sensitivity, bounds[0]), (specificity, bounds[1]))
    return Concordance(
        balanced=balanced,
        low=interval.low,
        high=interval.high,
        sensitivity=sensitivity,
        specificity=specificity,
        kappa=_kappa(truth.tolist(), judged.tolist()),
    )


def _flagged(judge: Metric, one: Labelled) -> bool | None:
    try:
        with boundary(EvaluationError, f"judge {judge.name!r}"):
            value = judge(one.case, one.episode).value
    except BudgetExceeded:
        raise
    except WorkbenchError:
        return None
    return None if value is None else value < SOUND_FROM


def _mean_of_two(first: tuple[float, Interval], second: tuple[float, Interval]) -> Interval:
    (a, a_bounds), (b, b_bounds) = first, second
    if a_bounds.low is None or a_bounds.high is None or b_bounds.low is None or b_bounds.high is None:
        return NO_INTERVAL
    centre = (a + b) / 2
    low = centre - math.hypot(a - a_bounds.low, b - b_bounds.low) / 2
    return Interval(low, centre + math.hypot(a_bounds.high - a, b_bounds.high - b) / 2)


def _kappa(truth: Sequence[bool], judged: Sequence[bool]) -> float | None:
    """Source: Cohen 1960, A Coefficient of Agreement for Nominal Scales, Educ. Psychol. Measurement 20(1)."""
    count = len(truth)
    if not count:
        return None
    observed = sum(a == b for a, b in zip(truth, judged, strict=True)) / count
    first, second = sum(truth) / count, sum(judged) / count
    chance = first * second + (1 - first) * (1 - second)
    return (observed - chance) / (1 - chance) if chance < 1 else None


def _decide(agreement: Concordance, at_least: float, faulty: int, answers: int) -> tuple[Standing, str]:
    counted = f"{faulty} faulty and {answers - faulty} sound answers"
    if agreement.balanced is None or agreement.low is None or agreement.high is None:
        return "unmeasured", f"{counted} are labelled; both kinds are needed, from two clusters at least"
    found = (
        f"balanced agreement {agreement.balanced:.3f} [{agreement.low:.3f}, {agreement.high:.3f}] on {counted} "
        f"(sensitivity {agreement.sensitivity:.3f}, specificity {agreement.specificity:.3f})"
    )
    if agreement.low >= at_least:
        return "admitted", f"{found}: the lower bound reaches {at_least:g}"
    more = "label more answers" if agreement.high >= at_least else "use another judge"
    return "refused", f"{found}: the lower bound does not reach {at_least:g}; {more}"
