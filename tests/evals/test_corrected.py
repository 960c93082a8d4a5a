"""The corrected rate: equal to the published formulas, honest about its limits, and covering the truth."""

import math

import numpy as np
import pytest

from workbench.core import EvaluationError
from workbench.evals.corrected import calibrate, corrected_rate


def published(apparent: tuple[int, int], caught: tuple[int, int], passed: tuple[int, int]) -> tuple[float, float]:
    """Lang & Reiczigel's bounds as `asht::prevSeSp` of CRAN (version 1.0.3) computes them, written down from it."""
    z = 1.959963984540054
    (x, n), (a, m), (b, k) = apparent, caught, passed
    se, sp, share = (a + 1) / (m + 2), (b + 1) / (k + 2), (x + z * z / 2) / (n + z * z)
    rate = (share + sp - 1) / (se + sp - 1)
    shift = 2 * z * z * (rate * se * (1 - se) / (m + 2) - (1 - rate) * sp * (1 - sp) / (k + 2))
    inner = share * (1 - share) / (n + z * z)
    inner += rate**2 * se * (1 - se) / (m + 2) + (1 - rate) ** 2 * sp * (1 - sp) / (k + 2)
    spread = z * math.sqrt(inner / (se + sp - 1) ** 2)
    return max(0.0, rate + shift - spread), min(1.0, rate + shift + spread)


def marks(hits: int, answers: int) -> list[bool]:
    return [True] * hits + [False] * (answers - hits)


@pytest.mark.parametrize(
    ("apparent", "caught", "passed"),
    [
        ((30, 100), (45, 50), (45, 50)),
        ((20, 100), (48, 50), (297, 300)),
        ((3, 263), (88, 89), (132, 134)),
        ((400, 500), (75, 80), (9, 10)),
        ((0, 40), (10, 10), (10, 10)),
    ],
)
def test_it_is_the_published_interval(
    apparent: tuple[int, int], caught: tuple[int, int], passed: tuple[int, int]
) -> None:
    """Estimate and bounds equal Rogan & Gladen's and Lang & Reiczigel's, to the last digits."""
    faulty = marks(caught[1], caught[1] + passed[1])
    flagged = marks(*caught) + [not right for right in marks(*passed)]
    found = corrected_rate(marks(*apparent), calibrate(faulty, flagged))

    share, se, sp = (hits / answers for hits, answers in (apparent, caught, passed))
    assert pytest.approx(min(1, max(0, (share + sp - 1) / (se + sp - 1))), abs=1e-12) == found.estimate
    assert pytest.approx(published(apparent, caught, passed), abs=1e-12) == (found.low, found.high)
    assert (share, se, sp, "") == (found.apparent, found.sensitivity, found.specificity, found.reason)


def test_a_judge_without_errors_changes_nothing() -> None:
    """With all labels met the estimate is the apparent rate, and the interval is wider than without doubt."""
    found = corrected_rate(marks(25, 100), calibrate(marks(200, 400), marks(200, 400)))

    assert 0.25 == found.estimate
    assert (found.low or 0) < 0.18
    assert (found.high or 1) > 0.33


@pytest.mark.parametrize(("caught", "passed"), [(25, 25), (10, 30), (27, 27)])
def test_a_judge_no_better_than_chance_leaves_the_rate_unmeasured(caught: int, passed: int) -> None:
    """Coin, worse than a coin, and better than one by luck at most: no estimate, a reason, and never NaN."""
    flagged = marks(caught, 50) + [not right for right in marks(passed, 50)]
    found = corrected_rate(marks(30, 100), calibrate(marks(50, 100), flagged))

    assert (None, None, None) == (found.estimate, found.low, found.high)
    assert "not shown to be better than chance" in found.reason
    assert 0.3 == found.apparent


def test_what_lacks_is_said() -> None:
    """No answer, no faulty label, no sound label, a single cluster: unmeasured, each with its reason."""
    good = calibrate(marks(50, 100), marks(50, 100))
    clustered = calibrate(marks(50, 100), marks(50, 100), ["one"] * 100)

    assert "the judge saw no answer" == corrected_rate([], good).reason
    assert "faulty" in corrected_rate(marks(1, 2), calibrate([False], [False])).reason
    assert "sound" in corrected_rate(marks(1, 2), calibrate([True], [True])).reason
    assert "single cluster" in corrected_rate(marks(1, 2), clustered).reason


def test_fewer_flags_than_any_rate_explains_are_no_certainty() -> None:
    """A judge that flagged a tenth of the sound labels and flags nothing in use errs otherwise there."""
    labelled = calibrate(marks(100, 600), marks(90, 100) + marks(50, 500))
    found = corrected_rate(marks(2, 400), labelled)

    assert found.estimate is None
    assert "errs otherwise" in found.reason


def test_sequences_must_belong_together() -> None:
    """A label too many is an error of the caller, not a rate."""
    with pytest.raises(EvaluationError, match="one of each for each answer"):
        calibrate([True, False], [True])


def test_clusters_that_agree_within_widen_the_interval() -> None:
    """Ten answers of each of twenty clusters, all alike, tell less than two hundred answers."""
    good = calibrate(marks(150, 300), marks(140, 150) + marks(10, 150))
    alone = corrected_rate(marks(60, 200), good)
    alike = corrected_rate(marks(60, 200), good, clusters=[f"c{place // 10}" for place in range(200)])

    assert alone.estimate == alike.estimate
    assert (alike.low or 0) < (alone.low or 0) - 0.05
    assert (alike.high or 0) > (alone.high or 0) + 0.05


@pytest.mark.parametrize("clustered", [False, True])
def test_the_interval_covers_the_truth(clustered: bool) -> None:
    """Sensitivity 0.85, specificity 0.9, true rate 0.2: 95 % intervals hold it in 93 to 97 % of 800 draws.

    Clustered: the answers of a cluster are all faulty or all sound, and flagged alike or not.
    """
    stream, held, size = np.random.default_rng(5), 0, 5 if clustered else 1
    for _ in range(800):
        faulty, flagged = draw(stream, 120, 0.5, size)
        _truth, seen = draw(stream, 160, 0.2, size)
        names = [[f"c{place // size}" for place in range(len(part))] if clustered else None for part in (faulty, seen)]
        found = corrected_rate(seen, calibrate(faulty, flagged, names[0]), clusters=names[1])
        held += found.low is not None and found.high is not None and found.low <= 0.2 <= found.high

    assert 0.93 <= held / 800 <= 0.97


def draw(stream: np.random.Generator, clusters: int, rate: float, size: int) -> tuple[list[bool], list[bool]]:
    faulty = stream.random(clusters) < rate
    flagged = stream.random(clusters) < np.where(faulty, 0.85, 0.1)
    return np.repeat(faulty, size).tolist(), np.repeat(flagged, size).tolist()
