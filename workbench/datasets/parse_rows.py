"""Rows in files: JSON Lines, and tables with commas or tabs."""

import io
from collections.abc import Iterator

import orjson
import polars as pl
from pydantic import JsonValue

from workbench.core import DataError, nearest
from workbench.datasets.parse import Columns, Input, Outcome, Row, Unparsed, decode, parse_row


def parse_jsonl(given: Input) -> Iterator[Outcome]:
    """A document for each line, or for each row of the list that a line holds; a line that is no JSON loses no other.

    NaN, infinity and half a character are no JSON: nothing that holds them has a digest.
    """
    number = 0
    for line_number, line in enumerate(given.data.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            rows = _rows(orjson.loads(line), given.columns)
        except (orjson.JSONDecodeError, DataError) as cause:
            says = f"is not JSON: {cause}" if isinstance(cause, orjson.JSONDecodeError) else str(cause)
            yield Unparsed(f"line {line_number}", "unreadable", f"line {line_number}: {says}; correct the line")
            continue
        for row in rows:
            number += 1
            yield parse_row(row, number, given.columns)


def parse_csv(given: Input) -> Iterator[Outcome]:
    """A document for each row under the first one, which names the columns.

    Every value is read as text, so that an id keeps its zeros; a metadata column in which all values are numbers
    becomes numbers.

    Raises: DataError if the table can't be read, or lacks a declared column.
    """
    text = decode(given.data)
    separator = "\t" if given.path.lower().endswith(".tsv") else ","
    try:
        frame = pl.read_csv(io.BytesIO(text.encode()), separator=separator, infer_schema=False)
    except (pl.exceptions.PolarsError, pl.exceptions.NoDataError) as cause:
        says = str(cause).splitlines()[0].rstrip(".")
        raise DataError(f"is no table with {separator!r} between columns: {says}; export it again") from cause
    columns = given.columns
    for column in (*columns.named, *filter(None, (columns.readers,))):
        if column not in frame.columns:
            raise DataError(f"has no column {column!r}; {nearest(column, frame.columns)}")
    frame = frame.with_columns(_typed(frame[column]) for column in columns.metadata)
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        yield parse_row(row, number, columns)


def _rows(value: JsonValue, columns: Columns) -> list[Row]:
    if not isinstance(value, dict):
        raise DataError("is no object with fields")
    if not columns.rows:
        return [value]
    inner = value.get(columns.rows)
    if not isinstance(inner, list):
        raise DataError(f"has no list {columns.rows!r}; {nearest(columns.rows, value)}")
    if not all(isinstance(row, dict) for row in inner):
        raise DataError(f"holds in {columns.rows!r} what is no object with fields")
    return [row for row in inner if isinstance(row, dict)]


def _typed(column: pl.Series) -> pl.Series:
    """Numbers if every value is written as a number is; "007" is none."""
    given = column.drop_nulls()
    if given.is_empty() or not given.str.contains(r"^-?(0|[1-9]\d{0,17})(\.\d+)?$").all():
        return column
    return column.cast(pl.Float64 if given.str.contains(".", literal=True).any() else pl.Int64)
