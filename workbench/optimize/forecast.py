"""What a search will cost, before it spends anything and while it runs, as 90 % intervals.

Nobody knows yet how a search goes, what a model writes and how fast it is. So a thousand searches are drawn: how each
optimizer's loop goes (`loops`), which of its questions are new (their keys are known, so what the call store holds or
a candidate before has asked is free), how many tokens the prompts have, how long the answers are. The budget ends each
of them as it would end the real one. The interval is what lies between the 5 % and the 95 % quantile.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.core import Budget, Record, Spend
from workbench.lms import CallStore
from workbench.optimize.beliefs import Beliefs, Past, believe
from workbench.optimize.loop import Setting
from workbench.optimize.trial import START
from workbench.optimize.ways import MOST_WEIGHED, PORTFOLIO, Ways, draw_ways
from workbench.optimize.weighing import mute_agent, weigh
from workbench.retrieval import Index

Floats = NDArray[np.float64]
Kind = str
KINDS: tuple[Kind, ...] = ("calls", "tokens", "seconds", "usd")
COVERED = (0.05, 0.95)
MISMATCH = 0.2
"""How much, as a standard deviation of logarithms, the calls to come may differ from what those so far make expected:
they ask for other candidates. An assumption."""
CALL_SPREAD = 0.3
"""The same for a single call: the bytes of its prompt are known, but not what is said. An assumption."""

_GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples spread evenly over draws. Source: Weyl's equidistribution theorem."""


class Span(Record):
    """What is expected, and the 90 % interval around it."""

    low: float
    expected: float
    """The median."""
    high: float


class Cost(Record):
    """What a part of a search will be charged for."""

    name: str
    """An optimizer's, "start" for trying the agent it begins with, or "all"."""
    calls: Span
    tokens: Span
    seconds: Span
    """Model time, as a budget counts it: the sum over calls."""
    usd: Span | None
    """None where the price is unknown."""
    known: bool = True
    """False if nothing is known of the optimizer's loop: then it is taken to use what the budget leaves."""


@dataclass(frozen=True)
class Forecast:
    """A thousand ways that a search may go, and what has come of it so far."""

    ways: Ways
    beliefs: Beliefs
    budget: Budget
    spent: Mapping[str, Spend]
    """What each part was charged for so far."""
    done: frozenset[str] = frozenset()
    """The parts that are through."""
    ended: bool = False

    def parts(self) -> tuple[Cost, ...]:
        """The cost of each part in order, what is spent included."""
        return tuple(_cost(name, self._drawn.amounts, place, self) for place, name in enumerate(self.ways.names))

    def total(self) -> Cost:
        """The cost of the search, what is spent included."""
        summed = {kind: found.sum(axis=0) for kind, found in self._drawn.amounts.items()}
        return _cost("all", summed, None, self)

    def stops(self) -> dict[str, float]:
        """For each limit of the budget how likely it ends the search, in [0, 1]; the likeliest first."""
        shares = {kind: float((self._drawn.stopped_by == kind).mean()) for kind in KINDS}
        return {kind: share for kind, share in sorted(shares.items(), key=lambda one: -one[1]) if share}

    @cached_property
    def _drawn(self) -> "Drawn":
        return _draw(self)


@dataclass(frozen=True)
class Kept:
    """What the call store already holds; None if there is none yet."""

    store: CallStore | None = None
    account: str = ""
    """The run that the search's calls are charged to: what it paid for before is charged to its budget again."""

    def free(self, keys: Collection[str]) -> Collection[str]:
        """The questions that cost this search nothing: others have paid for them."""
        found = {} if self.store is None else self.store.answers([*keys])
        return [key for key, answer in found.items() if answer.paid_by != self.account]

    def past(self, setting: Setting, index: Index) -> Past:
        """How the setting's model answered before, in this workspace."""
        if self.store is None:
            return Past()
        calls = self.store.frame().filter(~pl.col("cached"), pl.col("model") == setting.start.lm.model)
        askings = weigh(setting.start, setting.cases[:MOST_WEIGHED], index=index)
        questions = [question for asking in askings for question in asking]
        answers = self.store.answers([question.key for question in questions])
        return Past(
            prompts=[(one.prompt_bytes, answers[one.key].prompt_tokens) for one in questions if one.key in answers],
            completions=calls["completion_tokens"].to_list(),
            seconds=(calls["milliseconds"] / 1000).to_list(),
        )


