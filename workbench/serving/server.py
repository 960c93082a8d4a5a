"""The process that serves a package."""

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from workbench.core import PackageError
from workbench.packaging import load_package
from workbench.serving.app import create_app
from workbench.serving.callers import Callers


@dataclass(frozen=True)
class Access:
    """Who may ask, and what there is to be read, where a server runs."""

    callers: Path | None = None
    """The file of callers; without one nobody is known, and answers rest on what everyone may read."""
    live: Path | None = None
    """The folder of the live index that the package refers to, if it is not where the package says."""


def serve(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    runs_db: Path | None = None,
    announce: Callable[[str], None] | None = None,
    access: Access = Access(),
) -> None:
    """Serve a package until the process is told to stop.

    Runs are kept in `runs_db`, by default beside the package, never inside. Port 0 takes a free one; `announce` is
    told the address once it is bound and the agent is loaded.

    Raises: what `load_package` and `create_app` raise; PackageError if the address is taken, or the file of callers
    can't be read.
    """
    kept = runs_db if runs_db is not None else folder.with_name(f"{folder.name}.runs.sqlite3")
    callers = None if access.callers is None else Callers(access.callers)
    app = create_app(load_package(folder, live=access.live), runs_db=kept, callers=callers)
    bound = _bind(host, port)
    logging.getLogger("workbench.serving").setLevel(logging.INFO)
    if announce is not None:
        announce(f"http://{host}:{bound.getsockname()[1]}")
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=10)
    with bound:
        uvicorn.Server(config).run(sockets=[bound])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A restarted server takes its port at once; two servers still can't share one.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()
    except (OSError, OverflowError) as cause:
        bound.close()
        raise PackageError(f"server {host}:{port}: can't be bound: {cause}; choose another port") from cause
    return bound
