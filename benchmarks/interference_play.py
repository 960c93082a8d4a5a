"""Random programs of tool calls, played by an honest host that labels what it passes on.

A program is fixed before it is played: which tool is called with what, out of the user's words, a trusted document,
untrusted bytes, and earlier results or parts of them, nested, joined, or chosen by a branch on an earlier result. Only
the untrusted bytes differ between two plays. The host labels each part by its JSON pointer (its own code, so that a
fault of the engine's does not cancel out), puts what a branch depends on into the label of the call as a whole, and
forgets labels now and then, those of the call as a whole included. What a branch does and what it leaves out get the
same label: else the bytes would decide on a label, and the label on an effect. Source: Austin & Flanagan 2009,
"Efficient purely-dynamic information flow analysis" (no sensitive upgrade).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Literal

from pydantic import JsonValue

from benchmarks.interference_world import CALLER, KINDS, World
from workbench.core import canonical_json, digest_bytes
from workbench.safety import USER, Label, join, label_of
from workbench.tools import Call

Manner = Literal["each part", "all in one", "forgetful"]
BYTES = 8
"""Untrusted values that one play can draw on."""
DOCUMENT = Label(integrity="trusted", confidentiality="public", sources=("policy",))
_OTHERS = tuple(
    Label(integrity="untrusted", confidentiality=level, sources=(f"mail:{level}",))
    for level in ("public", "internal", "secret")
)
_NAMES = ("a/b", "~", "", "0", "to", "~1", "é", "list")
_WORDS = ("o1", "o2", "me", "", "a/b~c", "ignore all rules", "everybody", "é\n")


@dataclass(frozen=True)
class Said:
    """A value, and labels of its parts by pointer."""

    value: JsonValue
    labels: dict[str, Label]


@dataclass(frozen=True)
class Source:
    """Where a value comes from."""

    kind: Literal["user", "document", "untrusted", "past", "record", "row", "text"]
    value: JsonValue = None
    number: int = 0
    """Of the untrusted value or of the earlier step."""
    path: tuple[str, ...] = ()
    """To the part of an earlier result that is taken; the whole, if it has no such part."""
    names: tuple[str, ...] = ()
    inside: tuple["Source", ...] = ()


@dataclass(frozen=True)
class Planned:
    """One call of a program."""

    tool: str
    arguments: tuple[tuple[str, Source], ...]
    manner: Manner
    branch: int | None
    """The earlier step whose result decides whether the call is made."""
    forgets: int
    """Bits: which labels a forgetful host leaves out."""


Program = tuple[Planned, ...]


def pointer(*names: str) -> str:
    """A JSON pointer. Source: RFC 6901."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


@cache
def answers(tool: str) -> Label:
    """The label of a tool's own answers."""
    facts = KINDS[tool].facts
    return Label(integrity=facts.trust, confidentiality=facts.confidentiality, sources=(f"tool:{tool}",))


def draw_value(rng: Random, depth: int = 2) -> JsonValue:
    """Any JSON value, small."""
    kind = rng.randrange(6 if depth else 4)
    if kind < 2:
        return rng.choice(_WORDS)
    if kind < 4:
        return rng.choice((0, 1, 7, 99, 101, True, None, 2.5))
    values = [draw_value(rng, depth - 1) for _ in range(rng.randrange(3))]
    return values if kind == 4 else {rng.choice(_NAMES): value for value in values}


def draw_bytes(rng: Random) -> tuple[JsonValue, ...]:
    """What untrusted sources say in one play."""
    return tuple(draw_value(rng) for _ in range(BYTES))


def draw_program(rng: Random) -> Program:
    """Three to five calls; effects more often late, when there is something to act on."""
    reads = [name for name, kind in KINDS.items() if kind.facts.effect == "read"]
    acts = [name for name in KINDS if name not in reads]
    count = rng.randrange(3, 6)
    return tuple(
        _draw_call(rng, rng.choice(reads if rng.random() > (n + 1) / count else acts), n) for n in range(count)
    )


def _draw_call(rng: Random, tool: str, before: int) -> Planned:
    kind = KINDS[tool]
    arguments = []
    for name, schema in kind.arguments.items():
        if name not in kind.required and rng.random() < 0.3:
            continue
        likely = 0.8 if name in kind.facts.content else 0.25
        arguments.append((name, _draw_source(rng, before, 2, likely, schema.get("type"))))
    return Planned(
        tool=tool,
        arguments=tuple(arguments),
        manner=rng.choices(("each part", "all in one", "forgetful"), (8, 1, 1))[0],
        branch=rng.randrange(before) if before and rng.random() < 0.15 else None,
        forgets=rng.getrandbits(8),
    )


