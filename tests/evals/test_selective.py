"""Confidence against outcome: the AUROC, the risk of answering, and what a threshold costs."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from workbench.core import EvaluationError
from workbench.evals.selective import (
    Judged,
    Operating,
    Price,
    auroc,
    cheapest,
    judge,
    operate,
    operating_curve,
    risk_area,
    risk_coverage,
    threshold_for,
)

PRICE = Price(error=5, escalation=1)


def cases(confidence: Sequence[float], right: Sequence[bool]) -> Judged:
    """Every case a cluster of its own."""
    return judge(confidence, right, [f"c{place}" for place in range(len(right))])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auroc_is_that_of_sklearn_with_ties(rows: list[tuple[int, bool]]) -> None:
    """To nine digits; where all cases are of one kind there is none."""
    confidence, right = [row[0] / 7 for row in rows], [row[1] for row in rows]
    line = auroc(cases(confidence, right))

    if len(set(right)) == 1:
        assert (None, 0, len(rows)) == (line.estimate, line.cases, line.unscored)
        assert "so nothing can be told apart" in line.reason
    else:
        assert pytest.approx(roc_auc_score(right, confidence), abs=1e-9) == line.estimate


def test_the_variance_is_that_of_delong() -> None:
    """Worked by hand for 3 right and 2 wrong cases, each a cluster; then Wilson's form with t(1).

    Right 0.9, 0.6, 0.4 beat wrong 0.5, 0.3 in shares 1, 1, 1/2; wrong are beaten in shares 2/3, 1. The estimate is
    5/6; the variances of the shares are 1/12 and 1/18, so DeLong's is 1/36 + 1/36 = 1/18, the effective size
    (5/36) / (1/18) = 2.5, and Student's quantile of one degree of freedom 12.706.
    """
    line = auroc(cases([0.9, 0.6, 0.4, 0.5, 0.3], [True, True, True, False, False]))
    share, size, quantile = 5 / 6, 2.5, 12.706204736
    centre = (share + quantile**2 / 5) / (1 + quantile**2 / size)
    spread = quantile / (1 + quantile**2 / size) * (share * (1 - share) / size + (quantile / 5) ** 2) ** 0.5

    assert pytest.approx((share, centre - spread, centre + spread)) == (line.estimate, line.low, line.high)


def test_cases_that_come_in_clusters_say_less() -> None:
    """The same cases five times over, as one cluster each time, give the interval of one time, not a narrower one."""
    stream = np.random.default_rng(3)
    confidence = stream.normal(size=60) + np.repeat([1.0, 0.0], 30)
    right = np.repeat([True, False], 30).tolist()
    names = [f"c{place}" for place in range(60)]
    once, alone = auroc(judge(confidence.tolist(), right, names)), auroc(cases([*confidence] * 5, right * 5))
    together = auroc(judge([*confidence] * 5, right * 5, names * 5))

    assert together.low is not None
    assert once.low is not None
    assert alone.low is not None
    assert pytest.approx(once.low, abs=1e-3) == together.low
    assert alone.low > together.low + 0.02


def test_right_and_wrong_cases_of_a_cluster_count_together() -> None:
    """Where clusters differ in how well they are told apart, pulling each in two hides half of what they share."""
    apart = np.random.default_rng(4).normal(size=30)
    right = [True] * 30 + [False] * 30
    names = [f"c{place}" for place in range(30)]
    together = auroc(judge([*apart, *-apart], right, names * 2))
    pulled = auroc(judge([*apart, *-apart], right, [*names, *(f"other {name}" for name in names)]))

    assert together.low is not None
    assert pulled.low is not None
    assert together.estimate == pulled.estimate
    assert pulled.low > together.low + 0.03


def test_the_interval_covers_the_truth() -> None:
    """Right minus wrong is normal with mean 1 and variance 2 + 2 of clusters: P = Phi(1/2); 93-99 % of 400 samples."""
    truth, covered = 0.6914624612740131, 0
    stream = np.random.default_rng(11)
    for _ in range(400):
        clusters = np.repeat(np.arange(40), 4)
        right = clusters < 20
        values = stream.normal(size=40)[clusters] + stream.normal(size=160) + right
        line = auroc(judge(values.tolist(), right.tolist(), [str(number) for number in clusters]))
        assert line.low is not None
        assert line.high is not None
        covered += line.low <= truth <= line.high

    assert 0.93 <= covered / 400 <= 0.99


@pytest.mark.parametrize(("reverse", "expected"), [(False, 1.0), (True, 0.0)])
def test_perfection_is_not_proven(reverse: bool, expected: float) -> None:
    """Ten clusters that are all told apart leave room below 1, and above 0 the other way round."""
    line = auroc(cases([float(place) for place in range(20)], [(place >= 10) != reverse for place in range(20)]))

    assert expected == line.estimate
    assert line.low is not None
    assert line.high is not None
    assert line.high - line.low > 0.1


def test_one_cluster_of_a_kind_gives_no_interval() -> None:
    """There is nothing to estimate from."""
    line = auroc(judge([0.9, 0.8, 0.1, 0.2], [True, True, False, False], ["a", "b", "c", "c"]))

    assert (1.0, None, None) == (line.estimate, line.low, line.high)


def test_risk_at_each_coverage() -> None:
    """Ties are answered together."""
    judged = cases([0.9, 0.8, 0.8, 0.1], [True, True, False, False])

    assert [(0.9, 0.25, 0.0), (0.8, 0.75, 1 / 3), (0.1, 1.0, 0.5)] == list(risk_coverage(judged))


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_the_area_is_the_mean_over_the_orders_of_ties(rows: list[tuple[int, bool]]) -> None:
    """Against all orders that the confidences allow, by brute force."""
    areas = []
    for order in itertools.permutations(rows):
        if [row[0] for row in order] == sorted((row[0] for row in rows), reverse=True):
            wrong = np.cumsum([not row[1] for row in order])
            areas.append(float((wrong / np.arange(1, len(rows) + 1)).mean()))

    judged = cases([float(row[0]) for row in rows], [row[1] for row in rows])
    assert pytest.approx(float(np.mean(areas))) == risk_area(judged)


def test_what_a_threshold_costs() -> None:
    """Of four answered one is wrong (5), one case is escalated (1): 6 over 5 cases."""
    judged = cases([0.9, 0.8, 0.7, 0.6, 0.5], [True, True, True, False, False])
    point = operate(judged, 0.6, PRICE)

    assert (0.2, 0.25, 1.2, 5, 5) == (point.escalated, point.error, point.cost, point.cases, point.clusters)
    assert point.error_low is not None
    assert point.error_high is not None
    assert 0 < point.error_low < 0.25 < point.error_high < 1


def test_escalating_everything_has_no_error() -> None:
    """Not an error of 0: nothing is answered."""
    point = operate(cases([0.9, 0.1], [True, False]), None, PRICE)

    assert (1.0, None, None, 1.0, 1.0, 1.0) == (
        point.escalated,
        point.error,
        point.error_low,
        point.cost,
        point.cost_low,
        point.cost_high,
    )


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=25),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_the_cheapest_is_the_best_of_all_thresholds(rows: list[tuple[int, bool]], error: int, escalation: int) -> None:
    """And of several the one that escalates least."""
    judged = cases([float(row[0]) for row in rows], [row[1] for row in rows])
    price = Price(error=error, escalation=escalation)
    tried: list[Operating] = [operate(judged, value, price) for value in [*sorted({float(r[0]) for r in rows}), None]]
    least = min(point.cost for point in tried)

    assert next(point for point in tried if point.cost <= least + 1e-9) == cheapest(judged, price)


def test_prices_decide_what_is_cheapest() -> None:
    """Errors that cost nothing are answered; escalations that cost nothing are made."""
    judged = cases([0.9, 0.8, 0.7], [True, False, True])

    assert 0.0 == cheapest(judged, Price(error=0, escalation=1)).escalated
    assert pytest.approx(2 / 3) == cheapest(judged, Price(error=1, escalation=0)).escalated
    assert None is cheapest(cases([0.9, 0.8], [False, True]), Price(error=1, escalation=0)).threshold


def test_the_curve_goes_from_answering_all_to_answering_none() -> None:
    """Each threshold once, more and more escalated."""
    judged = cases([0.9, 0.8, 0.8, 0.1], [True, True, False, False])
    curve = operating_curve(judged, PRICE)

    assert [0.1, 0.8, 0.9, None] == [point.threshold for point in curve]
    assert [0.0, 0.25, 0.75, 1.0] == [point.escalated for point in curve]
    assert 5 == len(operating_curve(cases([float(place) for place in range(50)], [True] * 50), PRICE, most=5))


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 0.0), (0.3, 0.3), (0.1 + 0.2, 0.3), (0.31, 0.4), (0.9, 0.9), (0.91, None)]
)
def test_a_share_of_cases_is_escalated(share: float, expected: float | None) -> None:
    """At least the share, in spite of the last digit."""
    judged = cases([place / 10 for place in range(10)], [True] * 10)

    assert expected == threshold_for(judged, share)


@pytest.mark.parametrize(
    ("confidence", "right", "clusters", "problem"),
    [
        ([], [], [], "got 0 confidences, 0 outcomes, 0 clusters"),
        ([0.5], [True, False], ["a"], "got 1 confidences, 2 outcomes, 1 clusters"),
        ([0.5, float("nan")], [True, False], ["a", "b"], r"confidence nan \(case 1\): is not finite"),
    ],
)
def test_what_can_not_be_judged_is_refused(
    confidence: list[float], right: list[bool], clusters: list[str], problem: str
) -> None:
    """With what is wrong."""
    with pytest.raises(EvaluationError, match=problem):
        judge(confidence, right, clusters)
