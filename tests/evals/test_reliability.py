"""Calibration of probabilities."""

import pytest

from workbench.core import EvaluationError
from workbench.evals.reliability import reliability


def test_two_bins_by_hand() -> None:
    """Four at 0.8 of which three are right, six at 0.1 of which none is: worked by hand."""
    found = reliability([0.8] * 4 + [0.1] * 6, [True, True, True, False] + [False] * 6)

    assert pytest.approx((3 * 0.04 + 0.64 + 6 * 0.01) / 10) == found.brier
    assert pytest.approx(0.4 * 0.05 + 0.6 * 0.1) == found.ece
    assert [(0.0, 6, 0.0), (0.7, 4, 0.75)] == [(one.low, one.answers, one.share) for one in found.bins]


def test_bounds_belong_to_the_bin_below() -> None:
    """0 and 0.1 are in the first bin, 1 is in the last."""
    found = reliability([0.0, 0.1, 1.0], [False, False, True])

    assert [(0.0, 2), (0.9, 1)] == [(one.low, one.answers) for one in found.bins]


@pytest.mark.parametrize(("given", "so"), [([], []), ([0.5], []), ([1.2], [True]), ([float("nan")], [True])])
def test_what_is_no_probability_is_refused(given: list[float], so: list[bool]) -> None:
    """Nothing, an outcome too few, a number beyond 1, and NaN."""
    with pytest.raises(EvaluationError, match="probabilities in"):
        reliability(given, so)