def _draw_source(rng: Random, before: int, depth: int, likely: float, kind: JsonValue = None) -> Source:
    """Where an argument comes from; `likely` is the chance that it may be untrusted."""
    if rng.random() < likely:
        if before and rng.random() < 0.5:
            path = tuple(rng.choice(("id", "a/b", "~", "list", "0", *_NAMES)) for _ in range(rng.randrange(3)))
            return Source("past", number=rng.randrange(before), path=path)
        return Source("untrusted", number=rng.randrange(BYTES), value=rng.randrange(len(_OTHERS)))
    if kind is not None:
        return Source("user", value=rng.randrange(200) if kind == "integer" else rng.choice(_WORDS))
    shape = rng.choices(("user", "document", "record", "row", "text"), (5, 2, 2, 1, 1) if depth else (5, 2, 0, 0, 0))[0]
    if shape in {"user", "document"}:
        return Source("user" if shape == "user" else "document", value=draw_value(rng))
    names = tuple(rng.sample(_NAMES, rng.randrange(3)))
    inside = tuple(_draw_source(rng, before, depth - 1, likely) for _ in names)
    return Source("record" if shape == "record" else "row" if shape == "row" else "text", names=names, inside=inside)


class Play:
    """One play of a program."""

    def __init__(self, world: World, said: Sequence[JsonValue]) -> None:
        self.world, self.bytes = world, said
        self.results: list[Said] = []
        self.kinds: list[str] = []
        """What came of each call that was made."""
        self.carried: list[bytes] = []
        """All arguments of each effect."""

    def run(self, program: Program) -> tuple[tuple[str, bytes], ...]:
        """Play it; the effects that took place."""
        self.world.effects.clear()
        for planned in program:
            self.results.append(self._step(planned))
        return tuple(self.world.effects)

    def _step(self, planned: Planned) -> Said:
        branch: tuple[Label, ...] = ()
        taken = True
        if planned.branch is not None:
            condition = self.results[planned.branch]
            branch = (label_of(condition.value, "", condition.labels),)
            taken = int(digest_bytes(canonical_json(condition.value))[0], 16) % 2 == 0
        call = self._call(planned, branch)
        asked = join((label_of(call.arguments, "", call.labels), answers(planned.tool), *branch))
        if not taken:
            return Said(None, {"": asked})
        self.world.said = [self.bytes[len(self.results)]]
        effects = len(self.world.effects)
        result = self.world.call(call)
        self.kinds.append(result.kind)
        if len(self.world.effects) > effects:
            self.carried.append(canonical_json(call.arguments))
        if result.kind == "done":
            return Said(result.value, {"": join((result.label, asked)) if branch else result.label})
        return Said(f"{result.kind} {result.code}", {"": join((asked, result.label))})

    def _call(self, planned: Planned, branch: Sequence[Label]) -> Call:
        given = {name: self._value(source) for name, source in planned.arguments}
        arguments = {name: said.value for name, said in given.items()}
        labels = {"": join((USER, *branch))}
        for name, said in given.items():
            labels |= {pointer(name) + path: label for path, label in said.labels.items()}
        if planned.manner == "all in one":
            labels = {"": join(tuple(labels.values()))}
        elif planned.manner == "forgetful":
            gone = ["", *(path for n, path in enumerate(labels) if planned.forgets >> (n % 8) & 1)]
            labels = {path: label for path, label in labels.items() if not _forgotten(path, gone)}
        return Call(
            tool=planned.tool, arguments=arguments, labels=labels, caller=CALLER, occasion=str(len(self.results))
        )

    def _value(self, source: Source) -> Said:
        match source.kind:
            case "user":
                return Said(source.value, {"": USER})
            case "document":
                return Said(source.value, {"": DOCUMENT})
            case "untrusted":
                assert isinstance(source.value, int), "the place of a label"
                return Said(self.bytes[source.number], {"": _OTHERS[source.value]})
            case "past":
                past = self.results[source.number]
                return Said(_part(past.value, source.path), {"": past.labels[""]})
        inside = [self._value(one) for one in source.inside]
        if source.kind == "text":
            text = " ".join(canonical_json(one.value).decode() for one in inside)
            return Said(text, {"": join((USER, *(label_of(one.value, "", one.labels) for one in inside)))})
        names = source.names if source.kind == "record" else [str(place) for place in range(len(inside))]
        labels = {"": USER}
        for name, one in zip(names, inside, strict=True):
            labels |= {pointer(name) + path: label for path, label in one.labels.items()}
        values = [one.value for one in inside]
        return Said(dict(zip(names, values, strict=True)) if source.kind == "record" else values, labels)


def _forgotten(path: str, gone: Sequence[str]) -> bool:
    """Whether a label is left out, or stands above one that is: what has none must not get that of what holds it."""
    return path in gone or any(other.startswith(f"{path}/") for other in gone)


def _part(value: JsonValue, path: Sequence[str]) -> JsonValue:
    """The part of a value at a path, or the whole value if it has none there."""
    found = value
    for name in path:
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return value
    return found
