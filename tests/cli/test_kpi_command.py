"""KPIs of what a person names, or of a time."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from workbench.cli.kpi import app
from workbench.cli.kpi_evidence import runs_behind
from workbench.core import DataError, Episode, Prediction, Run, RunHeader, Score, Verdict, write_run
from workbench.evals.kpi_catalogue import CATALOGUE

root = typer.Typer()
root.add_typer(app, name="kpi")


def invoke(*words: str) -> Result:
    return CliRunner().invoke(root, ["kpi", *words], catch_exceptions=False)


def make_run(agent: str, values: tuple[float, ...]) -> Run:
    names = [f"c{place}" for place in range(len(values))]
    return Run(
        header=RunHeader(
            agent=agent,
            agent_digest=agent[0] * 64,
            evalset_digest="e" * 64,
            split="test",
            metrics=("task_success",),
            source="scripted",
        ),
        clusters={name: name for name in names},
        tags={name: () for name in names},
        episodes=tuple(Episode(case_id=name, prediction=Prediction(), milliseconds=100) for name in names),
        scores=tuple(
            Score(case_id=name, metric="task_success", value=value) for name, value in zip(names, values, strict=True)
        ),
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two runs, and what happened in use on three days."""
    write_run(tmp_path / "stages" / "winner-1" / "test", make_run("winner", (1, 1, 0, 1)))
    write_run(tmp_path / "stages" / "baseline-2" / "test", make_run("baseline", (1, 0, 0, 1)))
    events = [f'{{"at": "2026-03-0{day}T12:00:00Z", "user": "u{day}"}}\n' for day in (1, 2, 3)]
    (tmp_path / "usage.jsonl").write_text("".join(events))
    return tmp_path


def measured(result: Result) -> dict[str, float]:
    return {line["name"]: line["estimate"] for line in json.loads(result.stdout) if line["estimate"] is not None}


def test_the_kpis_of_a_run(workspace: Path) -> None:
    """By how its folder's name begins, with the records of use of all time."""
    found = measured(invoke("show", "winner", "--workspace", str(workspace), "--json"))

    assert {"task_completion": 0.75, "active_users": 3.0}.items() <= found.items()


def test_the_kpis_of_a_window_are_those_of_use(workspace: Path) -> None:
    """From its first day on and before its last; runs carry no time."""
    window = ("--since", "2026-03-02", "--until", "2026-03-03")
    found = measured(invoke("show", *window, "--workspace", str(workspace), "--json"))

    assert {"active_users": 1.0, "enabled_teams": 0.0, "enablement_throughput": 0.0} == found


def test_a_window_as_text(workspace: Path) -> None:
    """What is unmeasured says why."""
    text = invoke("show", "--since", "2026-03-02", "--workspace", str(workspace)).stdout

    assert "  task_completion: there is no run\n" in text
    assert "  incident_rate: nothing is recorded of incidents: incidents.jsonl is not there\n" in text


def test_the_runs_behind_a_verdict(workspace: Path) -> None:
    """As a package and an outcome name them: by digest. A run that was changed is not the one."""
    own, other = make_run("winner", (1, 1, 0, 1)), make_run("baseline", (1, 0, 0, 1))
    verdict = Verdict(
        status="PASS",
        findings=(),
        agent_digest=own.header.agent_digest,
        champion_digest=other.header.agent_digest,
        run_digest=own.digest,
        champion_run_digest=other.digest,
        evalset_digest="e" * 64,
        rules_digest="r" * 64,
        seed=0,
    )

    assert ((own,), (other,)) == runs_behind(workspace, verdict)
    write_run(workspace / "stages" / "winner-1" / "test", make_run("winner", (1, 1, 1, 1)))
    with pytest.raises(DataError, match="the verdict rests on it and it is not there"):
        runs_behind(workspace, verdict)


def test_the_catalogue_is_listed() -> None:
    """Every entry, as JSON and as text."""
    found = [entry["name"] for entry in json.loads(invoke("list", "--json").stdout)]

    assert [*CATALOGUE] == found
    assert "deflection [1], higher is better\n" in invoke("list").stdout
