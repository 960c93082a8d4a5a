"""promptfoo's results: passes, named scores, repeats and whose fault an error was."""

import json
from pathlib import Path

import pytest

from workbench.core import DataError
from workbench.datasets.recorded import read_recorded

FIXTURE = Path(__file__).parent / "recordings" / "promptfoo.json"


def _content() -> dict[str, dict[str, object]]:
    loaded: dict[str, dict[str, object]] = json.loads(FIXTURE.read_text())
    return loaded


def test_equal_tests_are_repeats_of_one_case() -> None:
    """promptfoo numbers repeats as tests; the same variables and assertions are the same case."""
    (run,) = read_recorded(FIXTURE, kind="promptfoo").runs

    assert "openai:gpt" == run.header.agent
    assert [("test-0000", 0), ("test-0000", 1), ("test-0002", 0), ("test-0003", 0)] == [
        (episode.case_id, episode.repeat) for episode in run.episodes
    ]


def test_passes_and_named_scores() -> None:
    """A score outside [0, 1] is the grader's fault, a broken grader too, an error the infrastructure's."""
    (run,) = read_recorded(FIXTURE, kind="promptfoo").runs
    marks = {(s.metric, s.case_id, s.repeat): (s.value, s.reason) for s in run.scores}

    assert ("task_success", "brevity") == run.header.metrics
    assert (1.0, "") == marks["task_success", "test-0000", 0]
    assert (0.0, "expected 4") == marks["task_success", "test-0000", 1]
    assert (0.5, "") == marks["brevity", "test-0000", 0]
    assert (None, "grader: 7 is not in [0, 1]") == marks["brevity", "test-0000", 1]
    assert (None, "infrastructure: error: 429 Too Many Requests") == marks["task_success", "test-0002", 0]
    assert (None, "grader: grader answered 503") == marks["task_success", "test-0003", 0]


def test_costs_and_texts() -> None:
    """Cached answers cost nothing now; a price of 0 for paid tokens is unknown."""
    recorded = read_recorded(FIXTURE, kind="promptfoo")
    paid, cached, _failed, free = (episode.usage for episode in recorded.runs[0].episodes)

    assert (1, 10, 2, 0.002) == (paid.calls, paid.prompt_tokens, paid.completion_tokens, paid.usd)
    assert (1, 12, 0.0) == (cached.cached_calls, cached.saved_tokens, cached.usd)
    assert free.usd is None
    assert ("tokens", "usd", "model_ms_p50", "model_ms_p95") == recorded.unmeasured
    assert {
        "test-0000": "2 + 2?",
        "test-0002": '{"question": "3 + 3?", "style": "short"}',
        "test-0003": "Hello",
    } == recorded.requests
    answers = [e.prediction.answer for e in recorded.runs[0].episodes if e.prediction is not None]
    assert ["4", '{"sum": 5}', "Hi"] == answers


def test_prompts_are_configurations(tmp_path: Path) -> None:
    """Two prompts of one provider are two agents."""
    content = _content()
    rows = content["results"]["results"]
    assert isinstance(rows, list)
    rows.append(rows[0] | {"promptId": "bbbbbbbbbb", "promptIdx": 1})
    path = tmp_path / "two.json"
    path.write_text(json.dumps(content))

    agents = [run.header.agent for run in read_recorded(path, kind="promptfoo").runs]
    assert ["openai:gpt, prompt aaaaaaaa", "openai:gpt, prompt bbbbbbbb"] == agents


def test_an_old_export_is_refused(tmp_path: Path) -> None:
    """Version 2 has other fields: nothing is guessed."""
    content = _content()
    content["results"]["version"] = 2
    path = tmp_path / "old.json"
    path.write_text(json.dumps(content))

    with pytest.raises(DataError, match=r"results\.version: is 2, and 3 is read; export it again"):
        read_recorded(path, kind="promptfoo")


def test_a_wrong_result_is_named(tmp_path: Path) -> None:
    """The index and the field stand in the error."""
    content = _content()
    rows = content["results"]["results"]
    assert isinstance(rows, list)
    del rows[2]["success"]
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content))

    with pytest.raises(DataError, match=r"bad\.json\): results\.results\.2\.success: Field required"):
        read_recorded(path, kind="promptfoo")
