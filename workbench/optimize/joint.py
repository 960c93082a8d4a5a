"""Search the whole agent at once: configuration and program, quality against cost and time.

What is known of a candidate is a guess of its quality and costs with an uncertainty, from what it did itself and from
what its relatives did. The next step is the one that could enlarge the front most if luck is with it: try somebody new
on a few validation cases, or somebody known on more. So nobody is dropped by a bad start alone, and nobody is
continued whom even luck would leave beaten. With a third of the budget left, no one new is tried: those that improve
the front most, now without luck, are tried on every case, since only complete trials count.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workbench.agents import AgentSpec
from workbench.core import Budget, OptimizeError, Run, integer
from workbench.evals import measure
from workbench.optimize.attempts import Lane, runner
from workbench.optimize.blueprint import Blueprint, Point, name_of
from workbench.optimize.search import Search
from workbench.optimize.space import Space
from workbench.optimize.surrogate import Surrogate

Floats = NDArray[np.float64]

ORIGIN = "joint_search"
LUCK = 2.0
"""Standard deviations by which a candidate's quality may surprise."""
LAST_SHARE = 0.35
"""Share of the budget that is kept to complete candidates."""
FLOOR = 0.0125
"""Costs are compared by their logarithm, after this share of the start's own was added: below it less is no gain."""
_FIRST, _DRAWN, _NEIGHBOURS, _DIRECTIONS = 8, 300, 20, 128
_ENOUGH, _TINY = 1e-6, 1e-9


@dataclass(frozen=True)
class JointSearch:
    """A search by expected growth of the front's hypervolume, on as few cases as tell.

    The hypervolume is a mean over random directions of how far the front reaches in each. Source: Zhang & Golovin
    2020, Random Hypervolume Scalarizations for Provable Multi-Objective Black Box Optimization, ICML.
    """

    space: Space
    """Knobs by dotted name, and two of the program: "instructions", texts for the predictor that answers (null keeps
    its own), and "demo_set", numbers that each stand for another random draw of demos."""
    candidates: int = 64
    """The most that are tried besides the start."""
    first_cases: int = 10
    """Validation cases a candidate is tried on first; each further step triples them."""
    costs: tuple[str, ...] = ("tokens", "model_ms_p50")
    """Lines of a report that are to be low. One cost leaves more of the budget to each part of the front."""

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Try candidates until the budget or their number ends; the front is that of the search's complete trials.

        Raises: OptimizeError if the space is empty; BudgetExceeded when a call no longer fits.
        """
        if not self.space:
            raise OptimizeError("joint_search: the space names no knob; add some under optimize.space")
        board = _Board(self, Blueprint(search.task, start, self.space), search)
        try:
            board.begin(start)
            while (step := board.step()) is not None:
                board.attempt(*step)
        finally:
            board.leave()
        return search.leader()

    def rungs(self, total: int) -> list[int]:
        """How many cases a candidate is tried on, step by step; the last is all.

        >>> JointSearch({}).rungs(100)
        [10, 30, 100]
        """
        found, cases = [], min(self.first_cases, total)
        while 2 * cases <= total:
            found.append(cases)
            cases *= 3
        return [*found, total]


@dataclass
class _Entry:
    """A candidate that was tried, on how many cases and with what outcome."""

    point: Point
    lane: Lane
    cases: int = 0
    scored: int = 0
    score: float = 0.0
    costs: tuple[float, ...] = ()

    def update(self, names: Sequence[str]) -> None:
        """Read what the run shows by now.

        Raises: OptimizeError if a cost is not measured.
        """
        run = self.lane.run
        assert run is not None, "it was tried"
        values = [score for score in runner("", run).scores if score is not None]
        self.cases, self.scored = len(run.clusters), len(values)
        self.score = sum(values) / len(values) if values else 0.0
        self.costs = tuple(_cost(run, name) for name in names)

    @property
    def careful(self) -> float:
        """The score by Laplace's rule: ten of ten are no proof."""
        return (self.score * self.scored + 1) / (self.scored + 2)


