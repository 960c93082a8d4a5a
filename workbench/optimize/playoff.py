"""The playoff: where answers vary, who is asked again before one of the best is chosen.

While a race has cases left, a new case tells more than an old one asked again: it shows another case and another throw
of the coin. So repeats begin where the cases end, and only for those whose order they could change. Whoever takes part
is asked every case once more, not only those on which two differ: cases that one chooses by their answers are no fair
sample of what the candidates can. A case counts with the mean of its answers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workbench.evals import codes
from workbench.optimize.racing import Runner, passing_chance, rank

FUTILITY = 0.1
"""The lowest chance to come out ahead with which another one may still be the best."""
MOST_ASKED = 3
"""Candidates that are asked again at once: the best, and those that follow it most closely."""


class Finalist(NamedTuple):
    """A candidate that was tried on every case."""

    runner: Runner
    rounds: int
    """How often each case was asked."""
    varies: bool
    """True if the same question may be answered, or the same answer scored, in another way the next time."""


def again(finalists: Sequence[Finalist], clusters: Sequence[str], repeats: int) -> tuple[str, ...]:
    """Who is asked every case once more, by name; nobody once the choice of the best stands.

    `repeats` is how often a case may be asked in all. The choice stands when for every other one the chance to come out
    ahead after so many is below `FUTILITY`, were it as good as the best from here on, or when nobody may be asked more.
    """
    by_name = {one.runner.name: one for one in finalists}
    if len(by_name) < 2:
        return ()
    best, *others = (by_name[runner.name] for runner in rank([one.runner for one in by_name.values()]))
    close = [one for one in others if _chance(best, one, clusters, repeats) >= FUTILITY]
    if not close:
        return ()
    asked = [one for one in (best, *close)[:MOST_ASKED] if one.varies and one.rounds < repeats]
    fewest = min((one.rounds for one in asked), default=0)
    return tuple(one.runner.name for one in asked if one.rounds == fewest)


def _chance(best: Finalist, other: Finalist, clusters: Sequence[str], repeats: int) -> float:
    """The chance that the other one comes out ahead when whoever varies was asked as often as may be."""
    done = min([one.rounds for one in (best, other) if one.varies], default=repeats)
    if done >= repeats:
        return 0.0
    pairs = [
        (ahead, behind) if ahead is not None and behind is not None else (0.0, 0.0)
        for ahead, behind in zip(best.runner.scores, other.runner.scores, strict=True)
    ]
    gaps = np.bincount(codes(clusters), weights=[ahead - behind for ahead, behind in pairs]).astype(np.float64)
    cases, cheaper = len(pairs), other.runner.tokens < best.runner.tokens
    return passing_chance(done * gaps, cases=done * cases, rest=(repeats - done) * cases, ties_win=cheaper)
