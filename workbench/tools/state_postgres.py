"""A state in PostgreSQL, which processes of many machines share.

Isolation is READ COMMITTED, with the rows held that a change read, unique keys for what must be there once, and one
transaction at a time; a change waits so long for those of others, a little longer for an answer, and fails. A commit is
on the server's disk before it is told. Sessions have to be of one client each: no pooler that shares them may stand
between.

A row that was overwritten or removed is gone from every answer; PostgreSQL's own copies of it, in its log of writes and
in backups, last as long as its administrator keeps them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workbench.tools.state_engine import NEW_SWITCH, Row, Value, tables
from workbench.tools.state_owner import OWNERS, SessionOwner
from workbench.tools.state_session import SCHEMA, Server, Session

_ALONE = int.from_bytes(b"wb_tools")
"""The advisory lock of a transaction."""
_PURGE_SECONDS = 3600.0


class Postgres:
    """See `Engine`."""

    def __init__(self, url: str, *, seal: Path | None, busy_seconds: float) -> None:
        """Reach the server, making the tables where there are none.

        Raises: ToolError if it can't be reached, or does not let its user in.
        """
        self._server = Server(url, busy_seconds=busy_seconds)
        self.where = self._server.where
        self.seal = seal
        with self._server.session() as session, session.transaction():
            session.ask("SELECT pg_advisory_xact_lock(?)", (_ALONE,))
            if session.ask("SELECT to_regclass(?) IS NULL", (f"{SCHEMA}.switch",))[0][0]:
                _make(session)
        self.owner = SessionOwner(self._server)

    def change(self, sql: str, values: Sequence[Value], *, lasting: bool) -> list[Row]:
        """See `Engine.change`; each lasts."""
        with self._server.session() as session:
            return session.ask(sql, values)

    @contextmanager
    def transaction(self, *, lasting: bool) -> Iterator["PostgresStatements"]:
        """See `Engine.transaction`; each lasts."""
        with self._server.session() as session, session.transaction():
            session.ask("SELECT pg_advisory_xact_lock(?)", (_ALONE,))
            yield PostgresStatements(session)

    def purge(self) -> None:
        """See `Engine.purge`: what the tables still hold of rows as they were."""
        with self._server.session() as session:
            session.ask("SELECT set_config('statement_timeout', '0', false)")
            session.answer_seconds = _PURGE_SECONDS
            session.ask("VACUUM actions, approvals")
            session.close()  # it would wait as long for anything else

    def close(self) -> None:
        """See `Engine.close`."""
        self.owner.close()
        self._server.close()


class PostgresStatements:
    """See `Statements`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def execute(self, sql: str, values: Sequence[Value]) -> list[Row]:
        """See `Statements.execute`."""
        return self._session.ask(sql, values)


def _make(session: Session) -> None:
    session.ask(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    session.ask(tables(text='TEXT COLLATE "C"'))
    session.ask(OWNERS)
    session.ask(NEW_SWITCH)
