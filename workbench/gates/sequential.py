"""Stop an expensive evaluation as soon as the answer is clear, and stay within the error rates.

Champion and challenger both try the clusters of a `Plan`, one after another. `decide` looks at what is there and says
CONTINUE or what came out of it. It is a pure function and the first look that stops counts: an evaluation that broke
off is resumed by asking again, and results that come in after the end change nothing.

Why built so: a test that is asked again and again cries wolf; ten looks at 5 % err in 19 of 100 cases. So each look
has a level of its own, fixed beforehand such that all looks together keep alpha (`sequential_bounds`), and takes an
interval by cluster at that level (`sequential_interval`). These intervals hold all at once, so the one at stopping
holds, too; being Student's, each is as wide as its few clusters deserve. Where nothing differs, giving up early saves.
Betting on the mean (Waudby-Smith & Ramdas 2024, JRSS B 86(1)) allows looks at any time and needs no large numbers;
where the tasks are counted and the looks fixed beforehand, looking at any time is a freedom without a use.
Source: Jennison & Turnbull 1989, Interim Analyses: The Repeated Confidence Interval Approach, JRSS B 51(3); for
Student's quantiles at a look's level the same authors' Group Sequential Methods, 2000, section 4.4.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate, count, takewhile
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator
from scipy.special import ndtr

from workbench.core import EvaluationError, Record, nearest, stream
from workbench.evals import NO_INTERVAL, Codes, Floats, Interval, signed
from workbench.gates.sequential_bounds import MOST_LOOKS, Bounds, Design, Shares, bounds, drift, foresee
from workbench.gates.sequential_interval import spread

Claim = Literal["better", "no_worse", "worse"]
State = Literal["CONTINUE", "PASS", "FAIL", "INCONCLUSIVE"]

RESERVE = 0.05
"""How much longer a plan is than its normal theory asks for. At an early look with few clusters, Student's quantile and
the skewness taken out cost power that the theory does not know. Chosen on recorded runs, as `benchmarks/sequential.py`
tells: with 2.5 % a loss of power was seen there, with 5 % none."""


class Plan(Record):
    """What is to be shown about a challenger's scores, on which clusters, and when somebody looks.

    >>> plan = Plan(claim="no_worse", margin=0.05, clusters=draw_order(["a", "b", "c"], seed=1), first=2)
    >>> plan.looks, plan.threshold
    ((2, 3), -0.05)
    """

    claim: Claim
    """"better" by more than the margin, or "no_worse" by more than it, passes once it is shown and fails once its
    opposite is. "worse" by more than the margin fails once it is shown; what is not shown to be worse passes."""
    margin: float = Field(default=0.0, ge=0, lt=1)
    clusters: tuple[str, ...] = Field(min_length=2)
    """All of them in the order of trial, which must be drawn: in the order of a file the easy ones may come first."""
    first: int = Field(default=8, ge=2)
    """Clusters before the first look."""
    every: int = Field(default=1, ge=1)
    """Clusters from a look to the next one; the last look comes after all."""
    design: Design = Design()

    @model_validator(mode="after")
    def _clusters_once_and_few_looks(self) -> "Plan":
        if len(set(self.clusters)) < len(self.clusters):
            raise ValueError("plan: names a cluster twice; name each once")
        if len(self.looks) > MOST_LOOKS:
            fitting = -(-(len(self.clusters) - self.first) // (MOST_LOOKS - 1))
            raise ValueError(f"plan: has {len(self.looks)} looks, at most {MOST_LOOKS}; set every to {fitting} or more")
        return self

    @property
    def looks(self) -> tuple[int, ...]:
        """How many clusters are in when somebody looks, ascending."""
        return looks(len(self.clusters), self.first, self.every)

    @property
    def threshold(self) -> float:
        """The difference, challenger minus champion, that the claim is about."""
        return self.margin if self.claim == "better" else -self.margin

    @property
    def bounds(self) -> Bounds:
        """The bounds of each look."""
        return bounds(_shares(self.looks), self.design)


class Decision(Record):
    """What a look at a plan says."""

    state: State
    plan_digest: str
    estimate: float | None = None
    """Challenger minus champion, mean over the cases; where it stopped early, on average further out than the truth."""
    low: float | None = None
    high: float | None = None
    """Bounds of an interval that holds with 1 - alpha whenever one stops; None before the first look."""
    cases: int = 0
    clusters: int = 0
    """Clusters that it rests on."""
    saved: int = 0
    """Clusters of the plan that need not be tried; 0 while it goes on."""
    next_look: int | None = None
    """How many clusters must be in for the next look; None at the end."""
    reason: str
    """The outcome in words."""


class _Tried(NamedTuple):
    """The complete clusters at the beginning of the plan."""

    values: Floats
    members: Codes
    """The number of each value's cluster among those that have a value."""
    ends: tuple[int, ...]
    """How many values the first clusters have, from none of them to all."""


