"""Who is at work on a state in PostgreSQL: a process that those of other machines can tell from a dead one.

An owner's session holds a lock of the database, which the server takes away when the session ends; and it says now and
then that it is there. It is dead once it neither holds its lock nor was heard for `LEASE_SECONDS`: after a server's
restart or a broken line it has the time to come back. A process that is cut off for longer counts as dead, though its
tool may still be at work: behind such a line give effects a key.
"""

import os
import secrets
import threading
from contextlib import suppress

from workbench.tools.errors import ToolError
from workbench.tools.state_session import Server, Session

LEASE_SECONDS = 20.0
_BEAT_SECONDS = 4.0

OWNERS = "CREATE TABLE IF NOT EXISTS owners (name TEXT PRIMARY KEY, seen TIMESTAMPTZ NOT NULL)"
_SEEN = "INSERT INTO owners VALUES (?, clock_timestamp()) ON CONFLICT (name) DO UPDATE SET seen = excluded.seen"
_ALIVE = """
SELECT EXISTS (SELECT 1 FROM owners WHERE name = ? AND seen > clock_timestamp() - make_interval(secs => ?))
  OR EXISTS (SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
    AND l.classid::bigint = ? AND l.objid::bigint = ?)
"""
_LONG_DEAD = "DELETE FROM owners WHERE seen < clock_timestamp() - interval '1 day'"


class SessionOwner:
    """This process in one state; alive until it ends, is closed, or is cut off for too long."""

    def __init__(self, server: Server) -> None:
        """Take a lock under a new name. Raises: ToolError if the server can't be reached."""
        number = secrets.randbits(63)
        self.name = f"{os.getpid()}-{number:016x}"
        self._server = server
        self._number = number
        self._ended = threading.Event()
        with server.reaching():
            self._session = self._locked()
            self._session.ask(_LONG_DEAD)
        self._beats = threading.Thread(target=self._beat, daemon=True, name="tool state")
        self._beats.start()

    def alive(self, name: str) -> bool:
        """See `Owner.alive`. Raises: ToolError if the server can't be reached."""
        try:
            number = int(name.rpartition("-")[2], 16)
        except ValueError:
            return False
        with self._server.session() as session:
            return bool(session.ask(_ALIVE, (name, LEASE_SECONDS, number >> 32, number & 0xFFFFFFFF))[0][0])

    def close(self) -> None:
        """Stop being alive."""
        self._ended.set()
        self._beats.join()
        with suppress(ToolError), self._server.reaching():
            self._session.ask("DELETE FROM owners WHERE name = ?", (self.name,))
        self._session.close()

    def _locked(self) -> Session:
        session = self._server.connect()
        session.ask("SELECT pg_advisory_lock(?)", (self._number,))
        session.ask(_SEEN, (self.name,))
        return session

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            with suppress(ToolError), self._server.reaching():  # a lost session is opened anew, or at the next beat
                try:
                    self._session.ask(_SEEN, (self.name,))
                except BaseException:
                    self._session.close()
                    self._session = self._locked()
                    raise
