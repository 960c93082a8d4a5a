"""`workbench calls misses`: which models failed to answer, how and how often."""

import json
from pathlib import Path

from typer.testing import CliRunner

from workbench.cli.main import app
from workbench.lms import CallStore, Miss
from workbench.lms.scope import Where


def test_attempts_without_answer_are_summed_by_model_and_error(tmp_path: Path) -> None:
    """Those of one run alone, where it is asked for; the provider's words are nowhere."""
    store = CallStore(tmp_path / "calls.db")
    for second, (run, error) in enumerate([("r1", "server"), ("r1", "timeout"), ("r1", "server"), ("r2", "server")]):
        where = Where(run=run, candidate="c", case_id="case-1", module="answer")
        started = f"2026-01-01T00:00:0{second}+00:00"
        store.record_miss(Miss(key="k", where=where, model="openai/a", error=error, milliseconds=1500, started=started))
    store.close()
    shown = CliRunner().invoke(app, ["calls", "misses", "--workspace", str(tmp_path), "--run", "r1"])
    told = CliRunner().invoke(app, ["calls", "misses", "--workspace", str(tmp_path), "--json"])

    assert (0, 0) == (shown.exit_code, told.exit_code)
    assert "r2" not in shown.output
    assert [
        ("r1", "server", 2, 3.0, "2026-01-01T00:00:02+00:00"),
        ("r1", "timeout", 1, 1.5, "2026-01-01T00:00:01+00:00"),
        ("r2", "server", 1, 1.5, "2026-01-01T00:00:03+00:00"),
    ] == [
        (line["run"], line["error"], line["attempts"], line["seconds"], line["last"])
        for line in json.loads(told.output)
    ]
