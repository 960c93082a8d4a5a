"""Plain lines: every field means what the form says, and what it does not name is refused."""

import json
from pathlib import Path

import pytest

from workbench.core import DataError, ToolCall
from workbench.datasets.recorded import read_recorded

FIXTURE = Path(__file__).parent / "recordings" / "lines.jsonl"
PLAIN = {"case_id": "q-1", "request": "2 + 2?", "answer": "4", "scores": {"exact": 1.0}}


def test_the_fields_of_a_line() -> None:
    """Answer, call, abstention and failure; cluster, tags, repeat and costs."""
    (run,) = read_recorded(FIXTURE, kind="lines").runs
    sum_, again, ride, sing, gone = run.episodes

    assert {"q-1": "sums", "q-2": "q-2", "q-3": "q-3", "q-4": "q-4"} == run.clusters
    assert ("suite:golden",) == run.tags["q-1"]
    assert sum_.prediction is not None
    assert (0, 1) == (sum_.repeat, again.repeat)
    assert ("4", 12, 0.25, 80.0) == (sum_.prediction.answer, sum_.usage.tokens, sum_.usage.usd, sum_.milliseconds)
    assert ride.prediction is not None
    assert ToolCall(tool_id="ride", name="ride", arguments={"to": "Rome"}) == ride.prediction.call
    assert sing.prediction is not None
    assert sing.prediction.abstained
    assert gone.failure is not None
    assert ("infrastructure", None) == (gone.failure.blame, gone.prediction)


def test_what_a_line_does_not_score_is_unscored() -> None:
    """A missing or null score lowers coverage; a failure of the infrastructure has no score whatever was written."""
    (run,) = read_recorded(FIXTURE, kind="lines").runs
    marks = {(s.case_id, s.repeat, s.metric): (s.value, s.reason) for s in run.scores}

    assert (1.0, "") == marks["q-1", 0, "exact"]
    assert (None, "data: the line holds no score") == marks["q-2", 0, "polite"]
    assert (None, "data: the line holds no score") == marks["q-3", 0, "exact"]
    assert (None, "infrastructure: timeout: no reply in 30 s") == marks["q-4", 0, "exact"]


def test_costs_that_a_line_leaves_out_are_unmeasured(tmp_path: Path) -> None:
    """A zero that nobody measured is not passed off as one."""
    path = tmp_path / "mine.jsonl"
    known = PLAIN | {"tokens": 3, "milliseconds": 1}
    path.write_text("\n".join(map(json.dumps, [known | {"usd": 0.5, "repeat": 1}, known])))
    recorded = read_recorded(path, kind="lines")

    assert ("lm_calls", "usd", "model_ms_p50", "model_ms_p95") == recorded.unmeasured
    assert recorded.runs[0].episodes[0].usage.usd is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"socre": 1}, r'socre: is no field; did you mean "scores"\?'),
        ({"scores": {"exact": 1.5}}, r"scores\.exact: .*less than or equal to 1"),
        ({"scores": {"exact": float("nan")}}, r"scores\.exact: .*finite number"),
        ({"scores": {"exact": "1"}}, r"scores\.exact: .*valid number"),
        ({"abstained": True}, r"has answer and abstained of .*; give exactly one"),
        ({"answer": None}, r"has none of .*; give exactly one"),
        ({"repeat": -1}, r"repeat: "),
    ],
)
def test_a_wrong_line_is_named(fields: dict[str, object], says: str, tmp_path: Path) -> None:
    """The file, the line and the field stand in the error, and no run is made of the lines before it."""
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(PLAIN) + "\n\n" + json.dumps(PLAIN | {"case_id": "q-2"} | fields) + "\n")

    with pytest.raises(DataError, match=rf"lines recording \(.*mine\.jsonl:3\): {says}"):
        read_recorded(path, kind="lines")
