"""YAML with the line of every field, so that an error can name the place to look at."""

import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import yaml
from pydantic import JsonValue, ValidationError

from workbench.core import Record, WorkbenchError, canonical_json, nearest

R = TypeVar("R", bound=Record)
Field = tuple[str, ...]
"""A field's path from the top of a file: keys, and places in lists as numbers."""


class Located(NamedTuple):
    """What a file holds, and where."""

    data: JsonValue
    lines: Mapping[Field, int]

    def line(self, field: Field) -> int:
        """The line of a field, or of the nearest one around it."""
        while field and field not in self.lines:
            field = field[:-1]
        return self.lines.get(field, 1)


class Misfit(NamedTuple):
    """The first thing that keeps data from being a record."""

    field: Field
    text: str


class _Loader(yaml.SafeLoader):
    """YAML as JSON data: a date stays the text it was written as."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.yaml_implicit_resolvers = {
            first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
            for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }


def read_located(path: Path, *, noun: str, error: type[WorkbenchError]) -> Located:
    """Read a YAML file as JSON data; `noun` says what it holds.

    Raises: `error` with file and line if it is missing, is not YAML, gives a field twice, or holds what JSON can't.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loader = _Loader(text)
        node = loader.get_single_node()
        data: JsonValue = None if node is None else loader.construct_document(node)
    except FileNotFoundError as cause:
        raise error(f"{noun} {str(path)!r}: is missing{_neighbour(path)}") from cause
    except (OSError, UnicodeDecodeError) as cause:
        raise error(f"{noun} {str(path)!r}: can't be read: {cause}") from cause
    except yaml.YAMLError as cause:
        mark = getattr(cause, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise error(f"{noun} ({path}:{line}): is not YAML: {getattr(cause, 'problem', cause)}") from cause
    refuse_what_json_lacks(data, f"{noun} ({path})", error)
    lines: dict[Field, int] = {}
    for field, line in _lines(node, ()):
        if field in lines:  # YAML would silently take the second
            raise error(f"{noun} ({path}:{line}): {'.'.join(field)}: is given twice; remove one")
        lines[field] = line
    return Located(data, lines)


def fit(
    located: Located, kind: type[R], *, noun: str, path: Path, error: type[WorkbenchError], whole: str = "file"
) -> R:
    """The record that located data is; `noun` and `whole` are how the error speaks of it.

    Raises: `error` with file, line and field for the first thing that keeps it from being one.
    """
    try:
        return kind.model_validate(located.data)
    except ValidationError as cause:
        wrong = explain(cause, kind)
        where = f"{path}:{located.line(wrong.field)}"
        raise error(f"{noun} ({where}): {'.'.join(wrong.field) or f'the {whole}'}: {wrong.text}") from cause


def refuse_what_json_lacks(data: JsonValue, where: str, error: type[WorkbenchError]) -> None:
    """Do nothing if the data can be written as JSON, and so has a digest.

    Raises: `error` if it can't: NaN, infinity, bytes, half a character, a list inside itself.
    """
    try:
        canonical_json(data)
    except (ValueError, TypeError) as cause:
        raise error(f"{where}: holds what JSON can't: {cause}") from cause


def explain(problem: ValidationError, kind: type[Record]) -> Misfit:
    """The first thing that keeps data from being a record of `kind`; a misspelt field gets the nearest known one."""
    first = problem.errors(include_url=False)[0]
    field, around = _walk(kind, tuple(map(str, first["loc"])))
    text = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        text = f"is no field here; {nearest(field[-1], around.model_fields)}"
    elif first["type"] == "missing":
        text = "is missing"
    return Misfit(field, text)


def _neighbour(path: Path) -> str:
    known = [other.stem for other in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    return f"; {nearest(path.stem, known)}" if known else ""


def _lines(node: yaml.Node | None, path: Field) -> Iterator[tuple[Field, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*path, str(number)), item.start_mark.line + 1
            yield from _lines(item, (*path, str(number)))


def _walk(kind: type[Record], place: Field) -> tuple[Field, type[Record]]:
    """A place as a person sees it, and the record around it: pydantic also names which of several kinds it tried."""
    field: list[str] = []
    around, choices = kind, [kind]
    for part in place:
        tagged = [record for record in choices if part == _tag(record)] if len(choices) > 1 else []
        if not tagged:
            field.append(part)
        around = next(iter(tagged or choices), around)
        inner = [found for record in choices if part in record.model_fields for found in _inside(record, part)]
        choices = tagged or inner or (choices if part.isdigit() else [])
    return tuple(field), around


def _tag(record: type[Record]) -> str | None:
    """What tells this kind of record from others: the one value of its field "kind"."""
    values = typing.get_args(record.model_fields["kind"].annotation) if "kind" in record.model_fields else ()
    return str(values[0]) if values else None


def _inside(record: type[Record], field: str) -> list[type[Record]]:
    return list(_records(record.model_fields[field].annotation))


def _records(annotation: object) -> Iterator[type[Record]]:
    """The records inside a type, whatever is around them."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _records(inner)
