"""tau-bench's files: rewards, trials and steps; and the published runs give the published figures."""

import json
import os
from pathlib import Path

import pytest

from workbench.core import DataError, Run
from workbench.datasets.recorded import read_recorded

FIXTURE = Path(__file__).parent / "recordings" / "tau_bench.json"


def _run() -> Run:
    (run,) = read_recorded(FIXTURE, kind="tau-bench").runs
    return run


def test_rewards_are_scores_and_trials_are_repeats() -> None:
    """A task is a case and a cluster; a run that broke off has no score, whatever reward was written for it."""
    run = _run()

    assert {("task-00", 0): 1.0, ("task-00", 1): 0.0, ("task-11", 0): None} == run.values("task_success")
    assert {"task-00": "task-00", "task-11": "task-11"} == run.clusters
    assert "infrastructure: run broke off: litellm.Timeout: no reply" == run.scores[-1].reason
    assert "recorded by tau-bench" == run.header.source


def test_what_happened_becomes_steps() -> None:
    """Messages, choices and tools in their order; the system's prompt is none."""
    prediction = _run().episodes[0].prediction

    assert prediction is not None
    said = [(step.kind, step.name, step.inputs, step.outputs) for step in prediction.steps]
    assert [
        ("user", "say", {}, {"text": "I want a refund."}),
        ("lm", "choose tools", {}, {"text": "", "tools": ["refund"]}),
        ("tool", "refund", {"order": 7}, {"result": '{"refunded": true}'}),
        ("agent", "say", {}, {"text": "It is done."}),
        ("user", "say", {}, {"text": "###STOP###"}),
    ] == said
    assert ("It is done.", False) == (prediction.answer, prediction.abstained)


def test_a_refusal_and_a_hand_over() -> None:
    """What a tool refuses is an error with the arguments as they were written; a hand-over is an escalation."""
    prediction = _run().episodes[1].prediction

    assert prediction is not None
    refused = next(step for step in prediction.steps if step.error)
    assert ("refund", "Error: order not found", {}) == (refused.name, refused.error, refused.outputs)
    assert {"": '{"order": '} == refused.inputs
    assert (True, "escalate") == (prediction.abstained, prediction.manner)


def test_the_user_s_price_is_not_the_agent_s() -> None:
    """The file knows what the simulated user cost; the agent's price is unknown, and so are its tokens and times."""
    recorded = read_recorded(FIXTURE, kind="tau-bench")

    assert {None} == {episode.usage.usd for episode in recorded.runs[0].episodes}
    assert [2, 2, 0] == [episode.usage.calls for episode in recorded.runs[0].episodes]
    assert {"usd", "tokens", "latency_ms_p50"} <= set(recorded.unmeasured)
    assert {"task-00": "I want a refund.", "task-11": ""} == recorded.requests


def test_files_of_the_same_tasks_can_be_compared(tmp_path: Path) -> None:
    """Whatever the simulated user said first, and whatever the file is called; but not another domain's tasks."""
    rows = json.loads(FIXTURE.read_text())
    rows[0]["traj"][1]["content"] = "My money back!"
    (tmp_path / "challenger.json").write_text(json.dumps(rows))
    for row in rows:
        row["info"]["task"] = {"instruction": "You want to fly."}
    (tmp_path / "airline.json").write_text(json.dumps(rows))
    names = ("challenger.json", "airline.json")
    same, other = (read_recorded(tmp_path / name, kind="tau-bench").runs[0].header for name in names)

    assert _run().header.evalset_digest == same.evalset_digest != other.evalset_digest
    assert _run().header.agent_digest != same.agent_digest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"reward": 2.0}, r"1\.reward: .*less than or equal to 1"),
        ({"reward": "1"}, r"1\.reward: .*valid number"),
        ({"traj": None}, r"1\.traj: .*valid"),
        ({"task_id": -1}, r"1\.task_id: "),
    ],
)
def test_a_wrong_row_is_named(change: dict[str, object], says: str, tmp_path: Path) -> None:
    """The row's index and the field stand in the error."""
    rows = json.loads(FIXTURE.read_text())
    rows[1] |= change
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(rows))

    with pytest.raises(DataError, match=rf"tau-bench recording \(.*bad\.json\): {says}"):
        read_recorded(path, kind="tau-bench")


def test_the_published_runs() -> None:
    """50 tasks of 4 trials, of which 84 succeeded. Source: tau-bench's historical trajectories, MIT."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("WORKBENCH_SHARED_DATA", beside)) / "tau_bench" / "gpt-4o-airline.json.gz"
    if not path.exists():
        pytest.skip("the shared data is not here; set WORKBENCH_SHARED_DATA to its folder")
    recorded = read_recorded(path, kind="tau-bench")
    (run,) = recorded.runs

    assert ("gpt-4o-airline", "MIT") == (run.header.agent, recorded.licence)
    assert (50, 200) == (len(run.clusters), len(run.episodes))
    assert 84.0 == sum(score.value or 0.0 for score in run.scores)
