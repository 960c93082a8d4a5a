"""Racing: candidates meet the same cases in the same order, and what can't win is dropped before it is paid for.

A race drops for two reasons. The first has a stated error, whatever the number of candidates and of looks; the second
has none in terms of the truth, and alpha does not cover it:

- *beaten*: the cases show that others are truly better. Each pair bets on every case that the rival is better, with
  stakes of all sizes at once; what such a bet wins while the candidate is at least as good stays below 1 on average,
  so does the mean over all rivals, and it ever reaches 1 / alpha with a chance of at most alpha. So the truly best
  candidate is dropped as beaten with a chance of at most alpha. Source: Waudby-Smith & Ramdas 2024, Estimating Means
  of Bounded Random Variables by Betting, JRSS B 86(1), for the bets; Ville 1939 for the looks; Vovk & Wang 2021,
  E-values: Calibration, Combination and Applications, Annals of Statistics 49(3), for the mean.
- *behind*: from the leader's lead and from how often the two differ, the chance that the candidate comes out ahead of
  it on all cases is below `futility`, were the two as good as each other from here on. That says nothing of the
  truth, but a search returns who is ahead on all cases, and a few dozen cases show nothing else. Source: Lan, Simon &
  Halperin 1982, Stochastically Curtailed Tests in Long-Term Clinical Trials, Sequential Analysis 1(3).

Chosen against an exact sign test with Bonferroni's correction for looks and rivals, which needs more
calls at the same alpha where there are losers, and against successive halving, which needs fewer calls in long races
and loses better candidates more often. Cases of a cluster are one bet, so clusters are never torn between looks; a case
that is unscored for one of two counts for neither.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from workbench.core import Case, Record, short, stream
from workbench.evals import Codes, Floats, codes

STAKES = np.arange(1, 20) / 20
"""Shares of the capital that are bet at once, all with the same part of it: a mixture, so none has to be guessed."""
ERRORS = (
    '"beaten" is proof: the truly best candidate is dropped so with a chance of at most alpha; "behind" and "dearer" '
    "are none, and alpha does not cover them: who had too little chance to come out ahead on these cases may be better"
)
"""What the words for a drop stand for, wherever they are shown."""
GROWTH = 1.5
"""By how much the cases grow from look to look: fewer looks wait longer, more looks keep threads waiting."""
DEARER = 1.5
"""From how many times the leader's tokens a candidate is clearly dearer: it then has to have twice the chance."""


class Rules(Record):
    """How a race drops candidates."""

    alpha: float = Field(default=0.1, gt=0, lt=1)
    """The highest chance that the truly best candidate is dropped as beaten."""
    futility: float = Field(default=0.1, ge=0, lt=0.5)
    """The lowest chance to come out ahead with which a candidate goes on; 0 drops only what is shown to be worse."""
    first_cases: int = Field(default=6, ge=1)
    """Cases before the first look."""


class Elimination(Record):
    """A candidate that was dropped, and why."""

    candidate: str
    """Digest of the agent."""
    rival: str
    """Digest of the agent that it was furthest behind."""
    why: Literal["beaten", "behind", "dearer"]
    """"dearer" is behind with a chance that would have been enough for a cheaper one."""
    look: int = Field(ge=1)
    cases: int = Field(ge=1)
    """How many it had met."""
    difference: float = Field(ge=-1, le=1)
    """Its mean score less the rival's, over the cases on which both are scored."""
    value: float = Field(ge=0)
    """What the bets against it won, for "beaten"; else the chance to come out ahead."""
    level: float = Field(ge=0)
    """What that was held against: 1 / alpha, which it reached, or the least chance, which it fell below."""
    reason: str


class Runner(NamedTuple):
    """A candidate and what it scored so far."""

    name: str
    """Digest of the agent."""
    scores: Sequence[float | None]
    """In [0, 1] for each case in the order of the race; None is unscored."""
    tokens: float
    """Mean tokens of a case."""

    @property
    def mean(self) -> float:
        """Over the scored cases; 0.0 if there is none."""
        scored = [score for score in self.scores if score is not None]
        return sum(scored) / len(scored) if scored else 0.0


