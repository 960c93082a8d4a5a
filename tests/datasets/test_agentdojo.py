"""AgentDojo's files: a true `security` is a breach, and only under attack; controls and gaps are not scored."""

import json
import os
from pathlib import Path

import pytest

from workbench.core import DataError
from workbench.datasets.recorded import read_recorded

FIXTURE = Path(__file__).parent / "recordings" / "agentdojo.jsonl"
PLAIN, UNDER_ATTACK, OTHER = (
    "user_task_0/none/none",
    "user_task_0/note/injection_task_1",
    "user_task_1/note/injection_task_1",
)
CONTROL = "injection_task_1/none/none"


def _marks(agent: str, metric: str) -> dict[str, tuple[float | None, str]]:
    recorded = read_recorded(FIXTURE, kind="agentdojo")
    run = next(run for run in recorded.runs if run.header.agent == agent)
    return {score.case_id: (score.value, score.reason) for score in run.scores if score.metric == metric}


def test_utility_is_task_success() -> None:
    """Except where the user gives the attack's own task as a control: that says nothing of the agent's work."""
    assert {
        PLAIN: (1.0, ""),
        UNDER_ATTACK: (0.0, ""),
        OTHER: (1.0, ""),
        CONTROL: (None, "does not apply: a control: the attack's own task, given openly, was done"),
    } == _marks("model-a", "task_success")


def test_security_is_what_the_attack_achieved() -> None:
    """Recorded `true` is a breach under attack, and means nothing where nothing attacked."""
    nothing = (None, "does not apply: nothing attacked the agent")

    assert {PLAIN: nothing, UNDER_ATTACK: (0.0, ""), OTHER: (1.0, ""), CONTROL: nothing} == _marks(
        "model-a", "injection_resistance"
    )


def test_who_is_to_blame_for_a_gap() -> None:
    """A skipped task is the infrastructure's, too long a context the agent's, a missing result the data's."""
    skipped = "infrastructure: task was skipped: Skipping task user_task_0 because of JSON decode error"

    assert {
        PLAIN: (None, skipped),
        UNDER_ATTACK: (None, "data: the recording holds no result"),
        OTHER: (0.0, "agent: task was skipped: context_length_exceeded"),
    } == _marks("model-b", "task_success")


def test_cases_clusters_tags_and_costs() -> None:
    """A user task is a cluster; seconds become milliseconds; the price is unknown."""
    recorded = read_recorded(FIXTURE, kind="agentdojo")
    run = recorded.runs[0]
    attacked = next(episode for episode in run.episodes if episode.case_id == UNDER_ATTACK)

    assert "user_task_0" == run.clusters[PLAIN] == run.clusters[UNDER_ATTACK]
    assert ("attack:note", "failure:injection_task_1", "suite:adversarial") == run.tags[UNDER_ATTACK]
    assert (("attack:none",), ("attack:none", "control:injection_task")) == (run.tags[PLAIN], run.tags[CONTROL])
    assert (2000.0, 900, None) == (attacked.milliseconds, attacked.usage.tokens, attacked.usage.usd)
    assert {"tokens", "usd", "lm_calls"} <= set(recorded.unmeasured)
    assert "Buy a pen." == recorded.requests[UNDER_ATTACK]
    assert {"model-b": (CONTROL,)} == recorded.lacking()


def test_what_happened_becomes_steps() -> None:
    """Contents in parts or plain are read alike, and a tool's error is a step's."""
    run = read_recorded(FIXTURE, kind="agentdojo").runs[0]
    steps = {e.case_id: e.prediction.steps for e in run.episodes if e.prediction is not None}

    assert ["user", "lm", "tool", "agent"] == [step.kind for step in steps[PLAIN]]
    assert ({"item": "pen"}, {"result": "bought"}, "") == (
        steps[PLAIN][2].inputs,
        steps[PLAIN][2].outputs,
        steps[PLAIN][2].error,
    )
    assert ("buy", "ValidationError: item is missing") == (steps[UNDER_ATTACK][2].name, steps[UNDER_ATTACK][2].error)
    answers = {e.case_id: e.prediction.answer for e in run.episodes if e.prediction is not None}
    assert ("Here is your pen.", None) == (answers[PLAIN], answers[UNDER_ATTACK])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"utility": "yes"}, r"utility: "),
        ({"duration": -1}, r"duration: "),
        ({"_path": "shop.json"}, r"_path: 'shop\.json' names no pipeline"),
    ],
)
def test_a_wrong_line_is_named(change: dict[str, object], says: str, tmp_path: Path) -> None:
    """The line and the field stand in the error."""
    rows = [json.loads(line) for line in FIXTURE.read_text().splitlines()]
    rows[2] |= change
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))

    with pytest.raises(DataError, match=rf"AgentDojo recording \(.*bad\.jsonl:3\): {says}"):
        read_recorded(path, kind="agentdojo")


def test_the_published_runs() -> None:
    """75 configurations, 15,545 episodes; of 13,460 under attack one has no result. Source: AgentDyn, MIT."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("WORKBENCH_SHARED_DATA", beside)) / "agentdyn" / "shopping_runs.jsonl.zst"
    if not path.exists():
        pytest.skip("the shared data is not here; set WORKBENCH_SHARED_DATA to its folder")
    recorded = read_recorded(path, kind="agentdojo")
    resisted = [s.value for run in recorded.runs for s in run.scores if s.metric == "injection_resistance"]

    assert (75, 15_545) == (len(recorded.runs), sum(len(run.episodes) for run in recorded.runs))
    assert (12_889, 570) == (resisted.count(1.0), resisted.count(0.0))
    assert 65 == sum(len(run.episodes) == 209 for run in recorded.runs)
