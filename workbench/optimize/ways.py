"""Ways that a search may go: how often each optimizer asks what nobody has asked before, drawn a thousand times."""

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.agents import AgentSpec
from workbench.core import Case, stream
from workbench.optimize.loop import Loop, Setting, Way
from workbench.optimize.loops import MOST_DROPPED, loop_of, raced, start_loop
from workbench.optimize.playoff import MOST_ASKED
from workbench.optimize.registry import OPTIMIZERS
from workbench.optimize.trial import START
from workbench.optimize.weighing import Asking, Question, weigh
from workbench.retrieval import Index

DRAWS = 1_000
MOST_WEIGHED = 48
"""Validation cases whose prompts are written; where there are more, the others are taken to be like them."""
MOST_STARTS = 3
"""Agents that an optimizer may be handed by those before it: which one is drawn."""
MOVES = 0.6
"""How likely tuned retrieval finds another tool for any request at all. An assumption."""
CLOSE = 0.5
"""How likely the best are so close, where answers vary, that some are asked every case again. An assumption."""
AGAIN = 0.5
"""How likely the members of a portfolio find something better, and begin again. An assumption."""
PORTFOLIO = "portfolio"

Floats = NDArray[np.float64]
Asked = tuple[str, str, int]
"""What makes a question another one: its key, whose prompt it is like, and the place of its case."""


@dataclass(frozen=True)
class Ways:
    """Each array has a row for each part of the search, in order, and a column for each draw."""

    names: tuple[str, ...]
    calls: Floats
    """Questions to the agent's model that have to be paid for."""
    prompt_bytes: Floats
    """Of all those questions together."""
    proposals: Floats
    """Questions to the model that writes instructions."""
    vagueness: Floats
    """For each part, as a column, how little is known of its prompts: see `Loop`."""
    variety: Floats
    """For each part, as a column, how much its probes differ in the length of their prompts: a standard deviation of
    logarithms. What is left of a part may be but one of them."""
    reserved: float
    """Tokens that a budget reserves for a question beyond the bytes of its prompt, on average."""
    unknown: frozenset[str]
    """Parts of whose loop nothing is known."""
    trials: tuple[int, ...]
    """After how many trials each part is through."""
    spared: int = 0
    """Calls that a race leaves of a budget at most, since they are too few to try one more candidate whole."""


def draw_ways(
    setting: Setting,
    names: Sequence[str],
    *,
    index: Index,
    free: Callable[[Collection[str]], Collection[str]],
    portfolio: bool = False,
) -> Ways:
    """Draw how the optimizers of these names may go about it, one after the other or as a portfolio.

    `free` says which of some questions cost nothing, since they are answered already.
    Raises: OptimizeError if a prompt can't be written or an optimizer can't work with the setting.
    """
    sources = _shared(setting, names) if portfolio else _sources(setting, names)
    scale = _Scale(setting.cases, index)
    for probe in (probe for source in sources for loop in source.loops for probe in loop.probes):
        scale(probe)
    asked = scale.questions
    sampled = setting.start.lm.temperature > 0  # the second asking of a sampled question is another question
    known = frozenset() if sampled else frozenset(free(sorted({question.key for question in asked})))
    found = [_Draw(setting, scale, known, stream(setting.task.seed, "ways", f"{n}")).go(sources) for n in range(DRAWS)]
    return Ways(
        names=tuple(source.name for source in sources),
        calls=np.array([[part.calls for part in parts] for parts in found]).T.astype(np.float64),
        prompt_bytes=np.array([[part.prompt_bytes for part in parts] for parts in found]).T.astype(np.float64),
        proposals=np.array([[part.proposals for part in parts] for parts in found]).T.astype(np.float64),
        vagueness=np.array([[max((loop.vagueness for loop in one.loops), default=1.0)] for one in sources]),
        variety=np.array(
            [[_variety([scale(probe) for loop in one.loops for probe in loop.probes])] for one in sources]
        ),
        reserved=float(np.mean([one.most_tokens - one.prompt_bytes for one in asked])) if asked else 0.0,
        unknown=frozenset(source.name for source in sources if not source.loops),
        trials=tuple(source.trials for source in sources),
        spared=len(setting.task.val) if portfolio or "random_search" in names else 0,
    )


def _variety(weighed: Sequence[Sequence[Asking]]) -> float:
    sizes = [sum(question.prompt_bytes for asking in askings for question in asking) for askings in weighed]
    return float(np.std(np.log([size for size in sizes if size]))) if any(sizes) else 0.0


class Source(NamedTuple):
    """A part of the search."""

    name: str
    loops: tuple[Loop, ...]
    """Its loop for each agent that it may begin with; none if it is unknown."""
    together: bool = False
    """True for a portfolio: all the loops take part, and begin again as long as something better is found."""

    @property
    def trials(self) -> int:
        """After so many it is through."""
        return self.loops[0].trials if self.loops and not self.together else sys.maxsize


def _shared(setting: Setting, names: Sequence[str]) -> list[Source]:
    """What asks nobody comes first; then the others as one part, which all begin with the same agent."""
    first = [name for name in names if not OPTIMIZERS[name].asks]
    loops = [loop_of(name, setting) for name in names if name not in first]
    known = tuple(loop for loop in loops if loop is not None)
    return [*_sources(setting, first), Source(PORTFOLIO, known if all(loops) else (), together=True)]


def _sources(setting: Setting, names: Sequence[str]) -> list[Source]:
    starts, found = [setting], [Source(START, (start_loop(setting),))]
    for name in names:
        loops = tuple(loop for loop in (loop_of(name, one) for one in starts[:MOST_STARTS]) if loop is not None)
        found.append(Source(_distinct(name, found), loops))
        if loops and not loops[0].retrieves:
            starts.append(replace(setting, start=loops[0].probes[-1]))
    return found


