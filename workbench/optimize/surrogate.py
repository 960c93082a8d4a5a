"""What is known of candidates that were not tried: a Gaussian process over the knobs.

It takes measurements that are differently sure, so a candidate that was tried on few cases says little and one that
was tried on all says much. Optuna's own process needs torch; its parzen estimators take no uncertainty.
Source: Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, algorithm 2.1.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FIRST_TRIES, _TRIES = 100, 40
"""How many length scales are tried at first, and whenever there is a good deal more to learn from."""
_GROWTH = 1.15
_JITTER = 1e-9


class Surrogate:
    """Mean and deviation of one goal at any point, learned from noisy measurements.

    The kernel is squared-exponential with a length for each knob. Lengths are those of the highest posterior among
    random ones, drawn around the best so far: knobs that don't matter get long ones.
    """

    def __init__(self, named: NDArray[np.bool_], rng: np.random.Generator) -> None:
        """`named` says which columns of a point are names without order; the others lie in [0, 1]."""
        self._named = named
        self._rng = rng
        self._lengths = np.zeros(len(named))
        self._scale = 0.0
        self._fitted = 0

    def fit(self, points: Floats, values: Floats, variances: Floats) -> None:
        """Learn from a row for each measurement, its value and how uncertain it is."""
        self._points = points
        self._mean = float(np.average(values, weights=1 / (variances + 0.01)))
        self._values, self._variances = values - self._mean, variances
        distances = self._distances(points, points)
        if len(values) >= _GROWTH * self._fitted:
            self._choose_lengths(distances)
            self._fitted = len(values)
        self._factor = np.linalg.cholesky(self._covariance(distances, self._lengths, self._scale))
        self._weights = np.linalg.solve(self._factor.T, np.linalg.solve(self._factor, self._values))

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the true value at each point."""
        kernel = _kernel(self._distances(points, self._points), self._lengths, self._scale)
        explained = np.linalg.solve(self._factor, kernel.T)
        left = np.exp(self._scale) - (explained**2).sum(axis=0)
        mean: Floats = self._mean + kernel @ self._weights
        return mean, np.sqrt(np.maximum(left, _JITTER))

    def _choose_lengths(self, distances: Floats) -> None:
        spread = float(np.log(max(1e-4, self._values.var())))
        known = [(self._lengths, self._scale)] if self._fitted else []
        count = _TRIES if self._fitted else _FIRST_TRIES
        drawn = [self._draw(spread) for _ in range(count)]
        found = [(self._evidence(distances, *one), place) for place, one in enumerate((*known, *drawn))]
        self._lengths, self._scale = (*known, *drawn)[max(found, key=lambda one: (one[0], -one[1]))[1]]

    def _draw(self, spread: float) -> tuple[Floats, float]:
        around = self._lengths if self._fitted and self._rng.random() < 0.5 else np.zeros(len(self._named))
        lengths: Floats = np.clip(around + self._rng.normal(0, 0.8, len(self._named)), -2, 3)
        return lengths, spread + float(self._rng.normal(0, 0.5))

    def _evidence(self, distances: Floats, lengths: Floats, scale: float) -> float:
        """The log posterior of lengths with a standard normal prior of their logarithms, weighed a half."""
        factor = np.linalg.cholesky(self._covariance(distances, lengths, scale))
        half = np.linalg.solve(factor, self._values)
        return float(-half @ half / 2 - np.log(np.diag(factor)).sum() - (lengths**2).sum() / 4)

    def _covariance(self, distances: Floats, lengths: Floats, scale: float) -> Floats:
        covariance: Floats = _kernel(distances, lengths, scale) + np.diag(self._variances + _JITTER)
        return covariance

    def _distances(self, first: Floats, second: Floats) -> Floats:
        """Squared, for each pair and knob; two names are 0 or 1 apart."""
        apart = np.abs(first[:, np.newaxis, :] - second[np.newaxis, :, :])
        squared: Floats = np.where(self._named, apart > 0, apart**2).astype(np.float64)
        return squared


def _kernel(distances: Floats, lengths: Floats, scale: float) -> Floats:
    kernel: Floats = np.exp(scale - distances @ np.exp(-2 * lengths) / 2)
    return kernel
