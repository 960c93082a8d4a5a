"""What is known of candidates from few cases each: a Gaussian process over knobs, and what each case is worth to all.

A score is what the candidate adds, plus how easy the case is for everybody, plus chance. The second part is common to
all who met the case, so candidates that met the same cases are compared as pairs are, and one that met few is not
judged by how easy those were. What a candidate adds is a sum of what its knobs add, each by itself, and a small rest
that is its own: so a case tells something about every relative of the candidate that met it.
Source: Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, chapter 2, for the posterior; Duvenaud,
Nickisch & Rasmussen 2011, Additive Gaussian Processes, NeurIPS, for the sum over knobs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

OF_NAME, OF_NUMBER, OWN = 0.05, 0.10, 0.02
"""Standard deviations of what is thought before anything is seen, as shares of 1: what another value of a knob without
order adds, what the range of an ordered one adds, and what a candidate adds beyond the sum. Set on simulated tasks."""
REACH = 0.7
"""How far apart two values of an ordered knob, whose range is 1, are still alike."""
ALIKE = 0.67
"""Share of the variance of a score that belongs to the case: the median correlation of the outcomes of two prompts on
a case, recorded for seven models of AgentDyn (0.54 to 0.92)."""
LEAST_SPREAD = 0.05
"""Variance of a score at least, so that a few equal scores are no proof; that of a fair coin is 0.25."""
_TINY = 1e-10


def kernel(codes: Floats, named: NDArray[np.bool_]) -> Floats:
    """The covariance of what candidates add; a row of `codes` is one, a column a knob, ordered ones in [0, 1].

    >>> kernel(np.array([[0.0], [1.0]]), np.array([True])).round(4).tolist()
    [[0.0029, 0.0], [0.0, 0.0029]]
    """
    apart = np.abs(codes[:, np.newaxis, :] - codes[np.newaxis, :, :])
    alike = np.where(named, apart == 0, np.exp(-((apart / REACH) ** 2) / 2))
    found: Floats = alike @ np.where(named, OF_NAME**2, OF_NUMBER**2) + OWN**2 * alike.prod(axis=-1)
    return found


@dataclass(frozen=True)
class Posterior:
    """What candidates add, as far as it is known, up to a constant that is the same for all."""

    mean: Floats
    covariance: Floats
    noise: float
    """Variance of one score, when the candidate and the case are known."""

    def drawn(self, rng: np.random.Generator) -> Floats:
        """What they may truly add."""
        root = np.linalg.cholesky(self.covariance + _TINY * np.eye(len(self.mean)))
        found: Floats = self.mean + root @ rng.normal(size=len(self.mean))
        return found

    def told(self, one: int, other: int, cases: Floats) -> Floats:
        """By how much so many more cases of each candidate would lower the variance of the gap between two."""
        shared = (self.covariance[:, one] - self.covariance[:, other]) ** 2
        found: Floats = np.where(
            cases > 0, shared / (self.covariance.diagonal() + self.noise / np.maximum(cases, 1)), 0
        )
        return found

    def hope(self, than: int) -> float:
        """The most that any candidate is expected to be better than this one by, were the worse ones left."""
        gaps = self.mean - self.mean[than]
        variances = self.covariance.diagonal() + self.covariance[than, than] - 2 * self.covariance[than]
        spread = np.sqrt(np.maximum(variances, _TINY))
        density = np.exp(-((gaps / spread) ** 2) / 2) / np.sqrt(2 * np.pi)
        return float((gaps * ndtr(gaps / spread) + spread * density).max())


def judge(prior: Floats, scores: Floats) -> Posterior:
    """What is known after these scores: a row for each candidate, a column for each case, NaN where it was not met.

    Cases and the common level are summed out. Source: Woodbury's identity for the cases; a flat prior for the level.
    """
    seen = np.flatnonzero(np.isfinite(scores).any(axis=1))
    met = np.isfinite(scores[seen])
    values = np.where(met, scores[seen], 0.0)
    spread = max(LEAST_SPREAD, float(values[met].var()))
    noise, of_case = (1 - ALIKE) * spread, ALIKE * spread
    weights = met / noise
    shared = weights / (1 / of_case + weights.sum(axis=0))
    precision = np.diag(weights.sum(axis=1)) - shared @ weights.T
    told = (weights * values).sum(axis=1) - shared @ (weights * values).sum(axis=0)
    level = precision.sum(axis=1)
    told = told - level * told.sum() / level.sum()
    precision = precision - np.outer(level, level) / level.sum()
    own, towards = prior[np.ix_(seen, seen)], prior[:, seen]
    solved = np.linalg.inv(np.eye(len(seen)) + precision @ own)
    return Posterior(towards @ (solved @ told), prior - towards @ (solved @ precision) @ towards.T, noise)
