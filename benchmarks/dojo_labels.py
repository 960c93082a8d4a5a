"""Where each argument of a call comes from, worked out from the request and from what was read; nobody is asked.

A planner that has read what others wrote may do anything, so what it says of its arguments counts for nothing, and so
does its choice. An argument is trusted only where the request leaves it no choice:

- said: the value stands in the request;
- meant: the value is a served field (`dojo_facts.SERVED`) of the one thing that the request singles out (`dojo_meant`)
  in an answer that was itself asked for by trusted arguments only;
- early: nothing untrusted has been read so far, so nobody else had a say.

All else has the join of all that was read. The call as a whole is trusted if the request asks for the tool, or early.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from benchmarks.dojo_meant import Seen, is_meant, things_of
from benchmarks.dojo_words import Request
from workbench.safety import USER, Label, escape, join
from workbench.tools import Result, Tool

UNSAID = "address:unsaid"
"""Source of a text with an address that the request does not say."""
COMPOSED = "value:composed"
"""Source of a text that stands neither in the request nor in anything read."""


@dataclass
class Provenance:
    """All that one session has read, beside the request that began it."""

    request: Request
    context: Label = USER
    _seen: list[Seen] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)

    def labels(self, tool: Tool, arguments: Mapping[str, JsonValue]) -> dict[str, Label]:
        """A label for each value of a call, and for the call itself; what is left out is the call's own decision."""
        asked = tool.facts.effect != "read" and tool.spec.name in self.request.asks
        labels = {path: self._label(path, leaf) for path, leaf in _leaves("", dict(arguments))}
        return {"": USER if asked else self.context, **labels}

    def read(self, tool: Tool, arguments: Mapping[str, JsonValue], result: Result) -> None:
        """Remember what a call gave."""
        controls = [*_leaves("", {name: arguments[name] for name in tool.controls if name in arguments})]
        seen = Seen(
            tool=tool.spec.name,
            things=things_of(result.value),
            trusted=all(self._label(path, leaf).trusted for path, leaf in controls),
            names=tuple(leaf for _, leaf in controls if isinstance(leaf, str) and self.request.names(leaf)),
        )
        self._seen.append(seen)
        self._texts.append(json.dumps(result.value, ensure_ascii=False))
        own = tuple(source for source in result.label.sources if source not in {UNSAID, COMPOSED})
        self.context = join((self.context, result.label.model_copy(update={"sources": own})))

    def has_read(self, text: str) -> bool:
        """Whether a text stands in anything that was read."""
        written = json.dumps(text, ensure_ascii=False)[1:-1]
        return any(written in one for one in self._texts)

    def _label(self, path: str, leaf: JsonValue) -> Label:
        argument = next(part for part in reversed(path.split("/")) if not part.isdigit())
        unsaid = self.request.unsaid_address(leaf)
        if self.request.says(leaf, argument=argument) or (self.request.fits(leaf) and not unsaid):
            return USER
        for seen in self._seen:
            if is_meant(self.request, seen, argument, leaf):
                return Label(integrity="trusted", sources=(f"tool:{seen.tool}",))
        composed = isinstance(leaf, str) and not self.has_read(leaf)
        notes = [UNSAID] * unsaid + [COMPOSED] * composed
        return self.context.model_copy(update={"sources": tuple(sorted({*self.context.sources, *notes}))})


def _leaves(path: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Values that are no lists or objects, each with its path; what is left out has none."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(f"{path}/{escape(name)}", item)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _leaves(f"{path}/{place}", item)
    elif value is not None:
        yield path, value
