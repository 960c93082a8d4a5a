"""Rows of a database: one query that can only read, each row as it came."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from workbench.core import DataError, nearest
from workbench.datasets.parse import Outcome, Row, Unparsed, parse_row
from workbench.datasets.source import SqlSource

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

_AT_ONCE = 1000
DIALECTS = ("postgresql", "sqlite")
"""Databases in which a transaction can be kept from writing."""


def read_rows(source: SqlSource, folder: Path) -> Iterator[Outcome]:
    """What the query answers, a text for each row; `folder` is what an SQLite file's path is relative to.

    The order is the database's: whoever makes documents of them sorts by id.

    Raises: DataError if the database can't be reached, refuses the query, or answers with more rows than
    `most_rows`. The password stands in no message.
    """
    with _open(source, folder) as connection:
        streamed = connection.execution_options(stream_results=True, max_row_buffer=_AT_ONCE)
        result = streamed.exec_driver_sql(source.query)
        _check_columns(source, list(result.keys()))
        for number, row in enumerate(result.mappings(), start=1):
            if number > source.most_rows:
                most = source.most_rows
                raise DataError(f"the query answers with more than {most} rows; narrow it, or raise most_rows")
            yield _outcome(source, dict(row), number)


def _check_columns(source: SqlSource, known: list[str]) -> None:
    columns = source.columns
    for column in (*columns.named, *filter(None, (columns.readers,))):
        if column not in known:
            raise DataError(f"the query answers without column {column!r}; {nearest(column, known)}")


def _outcome(source: SqlSource, row: dict[str, object], number: int) -> Outcome:
    try:
        plain: Row = {name: _plain(value) for name, value in row.items()}
    except ValueError as cause:
        return Unparsed(str(number), "unreadable", f"row {number}: {cause}")
    return parse_row(plain, number, source.columns)


def _plain(value: object) -> JsonValue:
    """A value as JSON has it. Raises: ValueError if it can't."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise ValueError("holds bytes; choose text columns, or convert them in the query")
    return str(value)


@contextmanager
def _open(source: SqlSource, folder: Path) -> "Iterator[Connection]":
    """A connection in a transaction that can't write, and is rolled back."""
    import sqlalchemy  # noqa: PLC0415 - only databases need it

    url, password = _address(source)
    engine: Engine | None = None
    try:
        engine = _engine(url, folder)
        with engine.connect() as connection:
            yield connection
            connection.rollback()
    except ImportError as cause:
        raise DataError(f"database: its driver is not installed: {cause}; install it beside workbench") from cause
    except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error) as cause:
        says = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        # Without the cause: a driver's error may carry the whole address.
        raise DataError(f"database: {_without(says, password)}; check where, query and password_from") from None
    finally:
        if engine is not None:
            engine.dispose()


def _address(source: SqlSource) -> tuple["URL", str]:
    import sqlalchemy  # noqa: PLC0415

    try:
        url = sqlalchemy.make_url(source.where)
    except (sqlalchemy.exc.ArgumentError, ValueError) as cause:
        raise DataError("database: where is no address; write one like postgresql://me@host/db") from cause
    backend = url.get_backend_name()
    if backend not in DIALECTS:
        raise DataError(f"database: {backend!r} can't be kept from writing here; {nearest(backend, DIALECTS)}")
    if not source.password_from:
        return url, ""
    password = os.environ.get(source.password_from, "")
    if not password:
        raise DataError(f"database: environment variable {source.password_from!r} is not set; set it to the password")
    return url.set(password=password), password


def _engine(url: "URL", folder: Path) -> "Engine":
    import sqlalchemy  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    if url.get_backend_name() != "sqlite":
        return sqlalchemy.create_engine(url, poolclass=NullPool, execution_options={"postgresql_readonly": True})
    path = Path(os.path.normpath(folder / (url.database or "")))
    if not path.is_file():  # SQLite would make an empty one
        raise DataError(f"database: file {str(path)!r} is missing; correct where: it is relative to the corpus's file")
    address = f"{path.resolve().as_uri()}?mode=ro"
    return sqlalchemy.create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool)


def _without(text: str, password: str) -> str:
    from urllib.parse import quote, quote_plus  # noqa: PLC0415

    for form in {password, quote(password, safe=""), quote_plus(password)} - {""}:
        text = text.replace(form, "[secret]")
    return text
