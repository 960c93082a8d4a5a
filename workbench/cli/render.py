"""Records to standard output: text for a person, JSON for a program."""

import json
import sys
from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from workbench.core import Record


def show(text: str, data: object, *, as_json: bool) -> None:
    """Print the data, made of records and JSON values, as JSON; or else the text."""
    if as_json:
        text = json.dumps(data, default=_fields, indent=1, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under their heads, columns aligned.

    >>> print(table(("name", "n"), [("a", "10"), ("long", "2")]))
    name  n
    ----  --
    a     10
    long  2
    """
    lines = [tuple(heads), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _fields(record: object) -> JsonValue:
    assert isinstance(record, Record)
    fields: JsonValue = record.model_dump(mode="json")
    return fields
