"""Inspect's logs: letters, parts, epochs, errors and limits, from a zip as Inspect writes it."""

import json
import zipfile
from pathlib import Path

import pytest

from workbench.core import DataError
from workbench.datasets.recorded import read_recorded

HEADER = {"version": 2, "status": "success", "eval": {"task": "sums", "model": "openai/gpt", "solver": "generate"}}
USAGE = {"openai/gpt": {"input_tokens": 10, "output_tokens": 2, "total_tokens": 15, "input_tokens_cache_read": 3}}
MESSAGES = [
    {"role": "system", "content": "Be exact."},
    {"role": "user", "content": "2 + 2?"},
    {
        "role": "assistant",
        "content": [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "I add."}],
        "tool_calls": [{"id": "c1", "function": "add", "arguments": {"a": 2, "b": 2}, "type": "function"}],
    },
    {"role": "tool", "tool_call_id": "c1", "function": "add", "content": "4"},
    {"role": "assistant", "content": "attachment://abc"},
]


def _sample(number: int, epoch: int = 1, **fields: object) -> dict[str, object]:
    plain = {
        "id": number,
        "epoch": epoch,
        "input": "2 + 2?",
        "target": "4",
        "messages": MESSAGES,
        "output": {"model": "openai/gpt", "choices": [{"message": {"role": "assistant", "content": "4"}}]},
        "scores": {"match": {"value": "C", "answer": "4"}},
        "model_usage": USAGE,
        "total_time": 1.5,
        "attachments": {"abc": "It is 4."},
    }
    return plain | fields


def _log(folder: Path, *samples: dict[str, object], header: str = "header.json") -> Path:
    path = folder / "sums.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(header, json.dumps(HEADER))
        archive.writestr("summaries.json", "[]")
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
    return path


@pytest.mark.parametrize("header", ["header.json", "_journal/start.json"])
def test_a_sample_is_a_case_and_an_epoch_a_repeat(header: str, tmp_path: Path) -> None:
    """Also of a log that was never finished."""
    path = _log(tmp_path, _sample(1), _sample(1, 2, scores={"match": {"value": "P"}}), _sample(2), header=header)
    recorded = read_recorded(path, kind="inspect")
    (run,) = recorded.runs

    assert "generate, openai/gpt" == run.header.agent
    assert {("1", 0): 1.0, ("1", 1): 0.5, ("2", 0): 1.0} == run.values("match")
    assert {"1": "2 + 2?", "2": "2 + 2?"} == recorded.requests


def test_what_happened_and_what_it_cost(tmp_path: Path) -> None:
    """Texts that were stored apart are put back; cached tokens are prompt tokens; the price is unknown."""
    recorded = read_recorded(_log(tmp_path, _sample(1)), kind="inspect")
    (episode,) = recorded.runs[0].episodes

    assert episode.prediction is not None
    assert [
        ("user", {}, {"text": "2 + 2?"}),
        ("lm", {}, {"text": "I add.", "tools": ["add"]}),
        ("tool", {"a": 2, "b": 2}, {"result": "4"}),
        ("agent", {}, {"text": "It is 4."}),
    ] == [(step.kind, step.inputs, step.outputs) for step in episode.prediction.steps]
    assert "4" == episode.prediction.answer
    assert (13, 2, None, 1500.0) == (
        episode.usage.prompt_tokens,
        episode.usage.completion_tokens,
        episode.usage.usd,
        episode.milliseconds,
    )
    assert ("lm_calls", "usd", "model_ms_p50", "model_ms_p95") == recorded.unmeasured


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("I", (0.0, "why")),
        (0.25, (0.25, "why")),
        (True, (1.0, "")),
        (7, (None, "grader: 7 is no number in [0, 1]")),
        ("B", (None, "grader: 'B' is no number in [0, 1]")),
        ([1, 0], (None, "grader: [1, 0] is no number in [0, 1]")),
        (float("nan"), (None, "grader: nan is no number in [0, 1]")),
    ],
)
def test_what_a_value_means(value: object, expected: tuple[float | None, str], tmp_path: Path) -> None:
    """Inspect's letters and numbers in [0, 1]; anything else is unscored, and the grader's fault."""
    path = _log(tmp_path, _sample(1, scores={"match": {"value": value, "explanation": "why"}}))
    (score,) = read_recorded(path, kind="inspect").runs[0].scores

    assert expected == (score.value, score.reason)


def test_a_value_with_parts_is_several_metrics(tmp_path: Path) -> None:
    """And what one sample lacks is unscored there."""
    path = _log(tmp_path, _sample(1, scores={"rubric": {"value": {"short": 1, "kind": 0.5}}}), _sample(2))
    (run,) = read_recorded(path, kind="inspect").runs

    assert ("match", "rubric/kind", "rubric/short") == run.header.metrics
    assert {("1", 0): 0.5, ("2", 0): None} == run.values("rubric/kind")
    assert {"data: the log holds no score of this name"} == {s.reason for s in run.scores if s.value is None}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"error": {"message": "sandbox died"}}, (None, "infrastructure: sample broke off: sandbox died")),
        ({"scores": None, "limit": {"type": "message"}}, (0.0, "agent: limit: the message limit was reached")),
        (
            {"scores": None, "limit": {"type": "operator"}},
            (None, "infrastructure: limit: the operator limit was reached"),
        ),
        ({"limit": {"type": "message"}}, (1.0, "")),
    ],
)
def test_who_is_to_blame(fields: dict[str, object], expected: tuple[float | None, str], tmp_path: Path) -> None:
    """An error is ours, a limit the agent's unless a person set it off; a score given in spite of one stands."""
    (run,) = read_recorded(_log(tmp_path, _sample(1), _sample(2, 1, **fields)), kind="inspect").runs
    score = next(score for score in run.scores if score.case_id == "2")

    assert expected == (score.value, score.reason)


def test_a_wrong_sample_is_named(tmp_path: Path) -> None:
    """The file inside the zip and the field stand in the error."""
    with pytest.raises(DataError, match=r"sums\.eval: samples/2_epoch_1\.json\): total_time: "):
        read_recorded(_log(tmp_path, _sample(1), _sample(2, total_time=-1)), kind="inspect")


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    """A zip of something else, and a file that is no zip."""
    path = tmp_path / "other.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"has none of header\.json, .*; is it an \.eval log\?"):
        read_recorded(path, kind="inspect")

    path.write_bytes(b"PK broken")
    with pytest.raises(DataError, match=r"other\.eval\): can't be unzipped; write it anew .*BadZipFile"):
        read_recorded(path, kind="inspect")