def _distinct(name: str, found: Sequence[Source]) -> str:
    """The name, numbered where an optimizer comes again."""
    before = sum(one.name.partition(" ")[0] == name for one in found)
    return f"{name} {before + 1}" if before else name


@dataclass
class _Scale:
    """What each probe asks about each case, written once."""

    cases: Sequence[Case]
    index: Index
    _weighed: dict[str, tuple[Asking, ...]] = field(default_factory=dict)
    """By digest."""
    _known: dict[int, tuple[AgentSpec, tuple[Asking, ...]]] = field(default_factory=dict)
    """By identity, since the digest of a thousand demos takes its time; the agent is held, so the identity stays."""

    def __call__(self, probe: AgentSpec) -> tuple[Asking, ...]:
        """For the cases that are weighed."""
        if id(probe) not in self._known:
            if probe.digest not in self._weighed:
                self._weighed[probe.digest] = weigh(probe, self.cases[:MOST_WEIGHED], index=self.index)
            self._known[id(probe)] = (probe, self._weighed[probe.digest])
        return self._known[id(probe)][1]

    @property
    def questions(self) -> list[Question]:
        """All that was weighed."""
        return [question for weighed in self._weighed.values() for asking in weighed for question in asking]


@dataclass
class _Part:
    """What one part of one draw asks."""

    calls: int = 0
    prompt_bytes: int = 0
    proposals: int = 0


@dataclass
class _Draw:
    """One way through the whole search."""

    setting: Setting
    scale: _Scale
    known: frozenset[str]
    stream: Random
    asked: set[Asked] = field(default_factory=set)
    moved: frozenset[int] = frozenset()
    """Places of the cases for which another tool is found than the probes saw."""
    silent: frozenset[int] = frozenset()
    """Places of the cases on which the agent now abstains before it asks."""

    def go(self, sources: Sequence[Source]) -> list[_Part]:
        """Every part in order; whoever is asked again at the end is asked on the account of the last."""
        parts = [self._part(source) for source in sources]
        repeats = self.setting.task.repeats
        if self.sampled and repeats > 1 and sources[-1].loops and self.stream.random() < CLOSE:
            times = self.stream.randint(2, MOST_ASKED) * self.stream.randint(1, repeats - 1)
            askings = self.scale(self.stream.choice(sources[-1].loops).probes[-1])
            for place in [*range(len(self.scale.cases))] * times:
                self._ask(parts[-1], askings[place % len(askings)], place, "again")
        return parts

    @property
    def sampled(self) -> bool:
        """Whether the same question asked again is another one."""
        return self.setting.start.lm.temperature > 0

    def _part(self, source: Source) -> _Part:
        if not source.loops:
            return self._unknown()
        if not source.together:
            return self._step(source.name, self.stream.choice(source.loops))
        share = self.stream.uniform(0.0, MOST_DROPPED)
        found = [self._step(f"{source.name} {number}", loop, share=share) for number, loop in enumerate(source.loops)]
        while self.stream.random() < AGAIN:  # with a better agent, so with other questions
            found += [
                self._step(f"{source.name} {len(found)}", loop, own="again", share=share) for loop in source.loops
            ]
        return _Part(*(sum(getattr(part, name) for part in found) for name in ("calls", "prompt_bytes", "proposals")))

    def _step(self, name: str, loop: Loop, *, own: str = "", share: float | None = None) -> _Part:
        """A loop, drawn; `share` is that of the candidates which each look of a race drops, if there is one."""
        if loop.retrieves:
            places = range(len(self.scale.cases))
            share = self.stream.random() if self.stream.random() < MOVES else 0.0
            quiet = self.stream.uniform(0.0, loop.abstains)
            self.moved = frozenset(place for place in places if self.stream.random() < share)
            self.silent = frozenset(place for place in places if self.stream.random() < quiet)
        way = loop.draw(self.stream)
        if share is not None and loop.drafts:
            way = raced(way, self.setting, self.stream, share)
        visits = [visit._replace(own=f"{name} {own}{visit.own}") if visit.own or own else visit for visit in way.visits]
        return self._walk(loop, way._replace(visits=tuple(visits)))

    def _walk(self, loop: Loop, way: Way) -> _Part:
        part = _Part(proposals=way.proposals)
        for visit in way.visits:
            askings = self.scale(loop.probes[visit.probe])
            for place in visit.places:
                if place not in self.silent:
                    self._ask(part, askings[place % len(askings)], place, visit.own)
        self._train(part, loop, way.training)
        return part

    def _ask(self, part: _Part, asking: Asking, place: int, own: str) -> None:
        beyond = place if place >= MOST_WEIGHED else -1
        moved = "moved" if place in self.moved else ""
        for question in asking:
            asked = (question.key, own + moved, beyond)
            new = self.sampled or asked not in self.asked
            self.asked.add(asked)
            if new and (own or moved or beyond >= 0 or question.key not in self.known):
                part.calls += 1
                part.prompt_bytes += question.prompt_bytes

    def _train(self, part: _Part, loop: Loop, cases: int) -> None:
        askings = self.scale(loop.probes[-1])
        for _ in range(cases):
            for question in self.stream.choice(askings):
                part.calls += 1
                part.prompt_bytes += question.prompt_bytes

    def _unknown(self) -> _Part:
        """Between one and a hundred rounds of all validation cases: in truth, whatever the budget leaves."""
        rounds = 100 ** self.stream.random()
        sizes = [question.prompt_bytes for question in self.scale.questions]
        calls = round(rounds * len(self.scale.cases))
        return _Part(calls=calls, prompt_bytes=round(calls * sum(sizes) / max(1, len(sizes))))