def arrange(cases: Sequence[Case], seed: int) -> tuple[Case, ...]:
    """The cases in the order of a race: clusters in random order fixed by the seed, each in one piece."""
    clusters: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.case_id):
        clusters.setdefault(case.cluster, []).append(case)
    names = sorted(clusters)
    stream(seed, "race").shuffle(names)
    return tuple(case for name in names for case in clusters[name])


def looks(clusters: Sequence[str], first: int) -> tuple[int, ...]:
    """After how many cases there is a look: `first`, then half as many again, to the end of a cluster; the last is all.

    >>> looks(["a", "b", "c", "c", "d", "e", "f"], first=3)
    (4, 6, 7)
    """
    total = len(clusters)
    found: list[int] = []
    while not found or found[-1] < total:
        wanted = math.ceil(found[-1] * GROWTH) if found else first
        after = min(max(wanted, 1), total)
        while after < total and clusters[after] == clusters[after - 1]:
            after += 1
        found.append(after)
    return tuple(found)


def rank(runners: Sequence[Runner]) -> list[Runner]:
    """The best first; ties go to fewer tokens, then to the earlier one."""
    return sorted(runners, key=lambda runner: (-runner.mean, runner.tokens))


@dataclass
class Race:
    """One race: who entered, what was won by betting against whom."""

    rules: Rules
    clusters: Sequence[str]
    """The cluster of each case, in the order of the race; cases of one stand together."""
    entrants: Sequence[str]
    """Digests of all that begin."""
    _won: dict[tuple[str, str], float] = field(default_factory=dict)
    """The bet that the second is better than the first; that of a dropped rival stays as it was."""

    def look(self, number: int, running: Sequence[Runner], champion: Runner | None = None) -> list[Elimination]:
        """Who is dropped after this look; all have met the same cases, the champion at least those.

        The champion is one that was there before the race: nobody has to beat it by proof, since it was the best of
        others on these very cases, but who has no chance to come out ahead of it is dropped. Of those that run, the
        leader is only dropped for a champion. After the last case nobody is dropped.
        """
        if len(running[0].scores) == len(self.clusters):
            return []
        leader, *others = rank(running)
        gone = self._beaten(number, leader, others)
        leaders = [leader] if champion is None else [leader, champion]
        for runner in (leader, *others):
            if all(one.candidate != runner.name for one in gone):
                behind = [found for rival in leaders if (found := self._behind(number, runner, rival)) is not None]
                gone += sorted(behind, key=lambda one: one.value)[:1]
        return gone

    def _beaten(self, number: int, leader: Runner, others: Sequence[Runner]) -> list[Elimination]:
        running = (leader, *others)
        for runner in running:
            for rival in running:
                if runner.name != rival.name:
                    self._won[runner.name, rival.name] = betting_value(self._gaps(runner, rival)[0] / self._largest)
        return [found for runner in others if (found := self._proof(number, runner, running)) is not None]

    def _proof(self, number: int, runner: Runner, running: Sequence[Runner]) -> Elimination | None:
        """Why a runner is beaten, if it is."""
        won = {rival: self._won.get((runner.name, rival), 1.0) for rival in self.entrants if rival != runner.name}
        value, level = sum(won.values()) / max(1, len(won)), 1 / self.rules.alpha
        if value < level:
            return None
        rival = max((one for one in running if one.name != runner.name), key=lambda one: won[one.name])
        sums, cases = self._gaps(runner, rival)
        difference = -float(sums.sum()) / max(1, cases)
        reason = (
            f"beaten by candidate {short(rival.name)}: {difference:+.3f} over {cases} cases at look {number}; "
            f"bets against it won {value:.3g} times the stake, {level:.3g} are proof at alpha {self.rules.alpha:g}"
        )
        return _eliminated(runner, rival, "beaten", (number, difference, value, level), reason)

    def _behind(self, number: int, runner: Runner, rival: Runner) -> Elimination | None:
        """Why a runner has too little chance against a leader, if so."""
        if runner.name == rival.name:
            return None
        sums, cases = self._gaps(runner, rival)
        difference = -float(sums.sum()) / max(1, cases)
        dear = rival.tokens > 0 and runner.tokens >= DEARER * rival.tokens
        level = self.rules.futility * (2 if dear else 1)
        rest = len(self.clusters) - len(runner.scores)
        value = passing_chance(sums, cases=cases, rest=rest, ties_win=runner.tokens < rival.tokens)
        if not cases or value >= level:
            return None
        price = f", and it takes {runner.tokens / rival.tokens:.1f} times the tokens" if dear else ""
        reason = (
            f"behind candidate {short(rival.name)}: {difference:+.3f} over {cases} cases at look {number}; the chance "
            f"to come out ahead after {rest} more is {value:.3f}, less than {level:g}{price}"
        )
        why: Literal["behind", "dearer"] = "dearer" if value >= self.rules.futility else "behind"
        return _eliminated(runner, rival, why, (number, difference, value, level), reason)

    @cached_property
    def _numbers(self) -> Codes:
        return codes(self.clusters)

    @cached_property
    def _largest(self) -> int:
        return int(np.bincount(self._numbers).max())

    def _gaps(self, runner: Runner, rival: Runner) -> tuple[Floats, int]:
        """The rival's score less the runner's, summed by cluster, and over how many cases that both were scored on."""
        met = min(len(runner.scores), len(rival.scores))
        both = np.array([one is not None and other is not None for one, other in _met(runner, rival)])
        gaps = np.array([(other or 0.0) - (one or 0.0) for one, other in _met(runner, rival)]) * both
        return np.bincount(self._numbers[:met], weights=gaps).astype(np.float64), int(both.sum())


