"""Search the whole agent for quality alone, with as few calls and tokens as tell.

Every case is spent where it tells most about who is the best: two candidates are drawn that may be the best by what is
known, and whoever's next cases would tell most about the gap between the two, for what they cost, meets them. That is
often neither of the two but a cheap relative: what an instruction adds is seen without demos, too. After as many cases
as there are for validation, the leader is tried on all of them; from then on each time that half as many more were
spent and another one leads. It ends when nobody is expected to be better than the best complete one by `least_gain`.

The start competes like any other candidate and is tried on every case at the end, so a gain is not paid for twice.
Source: Russo 2020, Simple Bayesian Algorithms for Best-Arm Identification, Operations Research 68(6), for the two that
are drawn; the posterior is that of `paired`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from math import prod

import numpy as np

from workbench.agents import AgentSpec
from workbench.core import BudgetExceeded, OptimizeError, integer
from workbench.optimize.attempts import Lane, runner
from workbench.optimize.blueprint import Blueprint, Point, name_of
from workbench.optimize.paired import Floats, Posterior, judge, kernel
from workbench.optimize.racing import Runner
from workbench.optimize.search import Search
from workbench.optimize.space import Space
from workbench.optimize.trial import START

ORIGIN = "frugal_search"
MOST_POINTS = 300
"""Candidates among which it chooses; of a larger space so many are drawn, and the leader's neighbours added."""
THRIFT = 0.5
"""A call and a token count alike: what a case costs is its tokens to this power."""
TOO_LITTLE = "budget: what is left is too little for another candidate on all cases; raise it to go on"
_NEIGHBOURS, _DRAWS = 20, 20


