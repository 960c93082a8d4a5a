"""OpenTelemetry traces: spans become steps, a trace becomes an episode, evaluations become scores."""

import json
from pathlib import Path

import pytest

from workbench.core import DataError, Run
from workbench.datasets.recorded import read_recorded

FIXTURE = Path(__file__).parent / "recordings" / "otel.json"


def _runs() -> dict[str, Run]:
    return {run.header.agent: run for run in read_recorded(FIXTURE, kind="otel").runs}


def test_a_trace_is_an_episode() -> None:
    """Its agent is the outermost one or the service, its cluster the conversation; other traces are none."""
    runs = _runs()
    (clerk,) = runs["clerk"].episodes
    recorded = read_recorded(FIXTURE, kind="otel")

    assert {"clerk", "shop"} == set(runs)
    assert {"t1": "talk-1"} == runs["clerk"].clusters
    assert clerk.prediction is not None
    assert ("Here it is.", 500.0) == (clerk.prediction.answer, clerk.milliseconds)
    assert {"t1": "A pen, please.", "t2": ""} == recorded.requests
    assert ("usd",) == recorded.unmeasured


def test_spans_become_steps() -> None:
    """In the order of time, with errors; spans that are no agent's work are left out."""
    prediction = _runs()["clerk"].episodes[0].prediction

    assert prediction is not None
    chat, tool = prediction.steps
    assert ("lm", "chat gpt", 1.0, 100.0, "") == (
        chat.kind,
        chat.name,
        chat.start_milliseconds,
        chat.milliseconds,
        chat.error,
    )
    assert ("tool", "buy", {"item": "pen"}, "out of stock") == (tool.kind, tool.name, tool.inputs, tool.error)


def test_tokens_are_counted_once() -> None:
    """An agent's span repeats the sum of its calls: only calls of models count."""
    usage = _runs()["clerk"].episodes[0].usage

    assert (1, 30, 5, 100.0, None) == (
        usage.calls,
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.model_milliseconds,
        usage.usd,
    )


def test_evaluations_are_scores() -> None:
    """A number or a label; a failed trace is unscored, since it does not say whose fault it was."""
    runs = _runs()

    assert ("polite", "relevance") == runs["clerk"].header.metrics
    assert {("polite", 1.0, "pass"), ("relevance", 0.75, "mostly")} == {
        (score.metric, score.value, score.reason) for score in runs["clerk"].scores
    }
    assert {(None, "infrastructure: span failed: timeout")} == {(s.value, s.reason) for s in runs["shop"].scores}


def test_the_longest_of_those_that_begin_together_is_outermost(tmp_path: Path) -> None:
    """An agent that calls another at once is still the one whose episode it is."""
    content = json.loads(FIXTURE.read_text())
    helper = content["resourceSpans"][0]["scopeSpans"][0]["spans"][3]
    named = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
    helper["attributes"] = [{"key": key, "value": {"stringValue": value}} for key, value in named.items()]
    helper["startTimeUnixNano"] = "1000000000"
    path = tmp_path / "nested.json"
    path.write_text(json.dumps(content))
    recorded = read_recorded(path, kind="otel")

    assert ["clerk", "shop"] == [run.header.agent for run in recorded.runs]
    prediction = recorded.runs[0].episodes[0].prediction
    assert prediction is not None
    assert ["helper", "chat gpt", "buy"] == [step.name for step in prediction.steps]


def test_an_export_may_stand_on_each_line(tmp_path: Path) -> None:
    """As the collector's file exporter writes them; a broken line is named."""
    line = json.dumps(json.loads(FIXTURE.read_text()))
    path = tmp_path / "otel.jsonl"
    path.write_text(line + "\n")
    assert read_recorded(FIXTURE, kind="otel") == read_recorded(path, kind="otel")

    path.write_text(line + "\n" + line.replace('"1001000000"', '"soon"') + "\n")
    with pytest.raises(DataError, match=r"otel\.jsonl:2\): resourceSpans\.0\.scopeSpans\.0\.spans\.0\.startTime"):
        read_recorded(path, kind="otel")


def test_traces_of_other_things_are_refused(tmp_path: Path) -> None:
    """A file without a span of an agent gives an error, not an empty recording."""
    path = tmp_path / "web.json"
    path.write_text(FIXTURE.read_text().replace("gen_ai.operation.name", "http.method"))

    with pytest.raises(DataError, match=r"no span has a gen_ai\.operation\.name that is known; record with"):
        read_recorded(path, kind="otel")
