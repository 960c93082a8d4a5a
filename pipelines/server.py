"""The Prefect server beside a workspace: it keeps a record of the flows, and ends with the process that started it."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STOP_SECONDS = 5.0


@contextmanager
def local_server(folder: Path) -> Iterator[str]:
    """Run a server over the database `folder`/prefect.db while the block runs; its address.

    It may be asked at once: what is asked before it is up waits. Where PREFECT_API_URL names a server, that one is
    used and none is started. Two at once over one folder are two servers over one database.
    """
    from workbench.core import end_process  # noqa: PLC0415 - the server's own process starts without it

    if configured := os.environ.get("PREFECT_API_URL"):
        yield configured
        return
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as bound:
        address = f"http://127.0.0.1:{bound.getsockname()[1]}/api"
        process = _start(folder.resolve(), bound)
    try:
        yield address
    finally:
        end_process(process, seconds=_STOP_SECONDS)
        assert process.stdin is not None
        process.stdin.close()


def _start(folder: Path, bound: socket.socket) -> "subprocess.Popen[bytes]":
    # The two switches are those prefect sets for the server that it would start itself.
    switches = {
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_UI_ENABLED": "false",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_HOME": str(folder),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect.db'}",
    }
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "pipelines.server", str(bound.fileno())],
            env={**os.environ, **switches},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(bound.fileno(),),
            start_new_session=True,  # Ctrl-C is for the flow, which still has its end to record
        )


def _main(descriptor: int) -> None:
    """The server's process: it ends when whoever holds the other end of its standard input is gone."""
    import uvicorn  # noqa: PLC0415 - only the server's process needs it

    # jsonschema compiles a grammar of web addresses when it finds this one: a third of the server's start.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        fd=descriptor,
        log_level="error",
        lifespan="on",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.run()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
