"""A package answers without the lab; the runtime does not import it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from small_package import make_parts, rule

from workbench.core import PackageError
from workbench.lms import LMSpec
from workbench.packaging import export_package, verify_package
from workbench.serving import LAB, answer_without_lab


class Provider(BaseHTTPRequestHandler):
    """A small provider of chat completions; it answers by rule and wants the right key."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = self.headers["Authorization"] == "Bearer canary-0123456789"
        text = rule(body["messages"][0]["content"] if isinstance(body["messages"][0]["content"], str) else
                    body["messages"][0]["content"][0]["text"])  # fmt: skip
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        answer = json.dumps({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})
        self.send_response(200 if right else 401)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_a_package_answers_without_the_lab(provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh process without the lab serves it, asks the model it names, with the key that only it knows."""
    monkeypatch.setenv("CANARY_KEY", "canary-0123456789")
    lm = LMSpec(model="openai/m", base_url=provider, key_env="CANARY_KEY")
    package = export_package(tmp_path / "dist", make_parts(tmp_path, lm=lm, cases=(), recordings=()))
    run = answer_without_lab(package, "what is the weather in Rome", timeout_seconds=120)

    assert run["result"]["call"]["arguments"] == {"city": "Rome"}
    assert (7, 3) == (run["usage"]["prompt_tokens"], run["usage"]["completion_tokens"])
    assert [package.name, f"{package.name}.zip"] == sorted(path.name for path in package.parent.iterdir())


def test_a_server_that_does_not_come_up_says_why(package: Path) -> None:
    """The small package names a model that no provider has: the caller is told."""
    with pytest.raises(PackageError, match=r"its server stopped: .*scripted"):
        answer_without_lab(package, "x", timeout_seconds=120)


PROGRAM = """
import json, sys
from pathlib import Path
from fastapi.testclient import TestClient
from small_package import make_parts, rule
from workbench.lms import scripted_lm
from workbench.packaging import export_package, load_package
from workbench.serving import create_app

folder = Path(sys.argv[1])
package = load_package(export_package(folder / "dist", make_parts(folder)), lm=scripted_lm(rule))
client = TestClient(create_app(package, runs_db=folder / "runs.sqlite3"))
status = client.post("/v1/runs", json={"request": "what is the weather in Rome"}).status_code
print(json.dumps({"digest": package.info.package_digest, "status": status, "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a process with another hash seed says that exported, loaded, served and asked the small package."""
    folder = Path(__file__).parents[1] / "packaging"
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONHASHSEED": "4242"}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path_factory.mktemp("fresh"))]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def test_the_runtime_imports_nothing_of_the_lab(fresh: dict[str, object]) -> None:
    """After a package was loaded, served and asked, no package of the lab is in the process."""
    inside = [name for name in fresh["modules"] if name in LAB or name.startswith(tuple(f"{part}." for part in LAB))]

    assert (201, []) == (fresh["status"], inside)


def test_the_hash_seed_changes_no_byte(fresh: dict[str, object], package: Path) -> None:
    """A process with another hash seed writes the same package."""

    assert verify_package(package).package_digest == fresh["digest"]
