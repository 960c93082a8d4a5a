"""Sessions with the PostgreSQL that keeps a state: none waits for ever, and no error of theirs holds a password.

The only importer of psycopg in this room.
"""

import os
import select
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from workbench.tools.errors import ToolError
from workbench.tools.state_engine import Row, Value

T = TypeVar("T")
SCHEMA = "workbench_tools"
"""Where the tables stand."""
_IDLE = 8
"""Sessions that are kept open for the next change."""
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 3.0
"""How much longer than for a lock is waited for the end of a statement, and as long again for a server that is mute."""
_SETTINGS = (
    "SELECT set_config('search_path', %s, false), set_config('lock_timeout', %s, false), "
    "set_config('statement_timeout', %s, false), set_config('idle_in_transaction_session_timeout', %s, false), "
    "set_config('default_transaction_isolation', 'read committed', false), "
    "set_config('synchronous_commit', 'on', false)"
)


class Session(psycopg.Connection[Row]):
    """A connection that ends its waiting."""

    answer_seconds = _ANSWER_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg's, but never without end."""
        return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)

    def ask(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """One statement, with `?` for its values; the rows that it returns."""
        done = self.execute(_spelled(sql), values)
        return done.fetchall() if done.description is not None else []


class Server:
    """A database, and the sessions of this process with it. Safe under threads."""

    def __init__(self, url: str, *, busy_seconds: float) -> None:
        """Nothing is asked yet. Raises: ToolError if the text is no URL of PostgreSQL."""
        parts = _parts(url)
        self.where = f"PostgreSQL {parts.get('dbname', 'database')} at {parts.get('host') or 'its default host'}"
        """For people: without a secret."""
        self._url = url
        self._secrets = [one for one in (parts.get("password"), parts.get("sslpassword")) if one]
        self._busy_seconds = busy_seconds
        self._process = os.getpid()
        self._idle: list[Session] = []
        self._lock = threading.Lock()

    def connect(self) -> Session:
        """A new session. Raises: what the driver does; see `reaching`."""
        busy = self._busy_seconds
        session = Session.connect(self._url, autocommit=True, row_factory=tuple_row, connect_timeout=_CONNECT_SECONDS)
        session.answer_seconds = busy + 2 * _ANSWER_SECONDS
        whole = f"{round((busy + _ANSWER_SECONDS) * 1000)}"
        try:
            session.execute(_SETTINGS, [f"{SCHEMA}, pg_temp", f"{max(round(busy * 1000), 1)}", whole, whole])
        except BaseException:
            session.close()
            raise
        return session

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session; after an error it is not used again. Raises: ToolError whatever the driver raises."""
        with self.reaching():
            if self._process != os.getpid():
                raise ToolError("tool state: was opened by another process; open it in this one")
            session = self._kept() or self.connect()
            kept = False
            try:
                yield session
                kept = not session.closed
            finally:
                with self._lock:
                    kept = kept and len(self._idle) < _IDLE
                    if kept:
                        self._idle.append(session)
                if not kept:
                    session.close()

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Turn what the driver raises inside into an error that holds no secret."""
        try:
            yield
        except (psycopg.Error, OSError, ValueError, TypeError) as cause:
            told = " ".join(f"{type(cause).__name__.lstrip('_')}: {cause}".split())
            for secret in self._secrets:
                for spelled in (secret, quote(secret, safe=""), quote(secret)):
                    told = told.replace(spelled, "***")
            # The driver's own error, which may hold the URL, is not shown beneath.
            raise ToolError(f"tool state ({self.where}): {told}; see that it runs and lets you in") from None

    def close(self) -> None:
        """End the sessions that are not in use."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _kept(self) -> Session | None:
        """An idle session that the server has not ended meanwhile."""
        while True:
            with self._lock:
                session = self._idle.pop() if self._idle else None
            if session is None or not _spoken(session):
                return session
            session.close()


def _parts(url: str) -> dict[str, str]:
    """What a URL says. Raises: ToolError, which tells nothing of it, if it is none or a password spills out of it."""
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error:
        parts = {"host": "@"}
    spilt = "@" in parts.get("host", "") + parts.get("dbname", "")
    if spilt or not parts.get("port", "0").replace(",", "").isdecimal():
        raise ToolError('tool state: its URL is none of PostgreSQL; write %40 for "@" and %2F for "/" in a password')
    return parts


@lru_cache(maxsize=256)
def _spelled(sql: str) -> bytes:
    """A statement with the driver's marks for values."""
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _spoken(session: Session) -> bool:
    """Whether something came from the server though nothing was asked: its farewell."""
    with suppress(psycopg.Error, OSError, ValueError):
        waiting = select.poll()
        waiting.register(session.fileno(), select.POLLIN)
        return bool(waiting.poll(0))
    return True
