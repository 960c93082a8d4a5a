"""The benchmark finds what is out of scope where it can be found, finds nothing where it can't, and says so."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import abstention as benchmark
from benchmarks.intent_signals import SIGNALS, Intents, Messages
from workbench.core import DataError


def make_data(*, apart: float) -> benchmark.Data:
    """Twenty intents of 25 messages; `apart` is how far they stand from each other, against the spread inside.

    At 0 they share their words, too.
    """
    stream = np.random.default_rng(5)
    labels = np.repeat(np.arange(20), 25)
    rows = apart * stream.normal(size=(20, 384))[labels] + stream.normal(size=(500, 384))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    texts = [f"{chr(97 + label) if apart else ''}word {chr(97 + place % 7)}end" for place, label in enumerate(labels)]
    places = np.arange(500)
    messages = Messages(texts, rows.astype(np.float32), labels)
    intents = [f"intent-{number:02}" for number in range(20)]
    return benchmark.Data(messages, test=places[places % 5 == 0], train=places[places % 5 != 0], intents=intents)


def test_unknown_intents_are_found_where_they_stand_apart() -> None:
    """Nearly all of them; and where an intent is told by nothing, the AUROC is that of chance."""
    told, untold = (benchmark.attempt(make_data(apart=apart), 0) for apart in (1.0, 0.0))

    assert told.scope.estimate is not None
    assert untold.scope.low is not None
    assert untold.scope.high is not None
    assert told.scope.estimate > 0.95
    assert untold.scope.low < 0.5 < untold.scope.high
    assert (100, 20) == (told.scope.cases, told.scope.clusters)
    assert 50 == sum(told.judged.right)


def test_every_signal_is_higher_for_a_message_that_is_known() -> None:
    """The median of copies of known messages against a vector and words that nothing is like."""
    data = make_data(apart=1.0)
    known = data.messages.take(data.train)
    rows, found = Intents(known).measure(known.take(np.arange(20)))
    strange = Messages(["unheard words"], np.full((1, 384), 384**-0.5, dtype=np.float32), np.array([0]))
    unlike, _found = Intents(known).measure(strange)

    assert (20, len(SIGNALS)) == rows.shape
    assert known.labels[:20].tolist() == found.tolist()
    assert [] == [
        name for name, high, low in zip(SIGNALS, np.median(rows, axis=0), unlike[0], strict=True) if high <= low
    ]


@pytest.mark.parametrize(("apart", "expected"), [(1.0, 0), (0.0, 1)])
def test_the_exit_code_is_the_measured_target(
    apart: float, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And file and plot hold what was measured, met or not."""
    monkeypatch.setattr(benchmark, "load", lambda **_options: make_data(apart=apart))
    figures, plot = tmp_path / "figures.json", tmp_path / "curve.png"

    assert expected == benchmark.main(["--quick", "--json", str(figures), "--plot", str(plot)])
    shown = capsys.readouterr().out
    assert ("target met" in shown) == (expected == 0)
    assert "500 train" not in shown
    assert "400 train and 100 test messages, quick" in shown
    assert (expected == 0) == json.loads(figures.read_text())["met"]
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_without_data_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit code 2, as for any input that has to be put right."""
    monkeypatch.setenv("WORKBENCH_SHARED_DATA", str(tmp_path))

    assert 2 == benchmark.main(["--quick"])
    with pytest.raises(DataError, match="is not there"):
        benchmark.read(quick=True)
