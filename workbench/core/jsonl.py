"""JSON and JSON Lines on disk: written whole or not at all, read with file and line in every error."""

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
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
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as cause:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise DataError(
            f"file {str(path)!r}: can't be written: {cause.strerror}; free space or choose another folder"
        ) from cause


def write_record(path: Path, record: Record) -> None:
    """Write one record as indented JSON, atomically."""
    text = json.dumps(record.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, text.encode() + b"\n")


def read_record(path: Path, kind: type[R]) -> R:
    """Read one record.

    Raises: DataError if the file is missing, is not JSON or does not fit `kind`.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError as cause:
        raise DataError(f"file {str(path)!r}: is missing") from cause
    except ValidationError as cause:
        raise DataError(f"{kind.__name__} ({path}): {_first(cause)}") from cause


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON Lines, atomically, one per line in the order given."""
    lines = (
        json.dumps(r.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, allow_nan=False) for r in records
    )
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def read_records(path: Path, kind: type[R]) -> Sequence[R]:
    """Read JSON Lines; blank lines are skipped.

    Raises: DataError with file and line for the first line that does not fit `kind`.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError as cause:
        raise DataError(f"file {str(path)!r}: is missing") from cause
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append(kind.model_validate_json(line))
        except ValidationError as cause:
            raise DataError(f"{kind.__name__} ({path}:{number}): {_first(cause)}") from cause
    return tuple(records)


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
