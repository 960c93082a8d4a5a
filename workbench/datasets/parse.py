"""What a parser is given, and what it makes of it: texts, and what became none, with the reason."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, JsonValue

from workbench.core import DataError, Record, Scalar, canonical_json, digest_bytes, nearest

OmissionKind = Literal["unreachable", "unreadable", "refused", "clash", "empty", "repeated", "no parser"]
"""Why something became no document: its whole source can't be read; it can't be parsed; it may not be read; its id is
another's; it has no text; it is the same as another; nothing reads its kind of file."""


def _listed(given: object) -> object:
    return (given,) if isinstance(given, str) else given


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""Names; a single one may be written without a list."""


class Columns(Record):
    """Which fields of a row are what."""

    rows: str = ""
    """The field of a JSON line that holds a list of rows; empty if the line is one."""
    id: str = ""
    """Empty: "id" or "_id" if the row has it, else the row's number."""
    text: Names = Field(default=("text",), min_length=1)
    """Several are joined, a blank line between."""
    title: str = ""
    """Empty: "title" if the row has it."""
    changed: str = ""
    """The time of the row's last change, ISO 8601; without a zone it is UTC. Empty: that of the file."""
    metadata: Names = ()
    readers: str = ""
    """The field that names who may read the row, or of a text the field of its front matter: a list of names, or one
    text with commas between them. Empty: the source's readers may."""

    @property
    def named(self) -> tuple[str, ...]:
        """The fields that every row has to have; of `readers` a row may be silent, and is closed then."""
        return (*self.text, *self.metadata, *filter(None, (self.id, self.title, self.changed)))


class Input(NamedTuple):
    """A file to parse."""

    path: str
    data: bytes
    columns: Columns = Columns()
    most_bytes: int = 64 << 20
    """Of what comes out when it is unpacked."""


class Parsed(NamedTuple):
    """A text that can become a document."""

    text: str
    title: str = ""
    metadata: Mapping[str, Scalar] = MappingProxyType({})
    row: str = ""
    """Which row of the file; empty if the file is one text."""
    sha256: str = ""
    """Of the row as it was read; empty: that of the file."""
    changed: str = ""
    """ISO 8601, UTC; empty: that of the file."""
    readers: tuple[str, ...] = ()
    """Whom it names as its readers, where it was asked to; none if it names nobody."""


class Unparsed(NamedTuple):
    """A row that became no text; the file's others are not lost."""

    row: str
    kind: OmissionKind
    reason: str


Outcome = Parsed | Unparsed
Parser = Callable[[Input], Iterator[Outcome]]
"""Raises DataError if nothing of the file can be read; the message says what is wrong and what to do."""
Row = dict[str, JsonValue]


def decode(data: bytes) -> str:
    """The text of a file; line ends become one line feed.

    Raises: DataError if it is not UTF-8 (with or without its mark) or UTF-16 with its mark.
    """
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        name = "UTF-16, as its mark says," if encoding == "utf-16" else "UTF-8"
        raise DataError(f"line {line}: is not {name} (byte {cause.start}); convert the file, as with iconv") from cause
    if "\0" in text:
        raise DataError("holds zero bytes: it is no text; leave it out with skip, or name its parser under parsers")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def plain_metadata(found: dict[str, JsonValue]) -> dict[str, Scalar]:
    """Fields as metadata: a list of plain values becomes a text with commas; nothing, and what is nested, is left out.

    >>> plain_metadata({"tags": ["vpn", "mac"], "year": 2024, "author": {"name": "x"}, "draft": None})
    {'tags': 'vpn, mac', 'year': 2024}
    """
    flat = {}
    for name, value in found.items():
        if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
            value = ", ".join(map(str, value))  # noqa: PLW2901 - the same value, flat
        if isinstance(value, str | int | float):
            flat[name] = value
    return flat


def instant(value: str | datetime | date | float) -> str:
    """A time as ISO 8601 in UTC, to the second: a text, a date, or seconds since 1970; without a zone it is UTC.

    Raises: ValueError if a text is none.

    >>> instant("2024-05-01 12:00:00+02:00"), instant(0)
    ('2024-05-01T10:00:00+00:00', '1970-01-01T00:00:00+00:00')
    """
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    elif isinstance(value, int | float):
        value = datetime.fromtimestamp(value, UTC)
    zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).isoformat(timespec="seconds")


def parse_row(row: Row, number: int, columns: Columns) -> Outcome:
    """One row as a text, by the columns that were declared."""
    named = _own_id(row, columns)
    name = named or str(number)
    for column in columns.named:
        if column not in row:
            return Unparsed(name, "unreadable", f"row {number}: has no field {column!r}; {nearest(column, row)}")
    texts = [_text(row[column]) for column in columns.text]
    title = columns.title or ("title" if "title" in row else "")
    try:
        changed = instant(_text(row[columns.changed])) if columns.changed else ""
    except ValueError:
        reason = f"row {number}: field {columns.changed!r}: {row[columns.changed]!r} is no time; write ISO 8601"
        return Unparsed(name, "unreadable", reason)
    if columns.id and not named:
        return Unparsed(name, "unreadable", f"row {number}: field {columns.id!r} is empty; every row needs its id")
    return Parsed(
        text="\n\n".join(text for text in texts if text.strip()),
        title=_text(row[title]).strip() if title else "",
        metadata=plain_metadata({column: row[column] for column in columns.metadata}),
        row=name,
        sha256=digest_bytes(canonical_json(row)),
        changed=changed,
        readers=read_readers(row.get(columns.readers)) if columns.readers else (),
    )


def read_readers(value: JsonValue) -> tuple[str, ...]:
    """The names in a field of readers, sorted; none if it is empty, missing, or anything but names: it opens nothing.

    >>> read_readers("sales, board"), read_readers(["Smith, Ann"]), read_readers({"all": True})
    (('board', 'sales'), ('Smith, Ann',), ())
    """
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list):
        return ()
    names = [one.strip() for one in given if isinstance(one, str)]
    return tuple(sorted({*names} - {""})) if len(names) == len(given) else ()


def _own_id(row: Row, columns: Columns) -> str:
    own = columns.id or next((name for name in ("id", "_id") if name in row), "")
    return _text(row.get(own)).strip() if own else ""


def _text(value: JsonValue) -> str:
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical_json(value).decode()
