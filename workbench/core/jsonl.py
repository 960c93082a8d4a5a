"""JSON and JSON Lines on disk: written whole or not at all, read with file and line in every error."""

import json
import os
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from workbench.core.errors import DataError
from workbench.core.record import Record

R = TypeVar("R", bound=Record)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never half.

    Raises: DataError if the disk refuses; the old file is then untouched and nothing is left behind.
    """
    # Opened by name, not by tempfile: the file then has the rights that this user's files have.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as cause:
        raise DataError(
            f"file {str(path)!r}: can't be written: {cause.strerror}; free space or choose another folder"
        ) from cause
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_record(path: Path, record: Record) -> None:
    """Write one record as indented JSON, atomically, keys in their own order: a tool's arguments keep theirs.

    Raises: DataError if the disk refuses, or a value is none that JSON can carry (NaN, half a character).
    """
    write_bytes(path, _line(record, indent=1))


def read_record(path: Path, kind: type[R]) -> R:
    """Read one record.

    Raises: DataError if the file is missing, is not JSON or does not fit `kind`.
    """
    try:
        return kind.model_validate_json(_content(path))
    except ValidationError as cause:
        raise DataError(f"{kind.__name__} ({path}): {_first(cause)}") from cause


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON Lines, atomically, one per line in the order given, keys in their own order.

    Raises: DataError if the disk refuses, or a value is none that JSON can carry (NaN, half a character).
    """
    write_bytes(path, b"".join(_line(record) for record in records))


def read_records(path: Path, kind: type[R]) -> Sequence[R]:
    """Read JSON Lines; blank lines are skipped.

    Raises: DataError with file and line for the first line that does not fit `kind`.
    """
    records = []
    for number, line in enumerate(_content(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            records.append(kind.model_validate_json(line))
        except ValidationError as cause:
            raise DataError(f"{kind.__name__} ({path}:{number}): {_first(cause)}") from cause
    return tuple(records)


def _line(record: Record, indent: int | None = None) -> bytes:
    try:
        text = json.dumps(record.model_dump(mode="json"), indent=indent, ensure_ascii=False, allow_nan=False)
        return f"{text}\n".encode()
    except ValueError as cause:
        raise DataError(f"{type(record).__name__}: can't be written as JSON: {cause}") from cause


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as cause:
        raise DataError(f"file {str(path)!r}: is missing") from cause
    except OSError as cause:
        raise DataError(f"file {str(path)!r}: can't be read: {cause.strerror}") from cause


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
