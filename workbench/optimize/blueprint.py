"""From a point of a joint space to a candidate: knobs of the configuration, and what its program says and shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from workbench.agents import AgentSpec, Program, learned
from workbench.core import OptimizeError, digest_json, stream
from workbench.optimize.fewshot import rows
from workbench.optimize.retrieval_tuning import idle as idle_fields
from workbench.optimize.search import Task
from workbench.optimize.space import Space, knobs, vary

Point = Mapping[str, JsonValue]
INSTRUCTIONS, DEMO_SET = "instructions", "demo_set"
"""The two names of a joint space that are no knobs of a spec: texts for the predictor that answers, and numbers that
each stand for another random draw of its demos."""
MOST_FIXED = 16
"""As many demos as a spec can show."""

_OF_VECTORS = ("abstain_below",)
_DECIDING = ("index.retriever", "index.fusion", "index.chunk", "index.feedback", "index.expansion")
"""The knobs of an index that make others idle."""
_OF_TOOLS = ("arguments", "layout", "demo_layout", "demo_choice")


@dataclass
class Blueprint:
    """A space around a start: what its points are, which of them differ, and the candidates they stand for."""

    task: Task
    start: AgentSpec
    space: Space
    _programs: dict[str, Program] = field(default_factory=dict)
    _idle_of_index: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)
    """The idle knobs of an index by what decides them: a search asks thousands of times, of few."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the space varies, in alphabetical order."""
        return tuple(sorted(self.space))

    @cached_property
    def origin(self) -> Point:
        """The start as a point; None stands for its own instructions and its own demos.

        Raises: ConfigError for a name that is no knob, with the nearest known one.
        """
        own = self._own
        vary(self.start, {name: own.get(name) for name in self.names if name not in (INSTRUCTIONS, DEMO_SET)})
        return {name: own.get(name) for name in self.names}

    @cached_property
    def _own(self) -> dict[str, JsonValue]:
        return knobs(self.start)

    @cached_property
    def named(self) -> NDArray[np.bool_]:
        """For each name whether its values have no order."""
        return np.array([name == DEMO_SET or not _ordered(self._levels[name]) for name in self.names])

    def settle(self, point: Point) -> Point:
        """The point with the start's value for each knob that its other knobs make idle: what acts alike is one."""
        idle = self._idle(point)
        return {name: self.origin[name] if name in idle else point[name] for name in self.names}

    def draw(self, rng: np.random.Generator) -> Point:
        """A random point, settled."""
        return self.settle({name: self._pick(name, rng) for name in self.names})

    def neighbour(self, point: Point, rng: np.random.Generator) -> Point:
        """The point with one knob changed, or sometimes two; ordered ones mostly by one step."""
        changed = dict(point)
        for _ in range(2 if rng.random() < 0.3 else 1):
            name = self.names[int(rng.integers(len(self.names)))]
            values = list(self.space[name])
            if _ordered(values) and changed[name] in values and rng.random() < 0.6:
                place = values.index(changed[name]) + (1 if rng.random() < 0.5 else -1)
                changed[name] = values[min(max(place, 0), len(values) - 1)]
            else:
                changed[name] = self._pick(name, rng)
        return self.settle(changed)

    def code(self, point: Point) -> NDArray[np.float64]:
        """The point as numbers: the place of each value among its levels, of ordered ones from 0 to 1."""
        places = [self._levels[name].index(point[name]) for name in self.names]
        ends = [max(1, len(self._levels[name]) - 1) for name in self.names]
        found: NDArray[np.float64] = np.array(places) / np.where(self.named, 1, ends)
        return found

    def spec(self, point: Point) -> AgentSpec:
        """The candidate that a settled point stands for.

        Raises: ConfigError for a value that a knob can't take; OptimizeError if demos are wanted and there are none.
        """
        if point == self.origin:
            return self.start
        spec = vary(self.start, {name: value for name, value in point.items() if name not in (INSTRUCTIONS, DEMO_SET)})
        return spec.model_copy(update={"program": self._program(spec, point)})

    def locate(self, spec: AgentSpec) -> Point | None:
        """The point of the space that is exactly this candidate; None if it is none, or the start itself."""
        own = knobs(spec)
        first = {name: self.space[name][0] for name in (INSTRUCTIONS, DEMO_SET) if name in self.space}
        point = self.settle({**{name: own[name] for name in self.names if name in own}, **first})
        inside = all(point[name] in self._levels[name] for name in self.names)
        return point if inside and point != self.origin and self.spec(point) == spec else None

    def _program(self, spec: AgentSpec, point: Point) -> Program:
        """The start's, with other instructions and demos where the point asks for them; each is made once."""
        text, number = point.get(INSTRUCTIONS), point.get(DEMO_SET)
        wanted = self._shows_demos and (number is not None or not self._has_demos)
        if text is None and not wanted:
            return self.start.program
        # A draw of its own is needed whole only where the nearest are picked from it.
        most = None if number is None or spec.demo_choice == "nearest" else MOST_FIXED
        key = digest_json([text, number, most])
        if key not in self._programs:
            module = self.task.build(spec).module
            predictor = getattr(module, module.taught)
            if text is not None:
                predictor.signature = predictor.signature.with_instructions(str(text))
            if wanted:
                predictor.demos = self._drawn(number)[:most]
            self._programs[key] = learned(spec, module).program
        return self._programs[key]

    def _drawn(self, number: JsonValue) -> list[object]:
        found: list[object] = rows(self.task)
        if number is not None:
            stream(self.task.seed, DEMO_SET, str(number)).shuffle(found)
        return found

    @cached_property
    def _shows_demos(self) -> bool:
        return any(value != 0 for value in self.space.get("demos", (self.start.demos,)))

    @cached_property
    def _has_demos(self) -> bool:
        return any(state.get("demos") for state in self.start.program.predictors.values())

    def _idle(self, point: Point) -> set[str]:
        """The knobs that change nothing, given the others."""
        spec = {**self._own, **point}
        deciding = {name: point[name] for name in _DECIDING if name in point}
        key = name_of(deciding)
        if key not in self._idle_of_index:
            # Not all values go together, such as an overlap and no passages: these are looked at with the start's rest.
            index = vary(self.start, deciding).index
            self._idle_of_index[key] = frozenset(f"index.{field}" for field in idle_fields(index))
        idle = set(self._idle_of_index[key])
        if spec["index.retriever"] == "bm25":
            idle.update(_OF_VECTORS)
        if spec["pattern"] == "answer":
            idle.update(_OF_TOOLS)
        if spec["demos"] == 0:
            idle.update(("demo_choice", "demo_layout", DEMO_SET))
        elif spec["demo_choice"] == "nearest" and spec["pattern"] != "answer":
            idle.add(DEMO_SET)
        return idle

    @cached_property
    def _levels(self) -> Mapping[str, list[JsonValue]]:
        """For each name its values, and the start's where that is another one; numbers by size."""
        found: dict[str, list[JsonValue]] = {}
        for name in self.names:
            values = list(self.space[name])
            if not values:
                raise OptimizeError(f"joint_search: knob {name!r} has no values; name some, or drop it from the space")
            values += [] if self.origin[name] in values else [self.origin[name]]
            found[name] = sorted(values, key=_size) if _ordered(values) else values
        return found

    def _pick(self, name: str, rng: np.random.Generator) -> JsonValue:
        return self.space[name][int(rng.integers(len(self.space[name])))]


def name_of(point: Point) -> tuple[str, ...]:
    """What a point is known by, as a key."""
    return tuple(f"{name}={value!r}" for name, value in point.items())


def _ordered(values: list[JsonValue]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _size(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
