"""The space of a search: knobs of an AgentSpec, by dotted name, with the values to try."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from textwrap import shorten

from pydantic import JsonValue, ValidationError

from workbench.agents import AgentSpec, instructions
from workbench.core import ConfigError, nearest, stream

Space = Mapping[str, Sequence[JsonValue]]
"""For each knob ("demos", "index.retriever", "lm.max_tokens") the values a search may give it."""

MOST_CHARACTERS = 100
"""Of an instruction, as a change shows it; the whole text stands in the program."""


def knobs(spec: AgentSpec) -> dict[str, JsonValue]:
    """Every knob of a spec by dotted name; the learned program is none.

    >>> knobs(AgentSpec())["index.retriever"]
    'bm25'
    """
    return _flat(spec.model_dump(mode="json", exclude={"program"}), "")


def vary(spec: AgentSpec, values: Mapping[str, JsonValue]) -> AgentSpec:
    """The spec with some knobs set.

    Raises: ConfigError for an unknown knob, with the nearest known one, or for a value the knob can't take.

    >>> vary(AgentSpec(), {"demos": 4, "index.retriever": "hybrid"}).demos
    4
    """
    data = spec.model_dump(mode="json")
    own = knobs(spec)
    # A part that can be absent, such as a provider's embedding model, is a knob as a whole, also where it is there.
    known = {*own, *(part for part in knobs(AgentSpec()) if any(name.startswith(f"{part}.") for name in own))}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"knob {name!r}: an agent has no such knob; {nearest(name, known)}")
        *path, last = name.split(".")
        target = data
        for part in path:
            target = target[part]
        target[last] = value
    try:
        return AgentSpec.model_validate(data)
    except ValidationError as cause:
        problem = cause.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ConfigError(f"knob {where!r}: {problem['msg']}, got {problem['input']!r}") from cause


def sample(space: Space, *, count: int, seed: int) -> list[dict[str, JsonValue]]:
    """Different points of the space in a random order fixed by the seed; all of them if there are fewer.

    >>> sample({"demos": [0, 4]}, count=5, seed=1) in ([{"demos": 0}, {"demos": 4}], [{"demos": 4}, {"demos": 0}])
    True
    """
    names = sorted(space)
    points = [dict(zip(names, values, strict=True)) for values in product(*(space[name] for name in names))]
    stream(seed, "space").shuffle(points)
    return points[:count]


def changes(start: AgentSpec, spec: AgentSpec) -> dict[str, str]:
    """Each knob that differs, as "old → new"; of a changed program the number of demos and what is now told.

    A part that only one of them has, such as a provider's embedding model, is one knob.

    >>> changes(AgentSpec(), AgentSpec(demos=4))
    {'demos': '0 → 4'}
    """
    before, after = (one.model_dump(mode="json", exclude={"program"}) for one in (start, spec))
    found = {name: f"{_word(old)} → {_word(new)}" for name, old, new in _differing(before, after, "")}
    told_before, told = instructions(start), instructions(spec)
    for name, text in told.items():
        if text != told_before.get(name, ""):
            found[f"instructions.{name}"] = _edit(told_before.get(name, ""), text)
    if _demos(spec) != _demos(start):
        found["program"] = f"{_count(start)} → {_count(spec)} solved requests"
    return found


def _flat(value: Mapping[str, JsonValue], prefix: str) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            found |= _flat(item, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = item
    return found


def _differing(
    old: Mapping[str, JsonValue], new: Mapping[str, JsonValue], prefix: str
) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """Dotted names with the values that differ, down to where one of the two goes no deeper."""
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differing(before, after, f"{prefix}{name}.")
        elif before != after:
            yield f"{prefix}{name}", before, after


def _word(value: JsonValue) -> str:
    if isinstance(value, dict):
        return _brief(", ".join(f"{name} {item}" for name, item in value.items() if item not in (None, "")))
    return value if isinstance(value, str) else f"{value}"


def _edit(old: str, new: str) -> str:
    """Old and new text in short, each on one line; of a text that goes on from the old one only what is added."""
    if old and new.startswith(old):
        return f"… + {_brief(new.removeprefix(old))}"
    return f"{_brief(old)} → {_brief(new)}"


def _brief(text: str) -> str:
    return shorten(text, MOST_CHARACTERS, placeholder=" …")


def _demos(spec: AgentSpec) -> dict[str, list[JsonValue]]:
    """The demos of each predictor that has some."""
    states = spec.program.predictors.items()
    return {name: demos for name, state in states if isinstance(demos := state.get("demos"), list) and demos}


def _count(spec: AgentSpec) -> int:
    # The most that one predictor has: dspy gives the same ones to each.
    return max((len(demos) for demos in _demos(spec).values()), default=0)
