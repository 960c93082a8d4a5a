"""Does a probability mean what it says? Of answers given 70 %, about 70 % should be right."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from workbench.core import EvaluationError, Record

BINS = 10


class Bin(Record):
    """Answers whose probability lies between two bounds, the upper one included."""

    low: float
    high: float
    answers: int = Field(ge=1)
    probability: float
    """Their mean probability."""
    share: float
    """The share of them that is right."""


class Reliability(Record):
    """How well probabilities are calibrated."""

    answers: int = Field(ge=1)
    brier: float = Field(ge=0, le=1)
    """Mean squared distance from what was so; 0 is best. Source: Brier 1950, Monthly Weather Review 78(1)."""
    ece: float = Field(ge=0, le=1)
    """Mean distance of a bin's probability from its share, by answers, over ten bins of equal width; 0 is best.
    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, ICML, section 2."""
    bins: tuple[Bin, ...]
    """From low to high; empty ones are left out."""


def reliability(probabilities: Sequence[float], outcomes: Sequence[bool]) -> Reliability:
    """How well probabilities fit what was so.

    Raises: EvaluationError if there is none, the sequences differ in length, or one is no probability.

    >>> found = reliability([0.9, 0.9, 0.2, 0.2], [True, True, False, False])
    >>> round(found.brier, 3), round(found.ece, 3)
    (0.025, 0.15)
    """
    given, so = np.asarray(probabilities, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    if len(given) != len(so) or not len(given) or not ((given >= 0) & (given <= 1)).all():
        counts = f"{len(given)} probabilities and {len(so)} outcomes"
        raise EvaluationError(f"reliability: {counts}; give one of each for each answer, probabilities in [0, 1]")
    places = np.clip(np.ceil(given * BINS).astype(int) - 1, 0, BINS - 1)
    bins = tuple(
        Bin(
            low=place / BINS,
            high=(place + 1) / BINS,
            answers=int((places == place).sum()),
            probability=float(given[places == place].mean()),
            share=float(so[places == place].mean()),
        )
        for place in np.unique(places).tolist()
    )
    return Reliability(
        answers=len(given),
        brier=float(((given - so) ** 2).mean()),
        ece=sum(one.answers * abs(one.probability - one.share) for one in bins) / len(given),
        bins=bins,
    )
