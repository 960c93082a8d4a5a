"""The benchmark of scale says what it lacks, and misses its target where anything is missing."""

from pathlib import Path

import pytest

from benchmarks.run_scale import EPISODES, Scale, Stored, main


def make_scale(**changes: object) -> Scale:
    stored = Stored(runs=75, episodes=EPISODES, kpis=1, unmeasured=1, traces=1)
    fields = {
        "configurations": 75,
        "episodes": EPISODES,
        "steps": 1,
        "seconds": {"read": 20.0, "KPIs": 10.0, "reports and MLflow": 30.0},
        "migration_seconds": 9.0,
        "peak_bytes": 1_500_000_000,
        "stored": stored,
        "written": 75,
        "due": EPISODES,
        "label": "recorded",
    }
    return Scale.model_validate(fields | changes)


def test_the_target_is_met_at_its_limits() -> None:
    """60 s and 1.5 GB, everything there."""
    assert make_scale().met


@pytest.mark.parametrize(
    "changes",
    [
        {"seconds": {"read": 60.1}},
        {"peak_bytes": 1_500_000_001},
        {"episodes": EPISODES - 1},
        {"stored": Stored(runs=74, episodes=EPISODES, kpis=1, unmeasured=1, traces=1)},
        {"stored": Stored(runs=75, episodes=EPISODES - 1, kpis=1, unmeasured=1, traces=1)},
    ],
    ids=("time", "memory", "an episode not read", "a run not stored", "an episode not stored"),
)
def test_the_target_is_missed_beyond_them(changes: dict[str, object]) -> None:
    """By any of them alone."""
    assert not make_scale(**changes).met


def test_without_the_data_it_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says where they were looked for."""
    monkeypatch.setenv("WORKBENCH_SHARED_DATA", str(tmp_path))

    assert 2 == main(["--quick"])
    assert "shared data 'agentdyn/shopping_runs.jsonl.zst'" in capsys.readouterr().err
