"""The Pareto front of a search: which candidates nothing else beats in quality, cost and time at once, and how surely.

A trial is *off* the front only if one other trial is at least as good in every goal and better in one beyond the
intervals: the lower end of its advantage is nowhere below zero and somewhere above. It is *perhaps* off it if that
holds of the estimates alone; else it is *on* it. Where the runs are given an advantage is paired by case and counts
clusters; else it is what lies between two 95 % intervals, which says "sure" less often. Each advantage has level 95 %
by itself: what picks a point from the front for release has to be measured again on cases that chose nothing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from workbench.core import Line, OptimizeError, Record, Run, nearest
from workbench.evals import number, pair, render_table
from workbench.optimize.search import TASK_METRIC
from workbench.optimize.trial import Trial, latest

Standing = Literal["on", "perhaps", "off"]
GOALS = (TASK_METRIC, "tokens", "model_ms_p50")
"""Quality, cost and latency: the names of lines in a trial's report; scores are to be high, costs low."""
ALPHA = 0.05
BEYOND = 1.1
"""A cost this many times the highest of the trials is worthless: so the dearest one counts, too, and what costs all
the same takes nothing away."""


class Point(Record):
    """A complete trial, by its goals."""

    trial: int
    """The trial's number."""
    origin: str
    changes: dict[str, str]
    values: tuple[Line, ...]
    """In the order of the front's goals."""
    standing: Standing
    beaten_by: tuple[int, ...] = ()
    """The trials that beat it: surely if it is off, by their estimates if it is perhaps off."""


class Front(Record):
    """Every complete trial with its standing, cheapest first."""

    goals: tuple[str, ...]
    points: tuple[Point, ...]
    worst: dict[str, float]
    """The reference point of the hypervolume: for each cost the value that counts as worthless; for scores 0."""
    hypervolume: float = Field(ge=0, le=1)
    """Share of the box between the reference point and perfection (score 1, cost 0) that the estimates dominate."""
    paired: bool
    """True if the standings rest on differences by case."""

    def standing(self, standing: Standing) -> tuple[Point, ...]:
        """The points that stand so, cheapest first."""
        return tuple(point for point in self.points if point.standing == standing)


class Advantage(NamedTuple):
    """How much better one trial is than another in one goal, in its unit, with its 95 % interval."""

    estimate: float
    low: float
    high: float


def pareto_front(
    trials: Sequence[Trial],
    *,
    goals: Sequence[str] = GOALS,
    runs: Mapping[int, Run] | None = None,
    worst: Mapping[str, float] | None = None,
) -> Front:
    """The front of the complete trials; the same agent counts once, with its last trial.

    `runs` holds the run of each complete trial by its number, for paired intervals. `worst` is the reference point,
    to compare the hypervolumes of two searches; a cost not named is worthless a tenth beyond the highest of the trials.

    Raises: OptimizeError if no trial is complete, or a goal is not measured in one.
    """
    complete = latest(trials)
    if not complete:
        raise OptimizeError("front: no candidate was tried on every validation case; raise the budget")
    lines = {trial.number: _lines(trial, goals) for trial in complete}
    paired = runs is not None and all(trial.number in runs for trial in complete)
    points = [_point(trial, lines, runs if paired and runs is not None else {}) for trial in complete]
    costs = {
        line.name: max(lines[trial.number][at].estimate or 0.0 for trial in complete)
        for at, line in enumerate(next(iter(lines.values())))
        if line.kind == "cost"
    }
    reference = {name: (worst or {}).get(name, BEYOND * highest) for name, highest in costs.items()}
    scaled = [[_scaled(line, reference) for line in point.values] for point in points]
    return Front(
        goals=tuple(goals),
        points=tuple(sorted(points, key=_order)),
        worst=reference,
        hypervolume=min(1.0, hypervolume(scaled, [1.0] * len(goals))),
        paired=paired,
    )


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """The volume that points dominate below a reference point; every coordinate is to be low.

    Source: Zitzler & Thiele 1999, Multiobjective Evolutionary Algorithms, IEEE Trans. Evol. Comp. 3(4); computed
    by slicing the objectives, Knowles 2002.

    >>> hypervolume([(1.0, 2.0), (2.0, 1.0), (2.0, 2.0)], (3.0, 3.0))
    3.0
    """
    inside = [point for point in points if all(at < end for at, end in zip(point, reference, strict=True))]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(point[0] for point in inside)
    ordered = sorted(inside, key=lambda point: point[-1])
    ends = [*(point[-1] for point in ordered[1:]), reference[-1]]
    return sum(
        (end - point[-1]) * hypervolume([one[:-1] for one in ordered[: place + 1]], reference[:-1])
        for place, (point, end) in enumerate(zip(ordered, ends, strict=True))
        if end > point[-1]
    )


