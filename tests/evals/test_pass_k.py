"""pass^k and pass@k against worked figures, published ones and plain counting."""

from itertools import combinations

import pytest

from workbench.core import EvaluationError, Run, RunHeader, Score
from workbench.evals import measure
from workbench.evals.pass_k import all_of, measure_pass, one_of, pass_at_k, pass_hat_k


def _run(marks: dict[str, list[float | None]], clusters: dict[str, str] | None = None, reason: str = "data: x") -> Run:
    header = RunHeader(agent="a", agent_digest="0", evalset_digest="0", split="test", metrics=("ok",))
    scores = tuple(
        Score(case_id=case_id, repeat=repeat, metric="ok", value=value, reason="" if value is not None else reason)
        for case_id, values in marks.items()
        for repeat, value in enumerate(values)
    )
    named = clusters or {case_id: case_id for case_id in marks}
    return Run(header=header, clusters=named, tags={}, episodes=(), scores=scores)


MARKS: dict[str, list[float | None]] = {"a": [1, 1, 1, 1], "b": [1, 1, 0, 1], "c": [0, 1, 0, 0], "d": [0, 0, 0, 0]}


@pytest.mark.parametrize("right", range(5))
@pytest.mark.parametrize("k", range(1, 5))
def test_the_formulas_count_subsets(k: int, right: int) -> None:
    """They are the shares of all subsets of k tries that are all right, and that are right at least once."""
    chosen = list(combinations([1] * right + [0] * (4 - right), k))

    assert pytest.approx(sum(map(all, chosen)) / len(chosen)) == all_of(k, right, 4)
    assert pytest.approx(sum(map(any, chosen)) / len(chosen)) == one_of(k, right, 4)


def test_a_table_worked_by_hand() -> None:
    """Right in 4, 3, 1 and 0 of 4: pass^2 = (6 + 3 + 0 + 0) / 6 / 4, pass@2 = (6 + 6 + 3 + 0) / 6 / 4."""
    run = _run(MARKS)

    assert pytest.approx(9 / 24) == pass_hat_k(run, "ok", 2)
    assert pytest.approx(15 / 24) == pass_at_k(run, "ok", 2)
    assert pytest.approx(1 / 4) == pass_hat_k(run, "ok", 4)


def test_pass_1_is_the_mean() -> None:
    """Of any run with equally many repeats, as a report has it."""
    run = _run(MARKS)

    assert pytest.approx(measure(run, "ok").estimate) == pass_hat_k(run, "ok", 1) == pass_at_k(run, "ok", 1)


def test_too_few_repeats_are_unmeasured() -> None:
    """A case that lost a repeat can't be left out: what is hard breaks off more often."""
    run = _run(MARKS | {"e": [1, None, 1, 1]})

    assert pass_hat_k(run, "ok", 3) is not None
    assert pass_hat_k(run, "ok", 4) is None
    assert "1 of 5 cases have fewer than 4 scored repeats, 'e' first" == measure_pass(run, "ok", 4, all_of).reason


def test_a_case_without_any_score_is_not_forgotten() -> None:
    """It has no scored repeat at all; but a case to which the metric does not apply is no gap."""
    assert pass_hat_k(_run(MARKS | {"e": [None]}), "ok", 1) is None
    assert pass_hat_k(_run({"e": [None], "f": [1]}, reason="does not apply: none"), "ok", 1) == 1.0
    assert "applies to no case" == measure_pass(_run({}), "ok", 1, all_of).reason


def test_the_interval_counts_clusters() -> None:
    """Ten copies of a case in its cluster make nothing surer; one cluster alone gives no interval."""
    apart = measure_pass(_run(MARKS), "ok", 2, all_of)
    copied: dict[str, list[float | None]] = {f"{name}{n}": marks for name, marks in MARKS.items() for n in range(10)}
    together = measure_pass(_run(copied, {name: name[0] for name in copied}), "ok", 2, all_of)
    alone = measure_pass(_run(MARKS, dict.fromkeys(MARKS, "x")), "ok", 2, all_of)

    assert pytest.approx(apart.interval) == together.interval
    assert (None, None) == alone.interval
    assert (4, 40) == (apart.cases, together.cases)


def test_wrong_questions_are_refused() -> None:
    """k below 1, a metric that the run lacks, and scores that are no successes."""
    run = _run(MARKS)

    with pytest.raises(EvaluationError, match="k is 0; it counts tries, from 1"):
        pass_hat_k(run, "ok", 0)
    with pytest.raises(EvaluationError, match=r"run of 'a': has no metric 'okay'; did you mean \"ok\"\?"):
        pass_at_k(run, "okay", 1)
    with pytest.raises(EvaluationError, match=r"case 'b' repeat 1 has 0\.5; it counts successes"):
        pass_hat_k(_run({"b": [1, 0.5]}), "ok", 1)
