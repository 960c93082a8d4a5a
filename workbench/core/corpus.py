"""Documents, and the tools an agent can find among them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import Field, JsonValue, model_validator

from workbench.core.errors import DataError
from workbench.core.record import Record, digest_json


class ToolSpec(Record):
    """What an agent is told of a tool. It says nothing of how the tool runs, or who may run it."""

    name: str = Field(min_length=1)
    """The name a call uses; several tools of a catalogue may share it."""
    description: str = ""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """A JSON Schema of type object: properties, required, and for each property type and description."""

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the arguments a call must have, in the order the schema gives."""
        names = self.parameters.get("required", [])
        return tuple(str(name) for name in names) if isinstance(names, list) else ()

    @property
    def properties(self) -> dict[str, dict[str, JsonValue]]:
        """Each argument's schema, in the order the tool declares them."""
        declared = self.parameters.get("properties", {})
        if not isinstance(declared, dict):
            return {}
        return {name: schema for name, schema in declared.items() if isinstance(schema, dict)}


EVERYONE = "everyone"
"""The group that every caller belongs to, known or not."""

Scalar = str | int | float | bool
Trust = Literal["trusted", "reviewed", "untrusted"]
"""How far a text may be relied on: ours, looked at by a person, or anybody's. At any level it is data, not an order."""


class Origin(Record):
    """Where a document comes from, who may read it and how far it is trusted."""

    source: str = Field(min_length=1)
    """The source's name in its corpus."""
    path: str = ""
    """Where in the source: a file, a row, a commit and file, a trace."""
    sha256: str = ""
    """Of what was read there."""
    read_at: str = ""
    """ISO 8601, UTC."""
    fresh_hours: float | None = Field(default=None, gt=0)
    """How long after `read_at` it counts as fresh; None is for ever."""
    licence: str = ""
    trust: Trust = "untrusted"
    readers: tuple[str, ...]
    """Principals, users or groups, that may read it, sorted; `EVERYONE` among them opens it to all, none closes it."""
    metadata: dict[str, Scalar] = Field(default_factory=dict)
    whole: str = ""
    """Id of the document that this is a passage of; empty for a whole document."""
    start: int = Field(default=0, ge=0)
    end: int = Field(default=0, ge=0)
    """Characters [start, end) of the whole document's text that a passage covers."""

    @model_validator(mode="after")
    def _readers_are_sorted(self) -> "Origin":
        if list(self.readers) != sorted(set(self.readers)) or "" in self.readers:
            raise ValueError(f"readers {list(self.readers)}: must be sorted, unique and not empty names")
        return self

    @property
    def read_time(self) -> datetime | None:
        """`read_at` as a time; in UTC where it names no zone; None if there is none that can be read."""
        try:
            found = datetime.fromisoformat(self.read_at)
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def is_stale(self, now: datetime) -> bool:
        """Whether it has outlived its freshness rule at the time `now`, which has a zone.

        Exactly as old as allowed is still fresh. A rule and no time it was read at: its age is unknown, and it counts
        as stale.

        >>> Origin(source="wiki", readers=(), fresh_hours=24).is_stale(datetime.now(UTC))
        True
        """
        if self.fresh_hours is None:
            return False
        read = self.read_time
        return read is None or now - read > timedelta(hours=self.fresh_hours)


class Document(Record):
    """Something an index can return."""

    doc_id: str = Field(min_length=1)
    text: str
    """What is searched and shown."""
    title: str = ""
    tool: ToolSpec | None = None
    """The tool that this document describes, if it describes one."""
    origin: Origin | None = None
    """None is a document that the project made itself, such as a tool of a catalogue: whoever has it may read it."""

    @property
    def whole_id(self) -> str:
        """The id of the document that this is a passage of, or its own."""
        return (self.origin.whole if self.origin else "") or self.doc_id


class Corpus(Record):
    """Documents in a fixed order, with unique ids."""

    name: str
    documents: tuple[Document, ...]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "Corpus":
        seen: set[str] = set()
        for document in self.documents:
            if document.doc_id in seen:
                raise ValueError(f"document {document.doc_id!r}: is in corpus {self.name!r} twice; ids must be unique")
            seen.add(document.doc_id)
        return self


def catalogue(name: str, tools: Sequence[ToolSpec]) -> Corpus:
    """A corpus of tools: equal tools once, ids made of the name and the content's digest, sorted by id.

    Raises: DataError if there is no tool.
    """
    if not tools:
        raise DataError(f"catalogue {name!r}: has no tool; name at least one data set that carries tools")
    unique = {tool_id(tool): tool for tool in tools}
    documents = (
        Document(doc_id=key, text=describe(tool), title=tool.name, tool=tool) for key, tool in sorted(unique.items())
    )
    return Corpus(name=name, documents=tuple(documents))


def tool_id(tool: ToolSpec) -> str:
    """The id of a tool: its name and the first eight digits of its digest."""
    return f"{tool.name}#{tool.digest[:8]}"


def describe(tool: ToolSpec) -> str:
    """The words by which a tool can be found: name, description, then each argument with its description."""
    arguments = (f"{name} {schema.get('description', '')}" for name, schema in tool.properties.items())
    return "\n".join((tool.name, tool.description, *arguments)).strip()


def digest_documents(documents: Sequence[Document]) -> str:
    """The digest of documents in their order, without their corpus's name."""
    return digest_json([document.digest for document in documents])