def render_front(found: Front) -> str:
    """The front as a table, cheapest first, with the rule in words and what each point changed; ends with a line break.

    Changes are listed for what is not surely off.
    """
    count = {standing: len(found.standing(standing)) for standing in ("on", "perhaps", "off")}
    heads = ("trial", "front", *(f"{name} [95 %]" for name in found.goals), "beaten by")
    rows = [
        (str(one.trial), one.standing, *(_shown(line) for line in one.values), _few(one.beaten_by))
        for one in found.points
    ]
    changed = [
        (str(one.trial), ", ".join(f"{name} {change}" for name, change in one.changes.items()) or "as it begins")
        for one in found.points
        if one.standing != "off"
    ]
    reference = ", ".join(f"{name} {number(value)}" for name, value in found.worst.items())
    how = "paired by case" if found.paired else "of each by itself"
    return (
        f"{len(found.points)} candidates: {count['on']} on the front, {count['perhaps']} perhaps, {count['off']} off\n"
        f"\n"
        f"{render_table(heads, rows)}\n\n{render_table(('trial', 'changes'), changed)}\n\n"
        f"off: one other is at least as good in all and better in one, beyond 95 % intervals {how}\n"
        f"perhaps: by the estimates alone\n"
        f"hypervolume: {found.hypervolume:.3f} of 1; worthless are a score of 0, {reference or 'no cost'}\n"
    )


def beats(advantages: Sequence[Advantage]) -> Standing:
    """Where a trial stands that another one has these advantages over.

    >>> beats([Advantage(0.1, 0.02, 0.2), Advantage(0.0, 0.0, 0.0)])
    'off'
    >>> beats([Advantage(0.1, -0.02, 0.2), Advantage(5.0, 3.0, 7.0)])
    'perhaps'
    >>> beats([Advantage(0.1, 0.02, 0.2), Advantage(-5.0, -7.0, -3.0)])
    'on'
    """
    if all(one.low >= 0 for one in advantages) and any(one.low > 0 for one in advantages):
        return "off"
    if all(one.estimate >= 0 for one in advantages) and any(one.estimate > 0 for one in advantages):
        return "perhaps"
    return "on"


def _point(trial: Trial, lines: Mapping[int, Sequence[Line]], runs: Mapping[int, Run]) -> Point:
    others = {
        other: beats(
            [
                _advantage(line, mine, (runs.get(other), runs.get(trial.number)))
                for line, mine in zip(found, lines[trial.number], strict=True)
            ]
        )
        for other, found in lines.items()
        if other != trial.number
    }
    standing: Standing = next((one for one in ("off", "perhaps") if one in others.values()), "on")
    return Point(
        trial=trial.number,
        origin=trial.origin,
        changes=trial.changes,
        values=tuple(lines[trial.number]),
        standing=standing,
        beaten_by=tuple(sorted(other for other, one in others.items() if one == standing != "on")),
    )


def _advantage(better: Line, worse: Line, runs: tuple[Run | None, Run | None]) -> Advantage:
    sign = 1.0 if better.kind == "score" else -1.0
    estimate = sign * ((better.estimate or 0.0) - (worse.estimate or 0.0))
    new, old = runs
    if new is not None and old is not None:
        interval = pair(old, new, better.name).interval(ALPHA)
        ends = (interval.low, interval.high)
    elif None in (better.low, better.high, worse.low, worse.high):
        ends = (None, None)
    else:
        ends = ((better.low or 0.0) - (worse.high or 0.0), (better.high or 0.0) - (worse.low or 0.0))
    if ends[0] is None or ends[1] is None:
        return Advantage(estimate, -math.inf, math.inf)
    low, high = sorted((sign * ends[0], sign * ends[1]))
    return Advantage(estimate, low, high)


def _lines(trial: Trial, goals: Sequence[str]) -> tuple[Line, ...]:
    found = []
    for name in goals:
        line = trial.report.line(name)
        if line is None:
            known = [line.name for line in trial.report.lines]
            raise OptimizeError(
                f"front: goal {name!r} is not in the report of trial {trial.number}; {nearest(name, known)}"
            )
        if line.estimate is None:
            raise OptimizeError(
                f"front: goal {name!r} is unmeasured in trial {trial.number}: {line.reason}; choose another goal"
            )
        found.append(line)
    return tuple(found)


def _scaled(line: Line, worst: Mapping[str, float]) -> float:
    """0 is perfect, 1 worthless; what costs nobody anything is perfect."""
    estimate = line.estimate or 0.0
    if line.kind == "score":
        return 1.0 - estimate
    return estimate / worst[line.name] if worst[line.name] > 0 else 0.0


def _order(point: Point) -> tuple[float, float, int]:
    costs = [line.estimate or 0.0 for line in point.values if line.kind == "cost"]
    scores = [line.estimate or 0.0 for line in point.values if line.kind == "score"]
    return (costs[0] if costs else 0.0, -(scores[0] if scores else 0.0), point.trial)


def _shown(line: Line) -> str:
    estimate = number(line.estimate or 0.0)
    return (
        estimate if line.low is None or line.high is None else f"{estimate} [{number(line.low)}, {number(line.high)}]"
    )


def _few(trials: Sequence[int]) -> str:
    shown = ", ".join(str(one) for one in trials[:3])
    return shown if len(trials) <= 3 else f"{shown} +{len(trials) - 3}"
