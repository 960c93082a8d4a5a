"""The server of a package."""

import json
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import jsonschema_rs
import pytest
from fastapi.testclient import TestClient
from small_package import make_parts, make_verdict, rule

from workbench.core import GateNotPassed
from workbench.lms import LMSpec, scripted_lm
from workbench.packaging import Limits, Override, export_package, load_package
from workbench.serving import create_app

WEATHER = {"request": "what is the weather in Rome"}
HEX = re.compile(r"[0-9a-f]{32}")


def open_client(package: Path, folder: Path, answer: Callable[[str], str] = rule, **changes: object) -> TestClient:
    loaded = replace(load_package(package, lm=scripted_lm(answer)), **changes)
    return TestClient(create_app(loaded, runs_db=folder / "runs.sqlite3"), raise_server_exceptions=False)


def broken(_prompt: str) -> str:
    raise RuntimeError("db password=hunter2 at /srv/secret/path")


def test_a_run_is_answered_with_its_grounding(client: TestClient, package: Path) -> None:
    """The call, what it rests on, who answered, and what it cost; the answer fits the schema that ships."""
    response = client.post("/v1/runs", json=WEATHER)
    run = response.json()

    assert response.status_code == 201
    assert response.headers["location"] == f"/v1/runs/{run['run_id']}"
    assert run["status"] == "succeeded"
    assert run["result"]["call"]["arguments"] == {"city": "Rome"}
    assert run["result"]["grounding"] == [run["result"]["call"]["tool_id"]]
    assert run["package"] == client.get("/v1/package").json()["package_digest"]
    assert HEX.fullmatch(run["trace_id"])
    assert run["usage"]["calls"] == 1
    assert run["usage"]["completion_tokens"] > 0
    jsonschema_rs.validate(json.loads((package / "contract/output.schema.json").read_bytes()), run)


def test_an_abstention_is_an_answer(client: TestClient) -> None:
    """A request that no tool serves succeeds, without a call and without a model."""
    run = client.post("/v1/runs", json={"request": "zyzzyva quux"}).json()

    assert run["result"] == {
        "outcome": "abstention", "call": None, "answer": None, "abstained": True, "ranked": [], "grounding": [],
        "passages": [], "stale": [],
    }  # fmt: skip
    assert run["usage"]["calls"] == 0


def test_a_run_survives_a_restart(package: Path, tmp_path: Path) -> None:
    """Another server on the same store shows the same run."""
    with open_client(package, tmp_path) as first:
        run = first.post("/v1/runs", json=WEATHER).json()
    with open_client(package, tmp_path) as second:
        assert run == second.get(f"/v1/runs/{run['run_id']}").json()


def test_the_same_key_gives_the_same_run(package: Path, tmp_path: Path) -> None:
    """A repeated request is not answered twice, also after a restart; the key with another body is refused."""
    key = {"Idempotency-Key": "k-1"}
    with open_client(package, tmp_path) as first:
        made = first.post("/v1/runs", json=WEATHER, headers=key)
        again = first.post("/v1/runs", content=b' {"request" : "what is the weather in Rome"} ', headers={
            **key, "Content-Type": "application/json; charset=utf-8",
        })  # fmt: skip
        other = first.post("/v1/runs", json={"request": "play the song"}, headers=key)
    with open_client(package, tmp_path) as second:
        later = second.post("/v1/runs", json=WEATHER, headers=key)

    assert [made.status_code, again.status_code, other.status_code, later.status_code] == [201, 200, 422, 200]
    assert made.json() == again.json() == later.json()
    assert other.json()["code"] == "idempotency_conflict"


def test_a_failed_run_frees_its_key(package: Path, tmp_path: Path) -> None:
    """What went wrong once may be tried again; the failed run can still be read."""
    key = {"Idempotency-Key": "k-1"}
    with open_client(package, tmp_path, broken) as first:
        failed = first.post("/v1/runs", json=WEATHER, headers=key)
        kept = first.get(f"/v1/runs/{failed.json()['run_id']}").json()
    with open_client(package, tmp_path) as second:
        retried = second.post("/v1/runs", json=WEATHER, headers=key)

    assert ("failed", failed.json()["code"]) == (kept["status"], kept["problem"])
    assert retried.status_code == 201


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a b"])
def test_a_key_is_plain(client: TestClient, key: str) -> None:
    """An idempotency key is 1 to 200 visible characters."""
    response = client.post("/v1/runs", json=WEATHER, headers={"Idempotency-Key": key})

    assert (response.status_code, response.json()["code"]) == (400, "invalid_idempotency_key")


