"""One door for all kinds of recordings; what is common to them is checked once."""

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from workbench.core import DataError, read_run, write_run
from workbench.datasets.recorded import RECORDINGS, read_recorded
from workbench.datasets.recording import COSTS
from workbench.evals import COSTS as REPORTED
from workbench.evals import summarize

FOLDER = Path(__file__).parent / "recordings"
FIXTURES = {
    "agentdojo": FOLDER / "agentdojo.jsonl",
    "lines": FOLDER / "lines.jsonl",
    "otel": FOLDER / "otel.json",
    "promptfoo": FOLDER / "promptfoo.json",
    "tau-bench": FOLDER / "tau_bench.json",
}


def _line(**fields: object) -> str:
    return json.dumps({"case_id": "q-1", "request": "2 + 2?", "answer": "4", "scores": {"exact": 1.0}} | fields)


def _lines(folder: Path, *lines: str) -> Path:
    path = folder / "mine.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_an_unknown_kind_gets_the_nearest(tmp_path: Path) -> None:
    """A person who mistypes a kind is told the one that was meant."""
    with pytest.raises(DataError, match=r"kind 'promptfo' is unknown; did you mean \"promptfoo\"\?"):
        read_recorded(tmp_path / "x", kind="promptfo")


@pytest.mark.parametrize("kind", sorted(RECORDINGS))
def test_a_missing_file_is_said_to_be_missing(kind: str, tmp_path: Path) -> None:
    """Every reader names the file and what to do."""
    with pytest.raises(DataError, match=r"gone.json'?: is not a file; name one"):
        read_recorded(tmp_path / "gone.json", kind=kind)


@pytest.mark.parametrize("kind", sorted(RECORDINGS))
def test_a_file_of_another_kind_is_refused(kind: str, tmp_path: Path) -> None:
    """What is no recording of the kind is an error with the file's name, not an empty recording."""
    path = tmp_path / "other.json"
    path.write_text('{"some": "json"}\n')

    with pytest.raises(DataError, match=r"other\.json"):
        read_recorded(path, kind=kind)


@pytest.mark.parametrize("kind", sorted(FIXTURES))
def test_a_recording_reads_the_same_packed(kind: str, tmp_path: Path) -> None:
    """.gz and .zst files hold what the plain file holds, and a recording is named without the endings."""
    plain = FIXTURES[kind]
    zipped, packed = tmp_path / f"{plain.name}.gz", tmp_path / f"{plain.name}.zst"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    packed.write_bytes(zstandard.compress(plain.read_bytes()))

    expected = read_recorded(plain, kind=kind)
    assert plain.stem == expected.name
    assert expected == read_recorded(zipped, kind=kind)
    assert expected == read_recorded(packed, kind=kind)


@pytest.mark.parametrize("kind", sorted(FIXTURES))
def test_a_recorded_run_is_a_run_like_ours(kind: str, tmp_path: Path) -> None:
    """It can be written, read again and reported, and says in its header whose it is."""
    recorded = read_recorded(FIXTURES[kind], kind=kind)

    for number, run in enumerate(recorded.runs):
        write_run(tmp_path / str(number), run)
        assert run == read_run(tmp_path / str(number))
        assert run.header.metrics == tuple(line.name for line in summarize(run).lines if line.kind == "score")
        assert recorded.source == run.header.source
        assert set(run.clusters) == {episode.case_id for episode in run.episodes}
    assert ("not stated", "not stated") == (recorded.licence, recorded.attribution)


def test_a_broken_archive_is_refused_whole(tmp_path: Path) -> None:
    """A file that ends too early gives no runs, though its first lines could be read."""
    path = tmp_path / "mine.jsonl.gz"
    path.write_bytes(gzip.compress(("\n".join(_line(repeat=n) for n in range(500))).encode())[:-20])

    with pytest.raises(DataError, match=r"mine\.jsonl\.gz'?: can't be read; get the whole file again: EOFError"):
        read_recorded(path, kind="lines")


def test_an_agent_can_t_try_the_same_twice(tmp_path: Path) -> None:
    """Two lines of one case and repeat would count it double."""
    path = _lines(tmp_path, _line(), _line(answer="5"))

    with pytest.raises(DataError, match="agent 'mine' has case 'q-1' repeat 0 twice; number its repeats"):
        read_recorded(path, kind="lines")


def test_a_case_has_one_cluster(tmp_path: Path) -> None:
    """Intervals resample clusters: a case in two would be counted as independent of itself."""
    path = _lines(tmp_path, _line(cluster="a"), _line(cluster="b", repeat=1))

    with pytest.raises(DataError, match="case 'q-1' is in clusters 'a' and 'b'; a case has one"):
        read_recorded(path, kind="lines")


def test_runs_that_lack_cases_say_so(tmp_path: Path) -> None:
    """An agent that was not tried on all cases stays in, and is named with what it lacks."""
    path = _lines(tmp_path, _line(agent="a"), _line(agent="a", case_id="q-2"), _line(agent="b", case_id="q-2"))
    recorded = read_recorded(path, kind="lines")

    assert {"b": ("q-1",)} == recorded.lacking()
    assert ["a", "b"] == [run.header.agent for run in recorded.runs]
    assert 1 == len({run.header.evalset_digest for run in recorded.runs})


def test_cases_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    """However the file has them, so that two files of the same episodes give the same run."""
    ordered = [_line(case_id="q-1"), _line(case_id="q-1", repeat=1), _line(case_id="q-2")]
    straight = read_recorded(_lines(tmp_path, *ordered), kind="lines")
    turned = read_recorded(_lines(tmp_path, *reversed(ordered)), kind="lines")

    assert straight.digest == turned.digest
    assert [("q-1", 0), ("q-1", 1), ("q-2", 0)] == [(s.case_id, s.repeat) for s in turned.runs[0].scores]


def test_reports_and_recordings_mean_the_same_costs() -> None:
    """The room of reports may not be imported there, so the names that both use are compared."""
    assert COSTS == tuple(REPORTED)
