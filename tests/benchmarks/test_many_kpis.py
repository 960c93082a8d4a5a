"""The benchmark's gates are the gate's, and its references would notice a wrong number."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import many_kpis
from benchmarks.many_kpis import Family, Row, count, figures, gate_all, references
from benchmarks.resampling import Attempts, Drawing
from workbench.core import Run

MakeRun = Callable[..., Run]


def test_every_number_equals_its_reference() -> None:
    """To 1e-9, as the target says; and what is shown can be written as JSON."""
    shown = figures([], 1, 1.0, references())

    assert [] == [one.name for one in shown if not one.met]
    assert len(shown) == len(json.loads(json.dumps([vars(one) for one in shown])))


def test_a_wrong_number_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A correction that forgets to count down, as Bonferroni's does."""
    monkeypatch.setattr(many_kpis, "holm", lambda raw: [min(1.0, len(raw) * p) for p in raw])

    assert references()["Holm's correction, by hand"] > 1e-3


def test_kpis_of_a_family_share_their_attempts() -> None:
    """The same KPI twice differs in nothing, and its gates are checked against the gate itself."""
    values = (np.random.default_rng(71).random((30, 4)) < 0.6).astype(np.float64)
    family = Family("twins", (Attempts("a", "m", values), Attempts("a", "n", values)), Drawing("one", 1))
    first, second = family.draw(40, 5).values()

    assert (first.old.tolist(), first.new.tolist()) == (second.old.tolist(), second.new.tolist())
    row = count(family, 40, 30, 30)
    assert (30, True) == (row.gates, row.failed <= row.bare <= row.dropped)


def test_pairs_are_runs_of_the_same_cases(make_run: MakeRun) -> None:
    """Three runs of four cases and two of three: six ordered pairs and two."""
    runs = [make_run([1, 0, 1, 1], agent=name) for name in "abc"] + [make_run([1, 0, 1], agent=name) for name in "de"]
    pairs, _seconds, verdicts = gate_all(runs)

    assert (8, {"UNMEASURED": 8}) == (pairs, verdicts)


def test_more_than_five_in_a_hundred_misses_the_target() -> None:
    """By a false FAIL or by a false "better"."""
    shown = figures(
        [Row("a", 50, 100, failed=6, better=5), Row("b", 50, 100, failed=5, better=6)], 2, 61.0, {"n": 1e-8}
    )

    assert [False, True, True, False, False, False] == [one.met for one in shown]
