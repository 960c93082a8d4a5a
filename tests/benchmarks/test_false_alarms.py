"""What the benchmark measures is what the gate does, and its drops are as large as it says."""

import numpy as np
import pytest

from benchmarks.false_alarms import MARGIN, NO_WORSE, WITH_MARGIN, figures, outside, recorded_pairs
from benchmarks.gate_trials import Pool, Row, checked, cover, find, measure
from benchmarks.resampling import Attempts, Drawing, with_room
from workbench.gates import Rule

STREAM = np.random.default_rng(61)
AGENT = Attempts("agent", "m", (STREAM.random((30, 9)) < STREAM.random((30, 1))).astype(np.float64))
DRAWINGS = [Drawing("one", 1), Drawing("four", 4), Drawing("halves", 0)]


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.name)
@pytest.mark.parametrize("rule", [NO_WORSE, WITH_MARGIN], ids=["no margin", "margin"])
@pytest.mark.parametrize("drop", [0.0, 0.1, 0.4])
def test_the_short_way_finds_what_the_gate_finds(drawing: Drawing, rule: Rule, drop: float) -> None:
    """Every field of the finding, for comparisons that fail, pass and can't tell."""
    stream = np.random.default_rng(62)
    for _ in range(5):
        pairs = drawing.pairs(25, AGENT, drop, stream)
        assert find(rule, pairs) == checked(rule, pairs)


def test_any_drop_blocks_what_the_gate_does_not() -> None:
    """Successes of four trials as in tau-bench's recording, 21, 22, 20 and 21: five of twelve ordered pairs drop."""
    values = np.zeros((50, 4))
    for trial, count in enumerate((21, 22, 20, 21)):
        values[trial : trial + count, trial] = 1

    assert (5, 0, 12) == recorded_pairs(Attempts("agent", "m", values))


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.name)
def test_a_planted_drop_is_as_large_as_it_says(drawing: Drawing) -> None:
    """Over 400 comparisons the mean difference is the drop, within four errors; no attempt is on both sides."""
    stream = np.random.default_rng(63)
    for drop in (0.0, 0.1):
        found = [drawing.pairs(30, AGENT, drop, stream).difference or 0.0 for _ in range(400)]
        assert abs(float(np.mean(found)) + drop) < 4 * float(np.std(found)) / 20
    numbered = Attempts("agent", "m", np.arange(90.0).reshape(10, 9))
    old, new = Drawing("four", 4).rows(40, numbered, stream)
    for before, after in zip(old.tolist(), new.tolist(), strict=True):
        assert 8 == len({*before, *after})
        assert 1 == len({int(value) // 9 for value in (*before, *after)})


def test_a_row_counts_what_it_was_given() -> None:
    """A drop of two thirds in 60 tasks is always seen, and none is rarely; every one went through the gate."""
    pool = Pool("agents", with_room([AGENT], 0.1))
    none, large = (measure(pool, DRAWINGS[1], (60, drop), NO_WORSE, (40, 40)) for drop in (0.0, AGENT.rate * 2 / 3))

    assert (40, 40, 40) == (none.comparisons, none.checked, large.fails)
    assert none.fails <= 4
    assert none.limit > none.blocked
    assert none.smallest[0.8] < none.smallest[0.95]
    assert cover(pool, 40, 200)[2] > 0.85


def test_a_gate_that_cries_wolf_misses_the_target() -> None:
    """Six in a hundred blocked is more than the target allows, and a drop that is not seen is none that is."""
    loud = Row("tau-bench", "one", 50, 0.0, 10_000, 600, covered=9_400)
    quiet = Row("AgentDyn", "one", 50, 0.0, 10_000, 200, covered=9_500)
    blind = Row("tau-bench", "one", 560, MARGIN, 1_000, 700, covered=900, differences=[-0.05, -0.0501])
    shown = {one.name: one.met for one in figures([loud, quiet], [blind], [("rates", 50, 0.95)])}

    assert not shown["tau-bench: blocked"]
    assert not shown["tau-bench: largest upper limit of a row"]
    assert shown["AgentDyn: blocked"]
    assert not shown["5 points: least seen in 1 rows that allow it"]
    assert not shown["intervals of planted differences: covered, mean of 1 rows"]
    assert shown["intervals of rates: covered, mean of 1 rows"]


def test_rows_outside_are_named_whatever_the_mean_says() -> None:
    """Too little and too much, of differences and of rates; those within, bounds included, are not."""
    below, within, above = (Row("agents", "one", 50, 0.0, 1_000, covered=held) for held in (929, 930, 971))
    lines = outside([below, within, above], [("agents", 20, 0.98), ("agents", 50, 0.97)]).splitlines()

    assert "rows whose intervals cover less than 93% or more than 97%: 3 of 5" == lines[0]
    assert [
        "  92.9%: agents, one, 50 tasks, drop 0",
        "  97.1%: agents, one, 50 tasks, drop 0",
        "  98.0%: agents, rate of 20 tasks",
    ] == lines[1:]
