"""Whether a budget has room for what is to be asked, judged by what was asked."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

from workbench.core import Budget, Run
from workbench.optimize.attempts import mean_tokens

_ONE_SIDED = NormalDist().inv_cdf(0.95)


class Need(NamedTuple):
    """So many more episodes, each as dear as those of a run were on average."""

    episodes: float
    run: Run


def covers(left: Budget, needs: Sequence[Need], growth: float = 1.0) -> bool:
    """Whether what is left of a budget covers all of it, if further cases are longer by that factor.

    A longer case takes more tokens, time and money, but no more calls.
    """
    shares = [(need.episodes / len(need.run.episodes), one.usage) for need in needs for one in need.run.episodes]
    costs = (
        (left.calls, sum(share * usage.calls for share, usage in shares)),
        (left.tokens, growth * sum(share * usage.tokens for share, usage in shares)),
        (left.seconds, growth * sum(share * usage.model_milliseconds for share, usage in shares) / 1e3),
        (left.usd, growth * sum(share * (usage.usd or 0.0) for share, usage in shares)),
    )
    return all(limit is None or cost <= limit for limit, cost in costs)


def longer(run: Run | None, cases: int) -> float:
    """How much longer the cases after the first ones are, by the tokens of a run over all of them; at least 1.

    What is added to each case alike, such as fixed demos, grows less: so this is the careful side.
    """
    tokens = [episode.usage.tokens for episode in run.episodes] if run is not None else []
    first, rest = tokens[:cases], tokens[cases:]
    if not first or not rest or not sum(first):
        return 1.0
    return max(1.0, (sum(rest) / len(rest)) / (sum(first) / len(first)))


def fits(
    left: Budget, runs: Sequence[Run], episodes: float, winner: int, whole: Run | None, *, surely: bool = False
) -> bool:
    """Whether there is room for further episodes of some agents and for those of a winner, who may be the dearest.

    The cases that are left may be longer than those that were met: how much, a run over the whole of them tells; and
    with `surely` they may be longer by chance, as far as what was met allows with 95 %.
    """
    growth = longer(whole, min(len(run.clusters) for run in runs))
    needs = [*(Need(episodes / len(runs), run) for run in runs), Need(winner, max(runs, key=mean_tokens))]
    return covers(left, needs, growth * (1 + margin(needs) if surely else 1))


def margin(needs: Sequence[Need]) -> float:
    """By which share the tokens of what is needed may exceed what is expected, with a chance of 5 %.

    Source: the normal prediction of a sum of m further values from n that were seen, whose variance is that of one
    value times m + m² / n; a run of one episode shows no variance. Runs are taken to vary independently.
    """
    expected, variance = 0.0, 0.0
    for need in needs:
        tokens = [episode.usage.tokens for episode in need.run.episodes]
        expected += need.episodes * fmean(tokens)
        if len(tokens) > 1:
            variance += stdev(tokens) ** 2 * (need.episodes + need.episodes**2 / len(tokens))
    return _ONE_SIDED * math.sqrt(variance) / expected if expected else 0.0


def halved(candidates: int, seen: Sequence[int]) -> float:
    """Episodes until one of so many is left, if each look drops half of them; `seen` are the cases at each look.

    What the one that is left meets after the first look is not counted.

    >>> halved(4, [2, 4, 8])
    10.0
    """
    episodes, left = 0.0, float(candidates)
    for before, cases in pairwise((0, *seen)):
        episodes += left * (cases - before)
        left = max(1.0, left / 2)
    return episodes - (seen[-1] - seen[0])
