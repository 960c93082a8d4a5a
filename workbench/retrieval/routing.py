"""Routes: what words of a query say about where to look, declared by a person and never wider than the view."""

import re
from collections.abc import Sequence
from functools import cached_property

from pydantic import Field, model_validator

from workbench.core import Corpus, Document, Record, Scalar
from workbench.retrieval.view import Condition, View


class Route(Record):
    """A metadata field that queries name.

    A `pattern` finds values by their form, such as years; without one the corpus's own values are looked for.
    """

    field: str = Field(min_length=1)
    """A key of `Origin.metadata`."""
    pattern: str = ""
    """A regular expression, matched in any case; its first group, or all of it, is the value. Empty: known values."""
    slack: int = Field(default=0, ge=0)
    """How far a document's whole number may be from the one in the query: an annual report tells of the year before."""

    @model_validator(mode="after")
    def _compiles(self) -> "Route":
        try:
            re.compile(self.pattern)
        except re.error as cause:
            raise ValueError(f"route of {self.field!r}: {self.pattern!r} is no regular expression: {cause}") from cause
        return self


class Router:
    """Routes over the values that a corpus has."""

    def __init__(self, routes: Sequence[Route], corpus: Corpus) -> None:
        self._routes = tuple(routes)
        self._corpus = corpus

    def narrow(self, query: str, view: View) -> View:
        """The view with what the query says added to it; the same view if it says nothing.

        A condition is only ever added, so nothing that the view hides is shown. What would leave no document that
        the view shows is not added.
        """
        found = view
        for route in self._routes:
            condition = self._condition(route, query)
            if condition is None:
                continue
            narrower = found.model_copy(update={"where": (*found.where, condition)})
            if any(narrower.allows(document) for document in self._corpus.documents):
                found = narrower
        return found

    def _condition(self, route: Route, query: str) -> Condition | None:
        values = self._values.get(route.field, ())
        named = tuple(value for value in values if _named(value, query, route))
        return Condition(field=route.field, one_of=named) if named else None

    @cached_property
    def _values(self) -> dict[str, tuple[Scalar, ...]]:
        fields = {route.field for route in self._routes}
        found: dict[str, dict[str, Scalar]] = {field: {} for field in fields}
        for document in self._corpus.documents:
            for field, value in _metadata(document).items():
                if field in fields and not isinstance(value, bool):
                    found[field][f"{type(value).__name__} {value}"] = value
        return {field: tuple(values[key] for key in sorted(values)) for field, values in found.items()}


def _metadata(document: Document) -> dict[str, Scalar]:
    return {} if document.origin is None else document.origin.metadata


def _named(value: Scalar, query: str, route: Route) -> bool:
    if not route.pattern:
        return bool(str(value).strip()) and re.search(rf"(?<!\w){re.escape(str(value))}(?!\w)", query, re.I) is not None
    matches = re.finditer(route.pattern, query, re.I)
    return any(_fits(value, match.group(1) if match.re.groups else match.group(), route.slack) for match in matches)


def _fits(value: Scalar, said: str | None, slack: int) -> bool:
    if said is None:
        return False
    if isinstance(value, int) and said.strip().isdigit():
        return abs(value - int(said)) <= slack
    return str(value).casefold() == said.strip().casefold()
