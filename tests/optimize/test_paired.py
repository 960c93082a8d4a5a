"""What few cases tell: cases are compared as pairs, relatives learn from each other."""

import numpy as np
import pytest

from workbench.optimize.paired import ALIKE, LEAST_SPREAD, judge, kernel

NAMED = np.array([True, False])


def test_it_is_the_posterior_of_the_whole_model() -> None:
    """Summing cases and level out gives what the joint Gaussian of every single score gives."""
    rng = np.random.default_rng(1)
    prior = kernel(np.array([[0, 0.0], [1, 0.0], [1, 0.5], [2, 1.0]]), NAMED)
    scores = rng.random((4, 7))
    scores[0, 5:] = scores[1, 2:] = scores[3, :] = np.nan
    found = judge(prior, scores)

    who, case = np.nonzero(np.isfinite(scores))
    values = scores[who, case]
    spread = max(LEAST_SPREAD, float(values.var()))
    level = 1e6  # a flat prior
    covariance = prior[np.ix_(who, who)] + ALIKE * spread * (case[:, None] == case) + level
    covariance += (1 - ALIKE) * spread * np.eye(len(values))
    expected = prior[:, who] @ np.linalg.solve(covariance, values - values.mean())
    left = prior - prior[:, who] @ np.linalg.solve(covariance, prior[who])

    assert found.mean - found.mean[0] == pytest.approx(expected - expected[0], abs=1e-5)
    assert found.covariance == pytest.approx(left, abs=1e-5)


def test_who_met_easy_cases_is_not_taken_for_better() -> None:
    """Two that agree on what both met are nearly alike, where their means are half a point apart."""
    prior = kernel(np.array([[0, 0.0], [1, 0.0]]), NAMED)
    hard, easy = [0.0] * 6, [1.0] * 6
    found = judge(prior, np.array([hard + easy, hard + [np.nan] * 6]))

    assert abs(found.mean[1] - found.mean[0]) < 0.05 < np.mean(hard + easy) - np.mean(hard)


def test_a_relative_that_met_nothing_shares_the_gain() -> None:
    """What a value of one knob added is expected of it beside other values, too."""
    prior = kernel(np.array([[0, 0.0], [1, 0.0], [0, 1.0], [1, 1.0]]), NAMED)
    unmet = [np.nan] * 20
    found = judge(prior, np.array([[0.0] * 20, [1.0] * 20, unmet, unmet]))

    assert found.mean[3] - found.mean[2] > 0.05


def test_more_cases_tell_more_and_met_ones_nothing() -> None:
    """Of the two that are compared; nothing is told by no cases."""
    prior = kernel(np.array([[0, 0.0], [1, 0.0]]), NAMED)
    found = judge(prior, np.array([[0.0, 1.0], [1.0, 1.0]]))
    told = [found.told(0, 1, np.array([cases, 0.0])) for cases in (1.0, 6.0)]

    assert 0 < told[0][0] < told[1][0]
    assert told[1][1] == 0


def test_hope_ends_when_all_is_known() -> None:
    """It is what luck could still bring, and falls with every case."""
    prior = kernel(np.array([[0, 0.0], [1, 0.0]]), NAMED)
    rng = np.random.default_rng(2)
    hopes = [judge(prior, rng.integers(0, 2, (2, cases)).astype(float)).hope(0) for cases in (5, 5000)]

    assert hopes[0] > 0.01 > hopes[1]