def foresee(
    setting: Setting,
    names: Sequence[str],
    *,
    index: Index,
    budget: Budget,
    kept: Kept | None = None,
    portfolio: bool = False,
) -> Forecast:
    """What a search with the optimizers of these names will cost; nothing is spent and no model is connected.

    `index` is the start's, or one like it. Raises: OptimizeError if a prompt can't be written.
    """
    known = kept or Kept()
    task = replace(setting.task, build=lambda spec: mute_agent(spec, index))
    setting = replace(setting, task=task)
    ways = draw_ways(setting, names, index=index, free=known.free, portfolio=portfolio)
    beliefs = believe(setting, known.past(setting, index))
    return Forecast(ways=ways, beliefs=beliefs, budget=budget, spent={})


@dataclass
class Course:
    """How far a search has come, from what its trials tell: which part is under way, and what each was charged for."""

    ways: Ways
    spent: dict[str, Spend] = field(default_factory=dict)
    _place: int = 0
    _trials: int = 0
    """Of the part under way."""
    _gone: Spend = field(default_factory=Spend)

    def move(self, origin: str, gone: Spend) -> None:
        """A trial of that origin has ended, and so much is spent in all; it is that part's since the trial before."""
        names = self.ways.names
        rest = range(self._place, len(names))
        # The members of a portfolio have names of their own.
        other = names.index(PORTFOLIO) if PORTFOLIO in names and origin != START else self._place
        found = next((place for place in rest if _is(names[place], origin)), other)
        self._trials = 1 + (self._trials if found == self._place else 0)
        self._place, name = found, names[found]
        self.spent[name] = self.spent.get(name, Spend()).plus(_less(gone, self._gone))
        self._gone = gone

    @property
    def done(self) -> tuple[str, ...]:
        """The parts that are through."""
        through = self._trials >= self.ways.trials[self._place]
        return self.ways.names[: self._place + through]


def _is(name: str, origin: str) -> bool:
    return name == origin or name.rpartition(" ")[0] == origin


def _less(gone: Spend, before: Spend) -> Spend:
    return Spend(
        calls=gone.calls - before.calls,
        tokens=gone.tokens - before.tokens,
        seconds=gone.seconds - before.seconds,
        usd=None if gone.usd is None or before.usd is None else gone.usd - before.usd,
    )


class Drawn(NamedTuple):
    """The amounts of each part in each draw, and the limit that ended it, or ""."""

    amounts: dict[Kind, Floats]
    stopped_by: NDArray[np.str_]


def update(forecast: Forecast, spent: Mapping[str, Spend], done: Collection[str], *, ended: bool = False) -> Forecast:
    """The forecast after so much was spent on each part, and some parts are through.

    What is through counts as it was. Of the part under way the draws remain that go further than it has gone. Tokens
    and seconds of the calls to come are corrected by what the calls so far took against what was expected of them:
    the posterior mean of a normal distribution of the logarithm, whose prior is the spread of the draws and whose
    observation has the variance MISMATCH² + CALL_SPREAD² / calls. Source: Gelman et al. 2013, Bayesian Data
    Analysis, 3rd edition, section 2.5 (normal mean, known variance).
    """
    return replace(forecast, spent=dict(spent), done=frozenset(done), ended=ended)


def _draw(forecast: Forecast) -> Drawn:
    expected = forecast.beliefs.amounts(forecast.ways)
    gone = {kind: _gone(forecast, kind) for kind in KINDS}
    left = _left(forecast, expected, gone)
    amounts, stopped = _within(forecast, left, gone)
    return Drawn({kind: amounts[kind] + gone[kind][:, None] for kind in KINDS}, stopped)


def _gone(forecast: Forecast, kind: Kind) -> Floats:
    spends = [forecast.spent.get(name, Spend()) for name in forecast.ways.names]
    return np.array([getattr(spend, kind) or 0.0 for spend in spends], dtype=np.float64)


def _left(forecast: Forecast, expected: Mapping[Kind, Floats], gone: Mapping[Kind, Floats]) -> dict[Kind, Floats]:
    """What each part still takes in each draw, if no budget ends it."""
    calls = expected["calls"]
    share = np.ones_like(calls)
    for place, name in enumerate(forecast.ways.names):
        if name in forecast.done or forecast.ended:
            share[place] = 0.0
        elif gone["calls"][place]:
            share[place] = _further(calls[place], gone["calls"][place])
    # The less is left of a part, the more it may be unlike the whole of it.
    unlike = np.exp(forecast.ways.variety * np.sqrt(np.clip(1.0 - share, 0.0, 1.0)) * forecast.beliefs.variety)
    proposed, left = forecast.beliefs.proposed(forecast.ways), {"calls": calls * share}
    for kind in ("tokens", "seconds", "usd"):
        observed = "tokens" if kind == "usd" else kind
        own = expected[kind] - proposed[kind]  # what was seen of the agent's calls says nothing of the proposer's
        left[kind] = share * (own * unlike * _corrected(calls, expected[observed], gone, observed) + proposed[kind])
    return left