def test_an_inner_error_shows_nothing_of_itself(package: Path, tmp_path: Path) -> None:
    """The text, the path and the secret of an exception stay inside."""
    with open_client(package, tmp_path, broken) as client:
        response = client.post("/v1/runs", json=WEATHER)
        kept = client.get(f"/v1/runs/{response.json()['run_id']}")

    assert response.status_code in {500, 502}
    assert response.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "code", "trace_id", "run_id"} == response.json().keys()
    for text in (response.text, kept.text):
        assert not re.search("hunter2|/srv|RuntimeError|Traceback", text)


def test_a_broken_store_is_a_problem_too(package: Path, tmp_path: Path) -> None:
    """Even what nobody foresaw is answered with a problem without a word of it."""
    with open_client(package, tmp_path) as client:
        sqlite3.connect(tmp_path / "runs.sqlite3").execute("DROP TABLE runs")
        response = client.post("/v1/runs", json=WEATHER)

    assert (500, "internal") == (response.status_code, response.json()["code"])
    assert "no such table" not in response.text


def test_unknown_addresses_and_methods_are_problems(client: TestClient) -> None:
    """Nothing is answered in another form than the contract's."""
    found = [
        client.get("/nothing"),
        client.get("/v1/runs/unknown"),
        client.delete("/v1/runs"),
        client.post("/v1/runs", content=b"request=a", headers={"Content-Type": "text/plain"}),
        client.post("/v1/runs", content=b"{}"),
        client.post("/v1/runs", json={"request": "x" * 70_000}),
    ]
    codes = ["not_found", "not_found", "method_not_allowed", *["unsupported_media_type"] * 2, "body_too_large"]

    assert [404, 404, 405, 415, 415, 413] == [response.status_code for response in found]
    assert codes == [response.json()["code"] for response in found]
    assert found[2].headers["allow"] == "POST"


def test_a_callers_trace_goes_on(client: TestClient) -> None:
    """A valid traceparent is kept, anything else is replaced."""
    given = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{given}-00f067aa0ba902b7-01"}

    assert given == client.post("/v1/runs", json=WEATHER, headers=headers).json()["trace_id"]
    assert given == client.get("/nothing", headers=headers).json()["trace_id"]
    for bad in ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", "<script>"):
        assert HEX.fullmatch(client.get("/nothing", headers={"traceparent": bad}).json()["trace_id"])


def test_the_loop_is_never_blocked(package: Path, tmp_path: Path) -> None:
    """While a run waits for its model, the server says that it lives, at once."""
    began, release = threading.Event(), threading.Event()

    def slow(prompt: str) -> str:
        began.set()
        release.wait(20)
        return rule(prompt)

    with open_client(package, tmp_path, slow) as client, ThreadPoolExecutor(1) as threads:
        running = threads.submit(client.post, "/v1/runs", json=WEATHER)
        assert began.wait(20)
        started = time.perf_counter()
        live = client.get("/livez")
        seconds = time.perf_counter() - started
        shown = client.get("/metrics").text
        release.set()

        assert (live.status_code, running.result().status_code) == (200, 201)
        assert seconds < 2
        assert "workbench_runs_open 1\n" in shown


def test_too_many_runs_are_refused(package: Path, tmp_path: Path) -> None:
    """Beyond its limits a server says that it is busy; the same key while a run is open is told to wait."""
    began, release = threading.Event(), threading.Event()

    def slow(prompt: str) -> str:
        began.set()
        release.wait(20)
        return rule(prompt)

    key = {"Idempotency-Key": "k-1"}
    limits = Limits(most_runs_at_once=1, most_runs_waiting=1)
    with open_client(package, tmp_path, slow, limits=limits) as client, ThreadPoolExecutor(2) as threads:
        first = threads.submit(client.post, "/v1/runs", json=WEATHER, headers=key)
        assert began.wait(20)
        same = client.post("/v1/runs", json=WEATHER, headers=key)
        second = threads.submit(client.post, "/v1/runs", json={"request": "play the song"})
        while "workbench_runs_open 2\n" not in client.get("/metrics").text:
            time.sleep(0.01)
        third = client.post("/v1/runs", json={"request": "book a ride"})
        release.set()

        assert (409, "run_in_progress") == (same.status_code, same.json()["code"])
        assert (503, "busy", "1") == (third.status_code, third.json()["code"], third.headers["retry-after"])
        assert [201, 201] == [first.result().status_code, second.result().status_code]
        assert client.post("/v1/runs", json={"request": "book a ride"}).status_code == 201


