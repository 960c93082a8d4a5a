"""The server beside a workspace answers when it is up, and does not outlive who started it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from pipelines.server import local_server

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from pipelines.server import local_server
with local_server(Path(sys.argv[1])) as address:
    print(address, flush=True)
    time.sleep(300)
"""


def ask(address: str) -> object:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{address}/health", timeout=120) as response:
        return json.loads(response.read())


def test_the_server_ends_when_its_parent_is_killed(tmp_path):
    """kill -9 of the process that runs an experiment leaves no server behind."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=no_server())
    address = parent.stdout.readline().strip()
    assert ask(address) is True
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    ends = time.monotonic() + 60
    while time.monotonic() < ends and is_up(address):
        time.sleep(0.2)
    assert not is_up(address)


def test_a_named_server_is_used(monkeypatch, tmp_path):
    """Where a person runs a server, none is started."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    with local_server(tmp_path / "prefect") as address:
        assert "http://127.0.0.1:4200/api" == address
    assert not (tmp_path / "prefect").exists()


def is_up(address: str) -> bool:
    try:
        return bool(ask(address))
    except OSError:
        return False


def no_server() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}


def test_an_interrupted_run_ends_soon_and_goes_on(tmp_path):
    """Ctrl-C ends within seconds with 130 and says how to go on; the next run pays for nothing twice."""
    command = [sys.executable, str(Path(__file__).with_name("interrupted_run.py")), str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT, "env": no_server()}
    process = subprocess.Popen([*command, "0.5"], **pipes)
    assert "asked\n" == process.stdout.readline()
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=120)

    assert 130 == process.returncode, errors
    assert time.monotonic() - began < 15
    assert "stopped; what is done is kept" in errors
    assert "Traceback" not in errors
    before = int(said.split("paid ")[1].split()[0])
    again = subprocess.run([*command, "0"], **pipes, check=False)
    _, after, _, different = again.stdout.split("\n")[-2].split()
    assert 1 == again.returncode, again.stderr
    assert 0 < before < int(after)
    assert after == different


def test_a_stage_that_fails_ends_with_one_line(tmp_path):
    """A data set that can't be had stops the run with 2, and Prefect adds no trace of its own."""
    (tmp_path / "mirror").mkdir()
    words = ["run", "experiments/tool_calling.yaml", "--workspace", str(tmp_path / "runs")]
    command = [sys.executable, "-m", "workbench", *words, "--mirror", str(tmp_path / "mirror")]
    env = {**no_server(), "WORKBENCH_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert (2, "") == (done.returncode, done.stdout)
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: data set 'bfcl_v4': mirror ")
    assert [] == list((tmp_path / "cache").iterdir())
