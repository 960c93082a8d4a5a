"""Do reviewers agree, what was decided, and what do their decisions say of the whole run?"""

import math
import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import krippendorff
import numpy as np
from pydantic import Field

from workbench.core import Blame, Record, integer
from workbench.evals.interval import wilson
from workbench.evals.review import Key, Opinion, Review, ReviewItem

RESAMPLES = 2_000
_CODES = {"wrong": 0.0, "right": 1.0, "unsure": math.nan}
_Z95 = 1.959963984540054  # the 97.5 % point of the standard normal distribution


class Agreement(Record):
    """How far reviewers agree beyond chance."""

    alpha: float | None = Field(allow_inf_nan=False)
    """Krippendorff's alpha for right and wrong: 1 is agreement, 0 is chance; None is unmeasured."""
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    """Bounds of the 95 % bootstrap interval over episodes."""
    episodes: int
    """Episodes with an opinion of at least two reviewers; the others say nothing."""
    reviewers: int
    reason: str = ""
    """Why it is unmeasured."""


class Decision(Record):
    """What the reviewers of one episode came to."""

    run_digest: str
    case_id: str
    repeat: int
    opinion: Opinion
    """"unsure" while it is open."""
    how: Literal["one reviewer", "unanimous", "majority", "adjudicated", "open"]
    reviewers: tuple[str, ...]
    failure: str = ""
    blame: Blame | None = None
    """The first that one of those who were followed named."""
    comments: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """Case id and repeat."""
        return self.case_id, self.repeat


class ReviewedRate(Record):
    """The share of all episodes that reviewers would call right, from the sample they saw."""

    estimate: float | None = Field(allow_inf_nan=False)
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    reviewed: int
    """Episodes with a decision."""
    sent: int
    reason: str = ""


def agree(reviews: Sequence[Review], *, seed: int) -> Agreement:
    """Krippendorff's alpha over right and wrong, unsure counted as no opinion, with a bootstrap interval.

    Source: Krippendorff 2019, Content Analysis, 4th ed., ch. 12; the coefficient itself is the package
    krippendorff's. Unmeasured without two opinions on an episode, or where everybody always says the same thing:
    then nothing tells agreement from habit.
    """
    names = sorted({review.reviewer for review in reviews})
    table: defaultdict[tuple[str, str, int], dict[str, float]] = defaultdict(dict)
    for review in reviews:
        if review.opinion != "unsure":
            table[review.run_digest, *review.key][review.reviewer] = _CODES[review.opinion]
    shared = [table[key] for key in sorted(table) if len(table[key]) > 1]
    if not shared:
        reason = "no episode has an opinion of two reviewers"
        return Agreement(alpha=None, episodes=0, reviewers=len(names), reason=reason)
    data = np.array([[row.get(name, math.nan) for row in shared] for name in names])
    alpha = _alpha(data)
    if alpha is None:
        reason = "all opinions are the same: nothing tells agreement from habit"
        return Agreement(alpha=None, episodes=len(shared), reviewers=len(names), reason=reason)
    draws = np.random.default_rng(integer(seed, "agreement")).integers(0, len(shared), size=(RESAMPLES, len(shared)))
    found = [value for value in (_alpha(data[:, draw]) for draw in draws) if value is not None]
    low, high = np.quantile(found, [0.025, 0.975]) if len(shared) > 1 else (None, None)
    return Agreement(
        alpha=alpha,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        episodes=len(shared),
        reviewers=len(names),
    )


def adjudicate(reviews: Sequence[Review], *, adjudicator: str = "") -> tuple[Decision, ...]:
    """One decision for each reviewed episode, by case id and repeat.

    The adjudicator's word stands; else what all, or more than half of those with an opinion, say. The rest is
    open and needs an adjudicator.
    """
    by_key: defaultdict[tuple[str, str, int], list[Review]] = defaultdict(list)
    for review in reviews:
        by_key[review.run_digest, *review.key].append(review)
    keys = sorted(by_key, key=lambda key: (key[1], key[2], key[0]))
    return tuple(_decide(by_key[key], adjudicator) for key in keys)