@dataclass
class _Board:
    """Who was tried on how many cases, and who comes next."""

    plan: JointSearch
    blueprint: Blueprint
    search: Search
    known: dict[tuple[str, ...], _Entry] = field(default_factory=dict)
    """Each candidate by its point; the start is first."""

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(integer(self.search.task.seed, ORIGIN))
        self.total = len(self.search.task.val)
        self.rungs = self.plan.rungs(self.total)
        goals = 1 + len(self.plan.costs)
        self.models = [Surrogate(self.blueprint.named, self.rng) for _ in range(goals)]
        directions = np.abs(self.rng.normal(size=(_DIRECTIONS, goals)))
        self.directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)

    def begin(self, start: AgentSpec) -> None:
        """Try the start on every case, take over what other optimizers tried of the space, and a few at random."""
        self.search.attempt(start, origin=ORIGIN)
        self.begun = self.search.task.meter.left()
        for trial in self.search.trials:
            spec = self.search.spec(trial)
            point = self.blueprint.origin if spec == start else self.blueprint.locate(spec)
            if point is not None:
                lane = Lane(spec, self.search.task.build(spec), self.search.runs[trial.number])
                self._keep(_Entry(point, lane))
        first = self.known[name_of(self.blueprint.origin)]
        self.floor = [FLOOR * cost for cost in first.costs]
        for _ in range(_FIRST):
            point = self.blueprint.draw(self.rng)
            if self._room() and name_of(point) not in self.known:
                self.attempt(point, self.rungs[0])

    def attempt(self, point: Point, cases: int) -> None:
        """Try a candidate on the cases up to that number that it has not met."""
        spec = self.blueprint.spec(point)
        entry = self.known.get(name_of(point)) or _Entry(point, Lane(spec, self.search.task.build(spec)))
        self.search.extend(entry.lane, cases)
        self._keep(entry)
        if cases == self.total:
            self.search.record(entry.lane, ORIGIN)

    def leave(self) -> None:
        """Keep as trials, as far as they came, those that were not completed."""
        for entry in self.known.values():
            if entry.cases < self.total and entry.lane.run not in self.search.runs.values():
                self.search.record(entry.lane, ORIGIN)

    def step(self) -> tuple[Point, int] | None:
        """Whom to try next, on how many cases; None when nothing is left that could pay."""
        open_ = [entry.point for entry in self.known.values() if entry.cases < self.total]
        early = [*open_, *self._new()] if self._left() > LAST_SHARE and self._room() else []
        if (point := self._best(early, complete=False, luck=LUCK)) is not None:
            entry = self.known.get(name_of(point))
            return point, next(rung for rung in self.rungs if entry is None or rung > entry.cases)
        affordable = [point for point in open_ if self._fits(self.known[name_of(point)])]
        for luck in (0.0, LUCK):
            if (point := self._best(affordable, complete=True, luck=luck)) is not None:
                return point, self.total
        return None

    def _best(self, points: list[Point], *, complete: bool, luck: float) -> Point | None:
        """Who could enlarge the front most; None if nobody can. `complete` counts only complete trials as the front."""
        if not points:
            return None
        new, old = self._guessed(points, luck)
        front = old[[entry.cases == self.total or not complete for entry in self.known.values()]]
        gains = growth(new, front, self.directions)
        best = int(np.argmax(gains))
        return points[best] if gains[best] > _ENOUGH else None

    def _guessed(self, points: list[Point], luck: float) -> tuple[Floats, Floats]:
        """The goals of points and of what is known, as far as they can be told; each is to be high, 0 is worthless."""
        codes = np.array([self.blueprint.code(entry.point) for entry in self.known.values()])
        asked = np.array([self.blueprint.code(point) for point in points])
        measured, variances = self._measured()
        new, old = np.empty((len(points), len(self.models))), np.empty((len(self.known), len(self.models)))
        for goal, model in enumerate(self.models):
            model.fit(codes, measured[:, goal], variances[:, goal])
            mean, deviation = model.predict(asked)
            if goal == 0:
                new[:, 0], old[:, 0] = np.clip(mean + luck * deviation, 0, 1), model.predict(codes)[0]
            else:
                highest, lowest = measured[:, goal].max() + 0.02, min(measured[:, goal].min(), mean.min())
                new[:, goal] = (highest - mean) / (highest - lowest)
                old[:, goal] = (highest - measured[:, goal]) / (highest - lowest)
        return new, old

    def _measured(self) -> tuple[Floats, Floats]:
        """For each candidate quality and the logarithms of its costs, and how uncertain each is."""
        rows, variances = [], []
        for entry in self.known.values():
            cases, unseen = max(1, entry.scored), 1 - entry.cases / self.total
            floored = zip(entry.costs, self.floor, strict=True)
            rows.append([entry.score, *(float(np.log(cost + floor + _TINY)) for cost, floor in floored)])
            spread = 1e-3 + 0.1 / cases * unseen
            of_score = entry.careful * (1 - entry.careful) / cases * unseen + 1e-4
            variances.append([of_score, *(spread for _ in entry.costs)])
        return np.array(rows), np.array(variances)

    def _new(self) -> list[Point]:
        """Candidates that were never tried: some at random, some near the front."""
        found = [self.blueprint.draw(self.rng) for _ in range(_DRAWN)]
        for point in self._leading():
            found += [self.blueprint.neighbour(point, self.rng) for _ in range(_NEIGHBOURS)]
        unique = {name_of(point): point for point in found}
        return [point for key, point in unique.items() if key not in self.known]

    def _leading(self) -> Iterator[Point]:
        """What no other one beats in quality and the first cost, as far as it was tried."""
        best = -1.0
        for entry in sorted(self.known.values(), key=lambda entry: entry.costs[0]):
            if entry.careful > best:
                best = entry.careful
                yield entry.point

    def _keep(self, entry: _Entry) -> None:
        """Remember a candidate by what it was tried on most."""
        entry.update(self.plan.costs)
        known = self.known.get(name_of(entry.point))
        if known is None or known.cases < entry.cases:
            self.known[name_of(entry.point)] = entry

    def _room(self) -> bool:
        return len(self.known) <= self.plan.candidates

    def _left(self) -> float:
        """The share of the budget that is left of what there was at the beginning; 1 without limits."""
        now = self.search.task.meter.left()
        return min((left / before if before else 0.0 for left, before in _limits(now, self.begun)), default=1.0)

    def _fits(self, entry: _Entry) -> bool:
        """Whether the budget has room for the cases a candidate still lacks, if they cost what the others did."""
        run = entry.lane.run
        assert run is not None, "it was tried"
        more = (self.total - entry.cases) / entry.cases  # who was asked again is complete, and not asked about
        usages = [episode.usage for episode in run.episodes]
        each = Budget(
            calls=round(more * sum(usage.calls for usage in usages)),
            tokens=round(more * sum(usage.tokens for usage in usages)),
            seconds=more * sum(usage.model_milliseconds for usage in usages) / 1000,
        )
        return all(need <= left for need, left in _limits(each, self.search.task.meter.left()))