class _Look(NamedTuple):
    """The numbers of one look."""

    place: int
    clusters: int
    cases: int
    estimate: float | None
    interval: Interval
    reached: float | None
    """The estimate's distance from the threshold towards the claim, in standard errors of a normal distribution."""
    show: float
    give_up: float
    """The bounds of this look, in the same unit."""


def draw_order(clusters: Collection[str], seed: int) -> tuple[str, ...]:
    """The clusters in an order that depends on their names and the seed alone.

    >>> draw_order(["b", "a", "c"], seed=1) == draw_order(["c", "b", "a"], seed=1)
    True
    """
    drawn = sorted(set(clusters))
    stream(seed, "order of clusters").shuffle(drawn)
    return tuple(drawn)


def looks(clusters: int, first: int, every: int) -> tuple[int, ...]:
    """After how many clusters somebody looks; the last look comes after all, also where the steps don't fit.

    >>> looks(10, 4, 4), looks(3, 8, 1)
    ((4, 8, 10), (3,))
    """
    return (*range(first, clusters, every), clusters)


def match_fixed(clusters: int, design: Design, *, first: int = 8, every: int = 1, reserve: float = RESERVE) -> int:
    """The clusters of a plan that shows as often what one test after `clusters` shows.

    Looking early costs a little power; a plan that is a little longer has it back, and is rarely used up. Looked at
    are effects that the one test shows in 50, 80 and 95 of 100 cases. `reserve` is a share on top of what is enough
    for a statistic that is exactly normal, to the nearest cluster.

    >>> match_fixed(60, Design(), every=2, reserve=0)
    70
    """
    enough = next(longer for longer in count(clusters) if _matches(looks(longer, first, every), clusters, design))
    return math.floor(enough * (1 + reserve) + 0.5)


def _matches(counts: Sequence[int], clusters: int, design: Design) -> bool:
    shares, root = _shares(counts), (counts[-1] / clusters) ** 0.5
    chances = ((chance, foresee(shares, design, root * drift(design, chance)).shown) for chance in (0.5, 0.8, 0.95))
    return all(shown >= chance - 1e-6 for chance, shown in chances)  # what the integral is good for


def decide(plan: Plan, differences: Mapping[str, Sequence[float]]) -> Decision:
    """What the clusters tried so far say: the outcome at the first look that stops, or how things stand.

    `differences` holds each tried cluster's paired differences, challenger minus champion, one for each case scored
    in both runs; only complete clusters. What comes in before its turn waits for those that come before it.

    Raises: EvaluationError for a cluster that the plan does not have, or a difference outside [-1, 1].
    """
    tried = _line_up(plan, differences)
    decision = None
    for place, clusters in enumerate(plan.looks):
        if clusters >= len(tried.ends):
            break
        look = _look(plan, place, tried)
        state, why = _judge(plan, look)
        decision = _decision(plan, look, state, why)
        if state != "CONTINUE":
            return decision
    if decision is not None:
        return decision
    first = plan.looks[0]
    reason = f"{len(tried.ends) - 1} of {len(plan.clusters)} clusters are in: the first look is after {first}"
    return Decision(state="CONTINUE", plan_digest=plan.digest, next_look=first, reason=reason)