def reviewed_rate(items: Sequence[ReviewItem], decisions: Sequence[Decision]) -> ReviewedRate:
    """The share of right episodes among all that the sample stands for, with a 95 % interval.

    Each stratum counts by its size, whatever was drawn of it. Source: Cochran 1977, Sampling Techniques, 3rd ed.,
    sections 5.3 to 5.6, with the finite population correction; a stratum with one decision takes the variance of
    all. The interval is Wilson's for the effective number of reviews, so it stays inside [0, 1].
    Unmeasured if a stratum that was drawn from has no decision: its episodes would silently count as the others.
    """
    outcomes = {(d.run_digest, *d.key): float(d.opinion == "right") for d in decisions if d.opinion != "unsure"}
    sizes: defaultdict[str, float] = defaultdict(float)
    found: defaultdict[str, list[float]] = defaultdict(list)
    for item in items:
        sizes[item.stratum] += 1 / item.chance
        if (item.run_digest, *item.key) in outcomes:
            found[item.stratum].append(outcomes[item.run_digest, *item.key])
    reviewed = sum(map(len, found.values()))
    empty = sorted(name for name in sizes if not found[name])
    if not items or empty:
        reason = f"no decision on any episode of stratum {empty[0]!r}" if empty else "nothing was sent for review"
        return ReviewedRate(estimate=None, reviewed=reviewed, sent=len(items), reason=reason)
    total = sum(sizes.values())
    estimate = sum(sizes[name] / total * float(np.mean(found[name])) for name in sizes)
    everything = [value for name in sizes for value in found[name]]
    variance: float = sum(
        (sizes[name] / total) ** 2 * _variance(found[name], everything) * (1 - len(found[name]) / sizes[name])
        for name in sizes
    )
    size = estimate * (1 - estimate) / variance if variance > 0 and 0 < estimate < 1 else float(reviewed)
    low, high = wilson(estimate, size, _Z95)
    return ReviewedRate(estimate=estimate, low=low, high=high, reviewed=reviewed, sent=len(items))


def _alpha(data: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> float | None:
    if len(np.unique(data[~np.isnan(data)])) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample without any disagreement to expect
        value = float(krippendorff.alpha(data, level_of_measurement="nominal"))
    return value if math.isfinite(value) else None


def _decide(reviews: Sequence[Review], adjudicator: str) -> Decision:
    right = [review for review in reviews if review.opinion == "right"]
    wrong = [review for review in reviews if review.opinion == "wrong"]
    word = [review for review in reviews if adjudicator and review.reviewer == adjudicator]
    opinion: Opinion = "right" if len(right) > len(wrong) else "wrong"
    how: Literal["one reviewer", "unanimous", "majority", "adjudicated", "open"] = "majority"
    if word and word[0].opinion != "unsure":
        opinion, how = word[0].opinion, "adjudicated"
    elif len(right) == len(wrong):
        opinion, how = "unsure", "open"
    elif not (right and wrong):
        how = "unanimous" if len(right) + len(wrong) > 1 else "one reviewer"
    followed = [review for review in (*word, *reviews) if review.opinion == opinion]
    first = reviews[0]
    return Decision(
        run_digest=first.run_digest,
        case_id=first.case_id,
        repeat=first.repeat,
        opinion=opinion,
        how=how,
        reviewers=tuple(sorted({review.reviewer for review in reviews})),
        failure=next((review.failure for review in followed if review.failure), ""),
        blame=next((review.blame for review in followed if review.blame), None),
        comments=tuple(dict.fromkeys(review.comment for review in followed if review.comment)),
    )


def _variance(values: Sequence[float], everything: Sequence[float]) -> float:
    """Of the mean of a stratum, before the finite population correction."""
    own = values if len(values) > 1 else everything
    return float(np.var(own, ddof=1)) / len(values) if len(own) > 1 else 0.25 / len(values)