def test_a_run_can_outlive_its_deadline(package: Path, tmp_path: Path) -> None:
    """The caller is told in time, and reads the answer later."""
    release = threading.Event()

    def slow(prompt: str) -> str:
        release.wait(20)
        return rule(prompt)

    with open_client(package, tmp_path, slow, deadline_seconds=0.05) as client:
        late = client.post("/v1/runs", json=WEATHER)
        address = f"/v1/runs/{late.json()['run_id']}"
        open_run = client.get(address).json()
        release.set()
        ends = time.monotonic() + 20
        while client.get(address).json()["status"] == "running" and time.monotonic() < ends:
            time.sleep(0.01)

        assert (504, "deadline_exceeded") == (late.status_code, late.json()["code"])
        assert open_run["status"] == "running"
        assert client.get(address).json()["result"]["outcome"] == "call"


def test_a_server_without_its_secret_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness says which variable is missing, and runs are refused; it lives all the same."""
    monkeypatch.setenv("CANARY_KEY", "canary-0123456789")
    lm = LMSpec(model="openai/gpt-4o-mini", key_env="CANARY_KEY")
    package = export_package(tmp_path / "dist", make_parts(tmp_path, lm=lm, cases=(), recordings=()))
    with TestClient(create_app(load_package(package), runs_db=tmp_path / "runs.sqlite3")) as client:
        before = client.get("/readyz")
        monkeypatch.delenv("CANARY_KEY")
        after, refused, live = client.get("/readyz"), client.post("/v1/runs", json=WEATHER), client.get("/livez")

    assert [200, 503, 503, 200] == [response.status_code for response in (before, after, refused, live)]
    assert ("not_ready", ["environment variable 'CANARY_KEY' is empty"]) == (
        after.json()["code"],
        after.json()["reasons"],
    )


def test_without_a_pass_nothing_is_served(package: Path, tmp_path: Path) -> None:
    """An application asks for the verdict itself, however its package was loaded."""
    loaded = load_package(package, lm=scripted_lm(rule))
    failed = loaded.info.model_copy(update={"verdict": make_verdict(loaded.agent.digest, "INCONCLUSIVE")})

    with pytest.raises(GateNotPassed, match="INCONCLUSIVE"):
        create_app(replace(loaded, info=failed), runs_db=tmp_path / "runs.sqlite3")


def test_an_override_is_shown(tmp_path: Path) -> None:
    """Who decided, and why, stands beside the verdict that did not pass."""
    parts = make_parts(tmp_path, status="FAIL")
    package = export_package(tmp_path / "dist", parts, override=Override(who="Ada", why="a demo"))
    with open_client(package, tmp_path) as client:
        shown = client.get("/v1/package").json()

    assert ("FAIL", {"who": "Ada", "why": "a demo"}) == (shown["verdict"], shown["override"])


def test_the_server_is_what_the_contract_says(client: TestClient, package: Path) -> None:
    """The document that ships is shown, and names exactly the addresses and methods that there are."""
    document = client.get("/openapi.json").json()
    offered = {
        (route.path, method.lower())
        for route in client.app.routes
        for method in route.methods - {"HEAD"}
    }  # fmt: skip

    assert json.loads((package / "contract/openapi.json").read_bytes()) == document
    assert {(path, method) for path, item in document["paths"].items() for method in item} == offered


def test_metrics_count_runs_by_outcome(package: Path, tmp_path: Path) -> None:
    """Calls, abstentions and refusals are told apart; refused bodies are no runs."""
    with open_client(package, tmp_path) as client:
        for request in ("what is the weather in Rome", "zyzzyva quux", "play the song"):
            client.post("/v1/runs", json={"request": request})
        client.post("/v1/runs", json={})
        response = client.get("/metrics")

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    assert 'workbench_runs_total{outcome="call"} 2' in lines
    assert 'workbench_runs_total{outcome="abstention"} 1' in lines
    assert "workbench_run_seconds_count 3" in lines
    assert 'workbench_run_seconds_bucket{le="+Inf"} 3' in lines
    assert "workbench_runs_open 0" in lines
    assert not any('kind="completion"} 0' in line for line in lines)
