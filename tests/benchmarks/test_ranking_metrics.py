"""The benchmark compares with the real trec_eval, and sees a wrong formula."""

from pathlib import Path

import pytest

pytest.importorskip("pytrec_eval", reason="the reference implementation is not installed")

from benchmarks import ranking_metrics as benchmark
from workbench.evals import recall_at


def test_generated_extremes_agree_with_trec_eval() -> None:
    """Ties, empty rankings, everything relevant, grades below 0 and above 1, thousands of documents."""
    for rankings in (benchmark.ties_and_gaps(18), benchmark.graded_and_long(3, 400)):
        agreement = benchmark.compare(rankings)

        assert agreement.largest <= benchmark.TOLERANCE
        assert (agreement.queries - agreement.unscored) * len(benchmark.FORMULAS) == agreement.values


def test_the_extremes_hold_what_they_are_for() -> None:
    """Empty rankings, queries without anything relevant, every grade, and rankings longer than the deepest cut."""
    gaps, long = benchmark.ties_and_gaps(18), benchmark.graded_and_long(3, 8000)

    assert 3 == sum(not ranking for ranking in gaps.scores.values())
    assert 3 == benchmark.compare(gaps).unscored
    assert {0.0, 1.0, 2.0, 3.0, 4.0} == {score for ranking in gaps.scores.values() for score in ranking.values()}
    assert {-1, 0, 1, 2, 3, 4} == {grade for grades in long.qrels.values() for grade in grades.values()}
    assert 1000 < max(map(len, long.scores.values()))


def test_a_wrong_formula_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Capped recall is not trec_eval's where more is relevant than fits."""
    monkeypatch.setitem(benchmark.FORMULAS, "recall_5", lambda ranked, relevant: recall_at(5, ranked, relevant))

    assert benchmark.compare(benchmark.ties_and_gaps(18)).largest > 0.1


def test_another_order_of_ties_is_another_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken by id ascending, ties give other values than trec_eval's: the rule has to be stated."""
    monkeypatch.setattr(benchmark, "trec_order", lambda scores: sorted(scores, key=lambda one: (-scores[one], one)))

    assert benchmark.compare(benchmark.ties_and_gaps(18)).largest > 0.1


@pytest.mark.parametrize(("tolerance", "expected"), [(1e-9, 0), (-1.0, 1)])
def test_the_exit_code_is_what_was_measured(
    tolerance: float, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tolerance that nothing can meet is a miss, and the file says so."""
    small = benchmark.ties_and_gaps(6)
    monkeypatch.setattr(benchmark, "scifact", lambda _claims, _depth: (small, small))
    monkeypatch.setattr(benchmark, "TOLERANCE", tolerance)

    assert expected == benchmark.main(["--quick", "--json", str(tmp_path / "figures.json")])
    assert ("target met" in capsys.readouterr().out) == (expected == 0)
    assert f'"met": {str(expected == 0).lower()}' in (tmp_path / "figures.json").read_text()


def test_without_the_data_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and no table."""
    monkeypatch.setenv("WORKBENCH_SHARED_DATA", str(tmp_path))

    assert 2 == benchmark.main(["--quick"])
    assert "shared data 'scifact'" in capsys.readouterr().err