def _met(runner: Runner, rival: Runner) -> Iterator[tuple[float | None, float | None]]:
    return zip(runner.scores, rival.scores, strict=False)


def betting_value(sums: Floats) -> float:
    """What a stake of 1 is worth after betting on every sum in [-1, 1]; 1 or less on average if they are 0 or less.

    >>> round(betting_value(np.ones(4)), 1), round(betting_value(np.array([1.0, -1.0])), 2)
    (6.1, 0.67)
    """
    gained = np.log1p(np.outer(STAKES, sums)).sum(axis=1)
    return float(np.exp(np.minimum(gained, 700.0)).mean())


def passing_chance(sums: Floats, *, cases: int, rest: int, ties_win: bool) -> float:
    """The chance to come out ahead of a rival after `rest` more cases, were the two as good as each other from here on.

    `sums` are the rival's scores less one's own over `cases`, by cluster. The rest is a walk of as large steps; one
    case more without and one with a difference are added, so that agreeing so far is no proof of agreeing for ever.

    >>> round(passing_chance(np.array([1.0, 1.0, 1.0]), cases=12, rest=12, ties_win=False), 2)
    0.03
    """
    lead = float(sums.sum()) + (0.0 if np.any(sums % 1) else -0.5 if ties_win else 0.5)
    spread = (float(sums @ sums) + 1) / (cases + 2) * rest
    return 0.5 * math.erfc(lead / math.sqrt(2 * spread))


def _eliminated(
    runner: Runner,
    rival: Runner,
    why: Literal["beaten", "behind", "dearer"],
    measured: tuple[int, float, float, float],
    reason: str,
) -> Elimination:
    look, difference, value, level = measured
    return Elimination(
        candidate=runner.name,
        rival=rival.name,
        why=why,
        look=look,
        cases=len(runner.scores),
        difference=difference,
        value=value,
        level=level,
        reason=reason,
    )
