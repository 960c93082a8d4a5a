"""The proof that a package needs nothing of the lab: it answers from a process in which the lab can't be imported."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue

import workbench
from workbench.core import PackageError, end_process
from workbench.packaging import verify_package
from workbench.safety import Redactor, environment_secrets

LAB = (
    "mlflow",
    "prefect",
    "ragas",
    "jupyterlab",
    "matplotlib",
    "optuna",
    "scipy",
    "litellm",
    "workbench.evals",
    "workbench.gates",
    "workbench.optimize",
    "workbench.tracking",
    "workbench.lab",
    "workbench.pipelines",
    "workbench.cli",
)
"""What the serving process must not be able to import."""

_PROGRAM = """
import json, sys
folder, root, address, runs, blocked = sys.argv[1:]
blocked = json.loads(blocked)

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if any(name == part or name.startswith(part + ".") for part in blocked):
            raise ModuleNotFoundError("the lab is not here: " + name, name=name)

sys.meta_path.insert(0, Blocker())
sys.path.insert(0, root)
import os
from pathlib import Path
from workbench.serving import serve

def announce(url):
    Path(address + ".new").write_text(url)
    os.replace(address + ".new", address)

serve(Path(folder), port=0, runs_db=Path(runs), announce=announce)
"""
_POLL_SECONDS = 0.05
_STOP_SECONDS = 15.0


def answer_without_lab(folder: Path, request: str, *, timeout_seconds: float) -> dict[str, JsonValue]:
    """Serve a package from a fresh process without the lab, ask it one request over HTTP, and stop it; the run.

    The process has this one's environment, so that it finds its secrets. It is gone when this returns or raises.

    Raises: PackageError if the server does not come up, is not of this package, or does not answer in time.
    """
    ends = time.monotonic() + timeout_seconds
    expected = verify_package(folder).package_digest
    with tempfile.TemporaryDirectory() as temporary, _server(folder, Path(temporary)) as process:
        url = _address(process, Path(temporary), folder.name, ends)
        _ask(f"{url}/readyz", None, ends)
        run = _ask(f"{url}/v1/runs", {"request": request}, ends)
    if run.get("status") != "succeeded" or run.get("package") != expected:
        raise PackageError(f"package {folder.name!r}: answered with {run}; expected a run of package {expected[:12]}")
    return run


@contextmanager
def _server(folder: Path, temporary: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that serves the package, ended when the block ends."""
    root = Path(workbench.__file__).parents[1]
    names = (str(folder.resolve()), str(root), str(temporary / "address"), str(temporary / "runs.sqlite3"))
    command = [sys.executable, "-c", _PROGRAM, *names, json.dumps(LAB)]
    with (temporary / "errors").open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own program, our own arguments
            command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, cwd=temporary, env=dict(os.environ)
        )
        try:
            yield process
        finally:
            end_process(process, seconds=_STOP_SECONDS)


def _address(process: "subprocess.Popen[bytes]", temporary: Path, name: str, ends: float) -> str:
    """Where the server listens, once it says so."""
    file = temporary / "address"
    while not file.exists():
        if process.poll() is not None:
            raise PackageError(f"package {name!r}: its server stopped: {_last_line(temporary / 'errors')}")
        if time.monotonic() > ends:
            raise PackageError(f"package {name!r}: its server did not start in time; allow more seconds")
        time.sleep(_POLL_SECONDS)
    return file.read_text()


def _ask(url: str, body: dict[str, JsonValue] | None, ends: float) -> dict[str, JsonValue]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})  # noqa: S310 - loopback
    # No proxy: the address is this machine's.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=max(0.1, ends - time.monotonic())) as response:
            answer: JsonValue = json.loads(response.read())
    except urllib.error.HTTPError as cause:
        raise PackageError(
            f"server {url!r}: answered {cause.code}: {cause.read(2000).decode(errors='replace')}"
        ) from cause
    except (OSError, ValueError) as cause:
        raise PackageError(f"server {url!r}: gave no answer: {cause}; allow more seconds") from cause
    return answer if isinstance(answer, dict) else {"answer": answer}


def _last_line(file: Path) -> str:
    lines = file.read_text(errors="replace").strip().splitlines()
    return Redactor(secrets=environment_secrets()).text(lines[-1]) if lines else "it said nothing"
