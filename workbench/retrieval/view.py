"""Who asks, and what an answer may come from: decided inside an index, before anything is ranked."""

from pydantic import Field, model_validator

from workbench.core import EVERYONE, Document, Record, Scalar


class Condition(Record):
    """What a metadata field of a document has to be; a document without the field fails."""

    field: str = Field(min_length=1)
    """A key of `Origin.metadata`, or "source", "trust" or "licence" of the origin itself."""
    one_of: tuple[Scalar, ...] = ()
    """Values that pass; empty: any value between the limits."""
    at_least: Scalar | None = None
    at_most: Scalar | None = None
    """Limits, of the same type as the field's values; a value of another type fails."""

    @model_validator(mode="after")
    def _says_something(self) -> "Condition":
        if not self.one_of and self.at_least is None and self.at_most is None:
            raise ValueError(f"condition on {self.field!r}: names neither values nor limits")
        return self

    def holds(self, document: Document) -> bool:
        """Whether a document meets it."""
        origin = document.origin
        if origin is None:
            return False
        own: dict[str, Scalar] = {"source": origin.source, "trust": origin.trust, "licence": origin.licence}
        value = own.get(self.field, origin.metadata.get(self.field))
        if value is None or (self.one_of and not any(_same(value, one) for one in self.one_of)):
            return False
        above = self.at_least is None or _ordered(self.at_least, value)
        return above and (self.at_most is None or _ordered(value, self.at_most))


class View(Record):
    """Who asks, and what the answer may come from."""

    principals: tuple[str, ...] = ()
    """The caller: a user and the groups it belongs to. `EVERYONE` is always among them; nobody else is by default."""
    where: tuple[Condition, ...] = ()
    """All have to hold."""

    def allows(self, document: Document) -> bool:
        """Whether the caller may see a document in this view.

        >>> View().allows(Document(doc_id="a", text="made here"))
        True
        """
        origin = document.origin
        readable = origin is None or not {EVERYONE, *self.principals}.isdisjoint(origin.readers)
        return readable and all(condition.holds(document) for condition in self.where)


ANYONE = View()
"""A caller of whom nothing is known: sees what everyone may see."""


def _same(one: Scalar, other: Scalar) -> bool:
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def _ordered(low: Scalar, high: Scalar) -> bool:
    if isinstance(low, str) and isinstance(high, str):
        return low <= high
    if isinstance(low, str | bool) or isinstance(high, str | bool):
        return False
    return low <= high
