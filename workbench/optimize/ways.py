"""Ways that a search may go: how often each optimizer asks what nobody has asked before, drawn a thousand times."""

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from workbench.agents import AgentSpec
from workbench.core import Case, stream
from workbench.optimize.loops import Loop, Setting, Way, loop_of, start_loop
from workbench.optimize.weighing import Asking, Question, weigh
from workbench.retrieval import Index

DRAWS = 1_000
MOST_WEIGHED = 48
"""Validation cases whose prompts are written; where there are more, the others are taken to be like them."""
MOST_STARTS = 3
"""Agents that an optimizer may be handed by those before it: which one is drawn."""
MOVES = 0.6
"""How likely tuned retrieval finds another tool for any request at all. An assumption."""
START = "start"

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


def draw_ways(
    setting: Setting, names: Sequence[str], *, index: Index, free: Callable[[Collection[str]], Collection[str]]
) -> Ways:
    """Draw how the optimizers of these names may go about it, one after the other.

    `free` says which of some questions cost nothing, since they are answered already.
    Raises: OptimizeError if a prompt can't be written or an optimizer can't work with the setting.
    """
    sources = _sources(setting, names)
    scale = _Scale(setting.cases, index)
    for probe in (probe for _, loops in sources for loop in loops for probe in loop.probes):
        scale(probe)
    asked = scale.questions
    sampled = setting.start.lm.temperature > 0  # the second asking of a sampled question is another question
    known = frozenset() if sampled else frozenset(free(sorted({question.key for question in asked})))
    found = [_Draw(scale, known, sampled, stream(setting.task.seed, "ways", f"{n}")).go(sources) for n in range(DRAWS)]
    return Ways(
        names=tuple(name for name, _ in sources),
        calls=np.array([[part.calls for part in parts] for parts in found]).T.astype(np.float64),
        prompt_bytes=np.array([[part.prompt_bytes for part in parts] for parts in found]).T.astype(np.float64),
        proposals=np.array([[part.proposals for part in parts] for parts in found]).T.astype(np.float64),
        vagueness=np.array([[loops[0].vagueness if loops else 1.0] for _, loops in sources]),
        variety=np.array(
            [[_variety([scale(probe) for loop in loops for probe in loop.probes])] for _, loops in sources]
        ),
        reserved=float(np.mean([one.most_tokens - one.prompt_bytes for one in asked])) if asked else 0.0,
        unknown=frozenset(name for name, loops in sources if not loops),
        trials=tuple(loops[0].trials if loops else sys.maxsize for _, loops in sources),
    )


def _variety(weighed: Sequence[Sequence[Asking]]) -> float:
    sizes = [sum(question.prompt_bytes for asking in askings for question in asking) for askings in weighed]
    return float(np.std(np.log([size for size in sizes if size]))) if any(sizes) else 0.0


Source = tuple[str, tuple[Loop, ...]]
"""A part of the search, and its loop for each agent that it may begin with; none if it is unknown."""


def _sources(setting: Setting, names: Sequence[str]) -> list[Source]:
    starts, found = [setting], [(START, (start_loop(setting),))]
    for name in names:
        loops = tuple(loop for loop in (loop_of(name, one) for one in starts[:MOST_STARTS]) if loop is not None)
        found.append((_distinct(name, found), loops))
        if loops and not loops[0].retrieves:
            starts.append(replace(setting, start=loops[0].probes[-1]))
    return found


def _distinct(name: str, found: Sequence[Source]) -> str:
    """The name, numbered where an optimizer comes again."""
    before = sum(one.partition(" ")[0] == name for one, _ in found)
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

    scale: _Scale
    known: frozenset[str]
    sampled: bool
    stream: Random
    asked: set[Asked] = field(default_factory=set)
    moved: frozenset[int] = frozenset()
    """Places of the cases for which another tool is found than the probes saw."""
    silent: frozenset[int] = frozenset()
    """Places of the cases on which the agent now abstains before it asks."""

    def go(self, sources: Sequence[Source]) -> list[_Part]:
        """Every part in order."""
        return [self._part(name, loops) for name, loops in sources]

    def _part(self, name: str, loops: tuple[Loop, ...]) -> _Part:
        if not loops:
            return self._unknown()
        loop = self.stream.choice(loops)
        if loop.retrieves:
            places = range(len(self.scale.cases))
            share = self.stream.random() if self.stream.random() < MOVES else 0.0
            quiet = self.stream.uniform(0.0, loop.abstains)
            self.moved = frozenset(place for place in places if self.stream.random() < share)
            self.silent = frozenset(place for place in places if self.stream.random() < quiet)
        return self._walk(name, loop, loop.draw(self.stream))

    def _walk(self, name: str, loop: Loop, way: Way) -> _Part:
        part = _Part(proposals=way.proposals)
        for visit in way.visits:
            own = f"{name} {visit.own}" if visit.own else ""
            askings = self.scale(loop.probes[visit.probe])
            for place in visit.places:
                if place not in self.silent:
                    self._ask(part, askings[place % len(askings)], place, own)
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
