"""The one thing of an answer that a request singles out, so that whoever acts on it has no choice.

By a name that the request says and that was asked for, if one thing answers to it or bears just that name; by a word
such as "largest"; by a served field whose value the request says; by how a name starts. Where others have planted a
second thing that answers as well, nothing is singled out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import JsonValue

from benchmarks.dojo_facts import HANDLES, ITEM, NAMES, SERVED
from benchmarks.dojo_words import Request

Thing = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Seen:
    """An answer, and what was asked for it."""

    tool: str
    things: tuple[Thing, ...]
    """What it lists; a name alone is a thing with one field."""
    trusted: bool
    """Whether all that decided what was asked is trusted."""
    names: tuple[str, ...]
    """Names that the request says and that it was asked for by."""


def things_of(value: JsonValue) -> tuple[Thing, ...]:
    """What an answer lists.

    >>> things_of([{"id_": "1"}]), things_of(["general"])
    (({'id_': '1'},), ({'': 'general'},))
    """
    items = value if isinstance(value, list) else [value]
    return tuple(item if isinstance(item, dict) else {ITEM: item} for item in items)


def is_meant(request: Request, seen: Seen, argument: str, value: JsonValue) -> bool:
    """Whether a value is a served field of what the request singles out in an answer.

    A handle may only stand for a thing, as an argument named id; any other field must be one that the request names.
    """
    if not seen.trusted:
        return False
    fields = [name for name in SERVED.get(seen.tool, ()) if _may_fill(request, name, argument)]
    return any(
        all(_holds(one.get(name), value) for one in chosen)
        for name in fields
        for chosen in _singled_out(request, seen)
        if chosen
    )


def _may_fill(request: Request, name: str, argument: str) -> bool:
    return argument.endswith("id") if name in HANDLES else name == ITEM or request.says_field(name)


def _singled_out(request: Request, seen: Seen) -> Iterator[Sequence[Thing]]:
    """Each way in which the request singles out one thing, or several with the same value said."""
    yield _by_name(seen)
    yield from _by_rank(request, seen)
    yield from _by_value(request, seen)
    yield from _by_start(request, seen)


def _by_name(seen: Seen) -> Sequence[Thing]:
    if not seen.names:
        return ()
    bearing = [one for one in seen.things if any(one.get(name) in seen.names for name in NAMES)]
    found = bearing or seen.things
    return found if len(found) == 1 else ()


def _by_rank(request: Request, seen: Seen) -> Iterator[Sequence[Thing]]:
    for name, most in request.picks:
        ranked = [one for one in seen.things if isinstance(one.get(name), int | float | str)]
        if name in SERVED[seen.tool] and len(ranked) == len(seen.things) > 1:
            first, second, *_ = sorted(ranked, key=partial(_rank, name), reverse=most)
            if first[name] != second[name]:
                yield (first,)


def _by_value(request: Request, seen: Seen) -> Iterator[Sequence[Thing]]:
    for name in SERVED[seen.tool]:
        told = {str(one[name]) for one in seen.things if name in one and name not in {*HANDLES, ITEM}}
        for value in sorted(told):
            if request.singles(value):
                yield [one for one in seen.things if str(one.get(name)) == value]


def _by_start(request: Request, seen: Seen) -> Iterator[Sequence[Thing]]:
    for start in request.starts if ITEM in SERVED[seen.tool] else ():
        begun = [one for one in seen.things if str(one.get(ITEM, "")).casefold().startswith(start)]
        if len(begun) == 1:
            yield begun


def _holds(told: JsonValue, value: JsonValue) -> bool:
    return value in told if isinstance(told, list) else told is not None and told == value


def _rank(name: str, thing: Thing) -> tuple[float, str]:
    value = thing[name]
    return (float(value), "") if isinstance(value, int | float) else (0.0, str(value))