def growth(points: Floats, front: Floats, directions: Floats) -> Floats:
    """By how much each point would enlarge the hypervolume of a front above 0, up to a constant factor.

    A row is a point, a column a goal that is to be high; directions are rows of length 1 without negative numbers.

    >>> one = np.array([[0.5, 0.5]])
    >>> growth(np.array([[0.4, 0.4], [0.5, 0.6]]), one, np.array([[0.6, 0.8]])).round(3).tolist()
    [0.0, 0.172]
    """
    goals = points.shape[1]
    reach = (np.maximum(points[:, np.newaxis, :], 0) / directions).min(axis=-1) ** goals
    known = ((np.maximum(front[:, np.newaxis, :], 0) / directions).min(axis=-1) ** goals).max(axis=0, initial=0.0)
    gained: Floats = np.maximum(reach - known, 0).mean(axis=1)
    return gained


def _limits(now: Budget, then: Budget) -> list[tuple[float, float]]:
    """The two amounts of each limit that both have."""
    pairs = ((now.calls, then.calls), (now.tokens, then.tokens), (now.seconds, then.seconds), (now.usd, then.usd))
    return [(float(one), float(other)) for one, other in pairs if one is not None and other is not None]


def _cost(run: Run, name: str) -> float:
    line = measure(run, name)
    if line.estimate is None:
        raise OptimizeError(f"joint_search: cost {name!r} of a candidate is unmeasured: {line.reason}; choose another")
    return line.estimate