def _line_up(plan: Plan, differences: Mapping[str, Sequence[float]]) -> _Tried:
    """The differences in the order of the plan, up to the first cluster that is not there yet."""
    known = set(plan.clusters)
    for name, given in differences.items():
        if name not in known:
            raise EvaluationError(f"cluster {name!r}: is not in the plan; {nearest(name, known)}")
        wrong = next((value for value in given if not -1 <= value <= 1), None)
        if wrong is not None:
            raise EvaluationError(f"cluster {name!r}: has a difference of {wrong:g}; give scores' in [-1, 1]")
    rows = [differences[name] for name in takewhile(differences.__contains__, plan.clusters)]
    values = np.array([value for row in rows for value in row], dtype=np.float64)
    sizes = np.array([len(row) for row in rows if row], dtype=np.int64)
    return _Tried(values, np.repeat(np.arange(len(sizes)), sizes), tuple(accumulate(map(len, rows), initial=0)))


def _look(plan: Plan, place: int, tried: _Tried) -> _Look:
    clusters = plan.looks[place]
    cases = tried.ends[clusters]
    values, members = tried.values[:cases], tried.members[:cases]
    limits, found = plan.bounds, spread(values, members)
    show, give_up = limits.show[place], limits.give_up[place]
    interval, reached = NO_INTERVAL, None
    if found is not None:
        interval = found.interval(2 * float(ndtr(-show)))
        above = found.distance(plan.threshold)
        reached = -above if plan.claim == "worse" else above
    estimate = float(values.mean()) if cases else None
    return _Look(place, clusters, cases, estimate, interval, reached, show, give_up)


def _judge(plan: Plan, look: _Look) -> tuple[State, str]:
    """The outcome of one look, and why."""
    last = look.place + 1 == len(plan.looks)
    if look.reached is None:
        why = "too few clusters are scored for an interval"
        return ("INCONCLUSIVE", why) if last else ("CONTINUE", why)
    threshold = signed(plan.threshold)
    up, down = f"all of the interval is above {threshold}", f"all of the interval is below {threshold}"
    if look.reached >= look.show:
        return ("FAIL", down) if plan.claim == "worse" else ("PASS", up)
    if look.reached <= -look.show:
        return ("PASS", up) if plan.claim == "worse" else ("FAIL", down)
    if not last and look.reached > look.give_up:
        return "CONTINUE", "the answer is not clear yet"
    hope = "the interval contains" if last else "there is little hope that the rest would move the interval off"
    if plan.claim == "worse":
        return "PASS", f"not shown to be worse: {hope} {threshold}"
    return "INCONCLUSIVE", f"{hope} {threshold}"


def _decision(plan: Plan, look: _Look, state: State, why: str) -> Decision:
    going, interval = state == "CONTINUE", look.interval
    saved = 0 if going else len(plan.clusters) - look.clusters
    following = plan.looks[look.place + 1] if going else None
    what = "nothing is scored" if look.estimate is None else f"the difference is {signed(look.estimate)}"
    if interval.low is not None and interval.high is not None:
        what += f" [{signed(interval.low)}, {signed(interval.high)}]"
    where = f"over {look.cases} cases in {look.clusters} of {len(plan.clusters)} clusters"
    tail = f"; the next look is after {following}" if going else f"; {saved} clusters are saved" if saved else ""
    return Decision(
        state=state,
        plan_digest=plan.digest,
        estimate=look.estimate,
        low=interval.low,
        high=interval.high,
        cases=look.cases,
        clusters=look.clusters,
        saved=saved,
        next_look=following,
        reason=f"{what} {where}: {why}{tail}",
    )


def _shares(counts: Sequence[int]) -> Shares:
    return tuple(count / counts[-1] for count in counts)
