"""Commands answer as text for a person and as JSON for a program."""

import json
import os
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from workbench.cli.main import app
from workbench.cli.stored import sum_calls
from workbench.lms import CALLS

NOUNS = (
    "report",
    "experiment",
    "suite",
    "eval",
    "review",
    "kpi",
    "data",
    "gate",
    "package",
    "runs",
    "calls",
    "corpus",
    "index",
    "optimize",
    "judgments",
    "callers",
    "policy",
    "tools",
    "approvals",
    "audit",
)
VERBS = ("run", "serve", "ui", "doctor")


@pytest.mark.parametrize("words", [(name,) for name in (*NOUNS, *VERBS)], ids=lambda words: words[0])
def test_every_command_says_what_it_does(words):
    """Help answers with 0 and a sentence."""
    result = CliRunner().invoke(app, [*words, "--help"])

    assert 0 == result.exit_code
    assert f"Usage: workbench {words[0]}" in result.stdout


def test_the_doctor_knows_this_machine(monkeypatch, tmp_path):
    """It names this Python, says what is installed, and shows names of keys only."""
    monkeypatch.setenv("OPENAI_API_KEY", "kq7-hunter2-hunter2")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens there
    result = CliRunner().invoke(app, ["doctor", "--json", "--workspace", str(tmp_path)])
    found = {(line["area"], line["name"]): line for line in json.loads(result.stdout)}

    assert 0 == result.exit_code
    assert sys.executable in found["machine", "python"]["detail"]
    assert "fine" == found["runtime", "dspy-ai"]["state"]
    assert "is set" == found["keys", "OPENAI_API_KEY"]["detail"]
    assert "missing" == found["network", "package index"]["state"]
    assert "hunter2" not in result.stdout


def test_data_sets_are_listed_with_licences():
    """Every entry of the registry."""
    result = CliRunner().invoke(app, ["data", "list", "--json"])

    assert {
        "bfcl_v4": "Apache-2.0",
        "minilm_tokenizer": "Apache-2.0",
        "tau2_banking": "MIT",
        "tau2_retail": "MIT",
        "tau2_airline": "MIT",
    } == {entry["name"]: entry["licence"] for entry in json.loads(result.stdout)}


def test_rules_are_explained():
    """Each rule in words, then what a verdict's words mean."""
    file = Path(__file__).parents[2] / "experiments" / "tool_calling.yaml"
    result = CliRunner().invoke(app, ["gate", "explain", str(file)])

    assert "task_success better than baseline\n" in result.stdout
    assert "INCONCLUSIVE  the cases can't tell" in result.stdout


def test_calls_are_added_up():
    """Paid and cached calls apart, by run, module and model; a price that is unknown stays unknown in the sum."""
    row = {name: "a" for name in CALLS.names()} | {"seq": 1, "prompt_tokens": 10, "completion_tokens": 5}
    paid = row | {"cached": False, "usd": 0.5, "milliseconds": 1500.0}
    saved = row | {"cached": True, "usd": 0.5, "milliseconds": 1500.0}
    unknown = paid | {"module": "b", "usd": None}
    lines = sum_calls(pl.DataFrame([paid, paid, saved, unknown], schema=CALLS))

    assert [("a", 2, 1, 30, 3.0, 1.0), ("b", 1, 0, 15, 1.5, None), ("all", 3, 1, 45, 4.5, None)] == [
        tuple(line[name] for name in ("module", "paid", "cached", "tokens", "seconds", "usd")) for line in lines
    ]


def test_the_switches_are_off():
    """Importing the command line switches off whatever its rooms would send or fetch."""
    names = ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "RAGAS_DO_NOT_TRACK", "LITELLM_LOCAL_MODEL_COST_MAP")

    assert {"true"} == {os.environ[name] for name in names}
    assert "false" == os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"]
