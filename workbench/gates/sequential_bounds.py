"""Where a test that looks several times may stop: bounds for each look that keep the error rates.

Chance is *spent*: a look may use up only as much of the error rate as its share of the plan allows, given that
the looks before it did not stop. The statistic is a Brownian motion seen at the shares of the plan, so the chance of
crossing a bound for the first time comes out of one integral a look, taken over the values at which the plan went on.
Source: Lan & DeMets 1983, Discrete Sequential Boundaries for Clinical Trials, Biometrika 70(3); Armitage, McPherson &
Rowe 1969, JRSS A 132(2) for the recursion; Jennison & Turnbull 2000, Group Sequential Methods, chapters 7 and 19.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtr, ndtri

from workbench.core import Record

Floats = NDArray[np.float64]
Shares = tuple[float, ...]
Spending = Literal["obrien_fleming", "cubic", "pocock"]

MOST_LOOKS = 60
"""With more, the steps between looks are too narrow for the nodes of the integral."""
_FAR = 9.0
"""Standard errors at which a bound is never crossed."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


class Design(Record):
    """The error rates of a test that may stop early; nothing here depends on the data."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """A wrong claim in each direction has a chance of at most half of it; intervals have level 1 - alpha."""
    power: float = Field(default=0.9, gt=0.5, lt=1)
    """An effect that one test at the end of the plan shows with this chance is given up early with at most the
    rest of it. Nearer to 1 gives up later; less saves more where nothing differs, and costs power."""
    spending: Spending = "obrien_fleming"
    """How alpha is spent: "obrien_fleming" almost none early, "cubic" a little, "pocock" most of it."""


class Bounds(NamedTuple):
    """For each look, in standard errors towards what is to be shown."""

    show: Shares
    """At or above it is shown; at or below minus it, the opposite is."""
    give_up: Shares
    """At or below it there is little hope left. Not binding: whoever goes on anyway errs no more often."""


class Outlook(NamedTuple):
    """What a design does under one true effect."""

    shown: float
    """The chance that the effect is shown."""
    share: float
    """The expected share of the plan that is used."""


@lru_cache(maxsize=256)
def bounds(shares: Shares, design: Design) -> Bounds:
    """The bounds for looks after these shares of a plan, ascending to 1.

    The bounds to show something spend alpha / 2 each and take no notice of giving up. Source of the spending
    functions: Lan & DeMets 1983, and Kim & DeMets 1987, Biometrika 74(1), for the power of the share (3 for alpha,
    1 for giving up).

    >>> five = bounds((0.2, 0.4, 0.6, 0.8, 1.0), Design())
    >>> [round(z, 3) for z in five.show]
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    half = design.alpha / 2
    walk, show = _Walk(0.0), []
    for share in shares:
        show.append(walk.upper(share, half * _SPENT[design.spending](share, half)))
        walk.go_on(share, -_FAR, show[-1])
    walk, give_up = _Walk(drift(design, design.power)), []
    for share, upper in zip(shares[:-1], show[:-1], strict=True):
        give_up.append(walk.lower(share, (1 - design.power) * share, upper))
        walk.go_on(share, give_up[-1], upper)
    return Bounds(tuple(show), (*give_up, -_FAR))


def drift(design: Design, chance: float) -> float:
    """The effect that one test at the end shows with this chance, in standard errors at the end."""
    return float(ndtri(1 - design.alpha / 2) + ndtri(chance))


@lru_cache(maxsize=256)
def foresee(shares: Shares, design: Design, effect: float) -> Outlook:
    """What the design does if the true effect is that many standard errors at the end of the plan."""
    limits, walk, shown = bounds(shares, design), _Walk(effect), 0.0
    used = shares[0]
    for place, share in enumerate(shares):
        upper, lower = limits.show[place], max(limits.give_up[place], -limits.show[place])
        shown += walk.above(share, upper)
        walk.go_on(share, lower, upper)
        if place + 1 < len(shares):
            used += walk.left * (shares[place + 1] - share)
    return Outlook(shown, used)


class _Walk:
    """The distribution of a Brownian motion with a drift, among the paths that did not stop yet."""

    def __init__(self, drift: float) -> None:
        self.drift, self.share, self.spent = drift, 0.0, 0.0
        self.places, self.masses = np.zeros(1), np.ones(1)

    @property
    def left(self) -> float:
        """The chance not to have stopped."""
        return float(self.masses.sum())

    def above(self, share: float, bound: float) -> float:
        """The chance to be at or above a bound at the look after `share`, and not to have stopped before."""
        return float(self.masses @ ndtr(-self._distance(share, bound)))

    def below(self, share: float, bound: float) -> float:
        return float(self.masses @ ndtr(self._distance(share, bound)))

    def upper(self, share: float, total: float) -> float:
        """The bound above which what is left of `total` is spent."""
        return self._spend(lambda bound: self.above(share, bound), total, (-_FAR, _FAR))

    def lower(self, share: float, total: float, upper: float) -> float:
        """The bound below which what is left of `total` is spent; never above `upper`."""
        return self._spend(lambda bound: self.below(share, bound), total, (upper, -_FAR))

    def _spend(self, chance: Callable[[float], float], total: float, ends: tuple[float, float]) -> float:
        """The bound between the ends, from the most to the least chance, that spends up to `total`."""
        most, least = ends
        free = total - self.spent
        if chance(least) >= free:
            return least
        from scipy.optimize import brentq  # noqa: PLC0415 - slow to import, and few who open a gate plan to stop early

        bound = most if chance(most) <= free else float(brentq(lambda at: chance(at) - free, most, least, xtol=1e-12))
        self.spent += chance(bound)
        return bound

    def go_on(self, share: float, lower: float, upper: float) -> None:
        """Leave out the paths at or beyond the bounds, in standard errors."""
        root, step = math.sqrt(share), share - self.share
        half = root * (upper - lower) / 2
        places = root * (upper + lower) / 2 + half * _NODES
        moves = (places[:, None] - self.places - self.drift * step) / math.sqrt(step)
        densities = np.exp(-(moves**2) / 2) @ self.masses / math.sqrt(2 * math.pi * step)
        self.places, self.masses, self.share = places, half * _WEIGHTS * densities, share

    def _distance(self, share: float, bound: float) -> Floats:
        step = share - self.share
        moves: Floats = (bound * math.sqrt(share) - self.places - self.drift * step) / math.sqrt(step)
        return moves


_SPENT: dict[Spending, Callable[[float, float], float]] = {
    "obrien_fleming": lambda share, half: 2 * float(ndtr(ndtri(half / 2) / math.sqrt(share))) / half,
    "cubic": lambda share, _half: share**3,
    "pocock": lambda share, _half: math.log(1 + (math.e - 1) * share),
}
"""The share of alpha / 2 that is spent by a share of the plan."""