@dataclass(frozen=True)
class FrugalSearch:
    """A search for the best candidate of a space by quality, that pays for as little as it can."""

    space: Space
    """As for `JointSearch`: knobs by dotted name, "instructions" and "demo_set"."""
    batch: int = 6
    """Cases that a candidate meets in a step."""
    least_gain: float = 0.005
    """The least expected gain, as a share of 1, for which it goes on."""

    late_start: bool = True
    """True tries the start on every case at the end, false before anything else."""

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Try candidates until nothing better is expected or the budget ends; the best.

        Raises: OptimizeError if the space is empty; BudgetExceeded when a call no longer fits.
        """
        if not self.space:
            raise OptimizeError("frugal_search: the space names no knob; add some under optimize.space")
        contest = _Contest(self, Blueprint(search.task, start, self.space), search, start)
        try:
            contest.play()
        finally:
            contest.leave()
        return search.leader()


@dataclass
class _Contest:
    """The candidates, the start first, and what each was tried on so far."""

    plan: FrugalSearch
    blueprint: Blueprint
    search: Search
    start: AgentSpec
    points: list[Point] = field(default_factory=list)
    lanes: dict[int, Lane] = field(default_factory=dict)
    """By the place of its point."""
    runners: dict[int, Runner] = field(default_factory=dict)
    """What each lane scored so far."""

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(integer(self.search.task.seed, ORIGIN))
        self.total = len(self.search.cases)
        self.points = [self.blueprint.origin]
        for trial in self.search.trials:
            spec = self.search.spec(trial)
            point = self.blueprint.origin if spec == self.start else self.blueprint.locate(spec)
            if point is not None:
                self.points += [] if point in self.points else [point]
                run = self.search.runs[trial.number]
                self._seat(self.points.index(point), Lane(spec, self.search.task.build(spec), run, trial.origin))
        self.whole = prod(len(values) for values in self.blueprint.space.values()) <= MOST_POINTS
        self._add(self._all() if self.whole else self._some(MOST_POINTS))

    def play(self) -> None:
        """Step by step until it ends.

        Raises: BudgetExceeded when the budget has room for no more than the leader on every case, and it met those.
        """
        left = self.total
        self._meet(0, self.plan.batch)
        while True:
            known = judge(self.prior, self._scores())
            if not self._affords(self._leader(known)):
                self._complete(known, tried=True)
                raise BudgetExceeded(TOO_LITTLE)
            if left <= 0:
                best = self._complete(known)
                if known.hope(best) < self.plan.least_gain:
                    return
                self._add([] if self.whole else self._near(best))
                left = max(1, self.total // 2)
            elif (chosen := self._next(known)) is None:
                return
            else:
                before = self._done(chosen)
                self._meet(chosen, before + self.plan.batch)
                left -= self._done(chosen) - before

    def leave(self) -> None:
        """Keep as trials, as far as they came, those that were not completed."""
        for lane in self.lanes.values():
            if lane.run is not None and lane.done < self.total and lane.run not in self.search.runs.values():
                self.search.record(lane, lane.origin or ORIGIN)

    def _next(self, known: Posterior) -> int | None:
        """Whose next cases tell most, for what they cost, about two that may be the best; None if all are complete."""
        rest = np.array([self.total - self._done(place) for place in range(len(self.points))], dtype=np.float64)
        if not rest.any():
            return None
        one = int(np.argmax(known.drawn(self.rng)))
        rivals = (int(np.argmax(known.drawn(self.rng))) for _ in range(_DRAWS))
        other = next((rival for rival in rivals if rival != one), None)
        if other is None:
            other = int(np.argsort(known.drawn(self.rng))[-2:][0])
        told = known.told(one, other, np.minimum(rest, self.plan.batch))
        return int(np.argmax(np.where(rest > 0, told / self._tokens() ** THRIFT, -1.0)))

    def _complete(self, known: Posterior, *, tried: bool = False) -> int:
        """Try the leader, or the leader of those that were tried, on every case; who that is."""
        leader = self._leader(known, tried=tried)
        self._meet(leader, self.total)
        return leader

    def _leader(self, known: Posterior, *, tried: bool = False) -> int:
        """The best by what is known; ties go to the earlier one."""
        mean = known.mean.round(9)
        return int(np.argmax(np.where([not tried or bool(self._done(place)) for place in range(len(mean))], mean, -1)))

    def _meet(self, place: int, cases: int) -> None:
        """Try a candidate on the cases up to that number; who met all of them is a complete trial."""
        before, cases = self._done(place), min(cases, self.total)
        if before == self.total:
            return
        if place not in self.lanes:
            spec = self.blueprint.spec(self.points[place])
            self.lanes[place] = Lane(spec, self.search.task.build(spec), origin=START if place == 0 else ORIGIN)
        lane = self.lanes[place]
        self.search.extend(lane, cases)
        self._seat(place, lane)
        if cases == self.total:
            self.search.record(lane, lane.origin)

    def _seat(self, place: int, lane: Lane) -> None:
        """Remember a lane as it stands by now."""
        assert lane.run is not None, "it was tried"
        self.lanes[place], self.runners[place] = lane, runner(lane.agent.digest, lane.run)

    def _affords(self, leader: int) -> bool:
        """Whether the budget has room for two more steps and then for the leader on all cases."""
        run = self.lanes.get(leader, self.lanes[0]).run  # the start stands for one that nobody was asked about
        assert run is not None, "it was tried"
        return self.search.has_room(2 * self.plan.batch + self.total - self._done(leader), [run])

    def _done(self, place: int) -> int:
        return self.lanes[place].done if place in self.lanes else 0

    def _scores(self) -> Floats:
        found = np.full((len(self.points), self.total), np.nan)
        for place, one in self.runners.items():
            found[place, : len(one.scores)] = [np.nan if score is None else score for score in one.scores]
        return found

    def _tokens(self) -> Floats:
        """Of a case, as measured, or as expected from relatives; a candidate of which nothing is known is like all."""
        tried = [*self.runners]
        logs = np.log1p([one.tokens for one in self.runners.values()])
        own = self.prior[np.ix_(tried, tried)] + 1e-6 * np.eye(len(tried))
        level = float(logs.mean())
        expected: Floats = level + self.prior[:, tried] @ np.linalg.solve(own, logs - level)
        return np.exp(np.clip(expected, 0, logs.max()))

    def _add(self, points: Iterable[Point]) -> None:
        """Let points compete, each once."""
        known = {name_of(point) for point in self.points}
        self.points += {name_of(point): point for point in points if name_of(point) not in known}.values()
        codes = np.array([self.blueprint.code(point) for point in self.points])
        self.prior = kernel(codes, self.blueprint.named)

    def _all(self) -> Iterator[Point]:
        names = self.blueprint.names
        for values in product(*(self.blueprint.space[name] for name in names)):
            yield self.blueprint.settle(dict(zip(names, values, strict=True)))

    def _some(self, count: int) -> Iterator[Point]:
        return (self.blueprint.draw(self.rng) for _ in range(count))

    def _near(self, place: int) -> Iterator[Point]:
        return (self.blueprint.neighbour(self.points[place], self.rng) for _ in range(_NEIGHBOURS))