def _further(calls: Floats, gone: float) -> Floats:
    """Which share of a part is still to come in each draw; draws that the part has passed are replaced by others."""
    beyond = calls[calls > gone]
    if not len(beyond):
        return np.zeros_like(calls)
    taken = np.resize(beyond, calls.shape)
    total: Floats = np.where(calls > 0, calls, 1.0)
    return np.where(calls > 0, (taken - gone) / total, 0.0)


def _corrected(calls: Floats, expected: Floats, gone: Mapping[Kind, Floats], kind: Kind) -> Floats:
    """The factor on what was expected of the calls to come, in each draw."""
    asked, took = gone["calls"].sum(), gone[kind].sum()
    if not asked or not took:
        return np.ones(calls.shape[1])
    each = np.divide(expected, calls, out=np.zeros_like(expected), where=calls > 0)
    foreseen = (each * gone["calls"][:, None]).sum(axis=0)
    if not (foreseen > 0).all():
        return np.ones(calls.shape[1])
    logs = np.log(foreseen)
    prior, noise = float(logs.var()), MISMATCH**2 + CALL_SPREAD**2 / asked
    weight = prior / (prior + noise)
    centre = float(logs.mean()) + weight * (math.log(took) - float(logs.mean()))
    # Each draw keeps its place among the others in what remains of the spread.
    scores = (logs - logs.mean()) / math.sqrt(prior) if prior else np.zeros_like(logs)
    corrected: Floats = np.exp(centre + scores * math.sqrt(weight * noise) - logs)
    return corrected


def _within(
    forecast: Forecast, left: Mapping[Kind, Floats], gone: Mapping[Kind, Floats]
) -> tuple[dict[Kind, Floats], NDArray[np.str_]]:
    """What each part still takes until the budget ends the search, and the limit that did."""
    count = len(forecast.ways.names)
    draws = left["calls"].shape[1]
    reach, stopped = np.full(draws, float(count)), np.full(draws, "", dtype="<U8")
    for kind in KINDS:
        limit = getattr(forecast.budget, kind)
        if limit is None:
            continue
        room = limit - gone[kind].sum() - forecast.beliefs.margin(kind, forecast.ways, left)
        if kind == "calls":
            room = room - forecast.ways.spared * _unused(draws)
        found = _reach(left[kind], room)
        sooner = found < reach - 1e-9
        reach, stopped = np.where(sooner, found, reach), np.where(sooner, kind, stopped)
    shares = np.clip(reach[None, :] - np.arange(count)[:, None], 0.0, 1.0)
    cut = {kind: found * shares for kind, found in left.items()}
    return cut | {"calls": np.floor(cut["calls"] + 1e-6)}, stopped


def _unused(draws: int) -> Floats:
    """Which share of what a race may leave it leaves in each draw: as likely as not nothing. An assumption."""
    evenly = np.arange(draws) * _GOLDEN % 1.0
    unused: Floats = np.maximum(0.0, 2.0 * evenly - 1.0)
    return unused


def _reach(amounts: Floats, room: Floats) -> Floats:
    """How many parts fit into the room, the last one in part."""
    before = np.cumsum(amounts, axis=0) - amounts
    fits = np.where(amounts > 0, (room - before) / np.where(amounts > 0, amounts, 1.0), np.where(room >= before, 1, 0))
    reached: Floats = np.clip(fits, 0.0, 1.0).sum(axis=0)
    return reached


def _cost(name: str, amounts: Mapping[Kind, Floats], place: int | None, forecast: Forecast) -> Cost:
    found = {kind: drawn if place is None else drawn[place] for kind, drawn in amounts.items()}
    priced = forecast.beliefs.priced and all(spend.usd is not None for spend in forecast.spent.values())
    return Cost(
        name=name,
        calls=_span(found["calls"]),
        tokens=_span(found["tokens"]),
        seconds=_span(found["seconds"]),
        usd=_span(found["usd"]) if priced else None,
        known=name not in forecast.ways.unknown if place is not None else not forecast.ways.unknown,
    )


def _span(values: Floats) -> Span:
    low, high = (float(np.quantile(values, level)) for level in COVERED)
    return Span(low=low, expected=float(np.median(values)), high=high)
