"""Rules that may stop early, and stay valid."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import ndtr
from scipy.stats import multivariate_normal, t

from workbench.core import EvaluationError
from workbench.evals.interval import difference_moments
from workbench.gates.sequential import Claim, Decision, Plan, decide, draw_order, match_fixed
from workbench.gates.sequential_bounds import Design, Shares, Spending, bounds, foresee
from workbench.gates.sequential_interval import spread, spread_interval

FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
NAMES = tuple(f"k{place:02}" for place in range(40))


def rows(values: Sequence[float]) -> dict[str, list[float]]:
    """Each cluster has one case."""
    return {name: [value] for name, value in zip(NAMES, values, strict=False)}


def every_fourth(value: float, other: float = 0.0) -> list[float]:
    """Forty values, a quarter of them the other one."""
    return [other if place % 4 == 3 else value for place in range(40)]


@pytest.mark.parametrize(
    ("spending", "shares", "expected"),
    [
        ("obrien_fleming", (0.4, 0.75, 1.0), [2.1280732, 1.4368565, 1.2468994]),
        ("pocock", (0.35, 0.7, 1.0), [1.5446617, 1.4828682, 1.4620058]),
    ],
)
def test_bounds_are_those_of_another_program(spending: Spending, shares: Shares, expected: list[float]) -> None:
    """Three looks, 13 % on each side, giving up not binding.

    Source: designs x7a and x6a in tests/testthat/test-f_design_group_sequential.R of the R package rpact 3.3.0.
    """
    assert pytest.approx(expected, abs=1e-6) == list(bounds(shares, Design(alpha=0.26, spending=spending)).show)


@pytest.mark.parametrize("spending", ["obrien_fleming", "cubic", "pocock"])
def test_bounds_spend_all_of_alpha(spending: Spending) -> None:
    """The chance to stay below five bounds, by the integral over the correlated statistics that scipy has."""
    shares = np.array(FIFTHS)
    correlations = np.sqrt(np.minimum.outer(shares, shares) / np.maximum.outer(shares, shares))
    show = np.array(bounds(FIFTHS, Design(spending=spending)).show)
    below = multivariate_normal(cov=correlations, seed=1, maxpts=1_000_000, abseps=1e-6, releps=1e-6).cdf(show)

    assert pytest.approx(0.975, abs=1e-5) == below


@pytest.mark.parametrize("spending", ["obrien_fleming", "cubic", "pocock"])
def test_bounds_keep_what_was_promised(spending: Spending) -> None:
    """A hundred thousand random walks: errors of alpha / 2, chances as foreseen, no more given up than allowed."""
    design = Design(spending=spending)
    limits, stream = bounds(FIFTHS, design), np.random.default_rng(3)
    steps = stream.standard_normal((100_000, 5)) * np.sqrt(0.2)
    for drift in (0.0, 2.0, 3.2415):
        reached = (np.cumsum(steps, axis=1) + drift * np.array(FIFTHS)) / np.sqrt(FIFTHS)
        above, below = reached >= limits.show, reached <= np.maximum(limits.give_up, np.negative(limits.show))
        stops = above | below
        stops[:, -1] = True
        when = stops.argmax(axis=1)
        shown, outlook = above[np.arange(len(when)), when].mean(), foresee(FIFTHS, design, drift)

        assert pytest.approx(outlook.shown, abs=0.005) == shown
        assert pytest.approx(outlook.share, abs=0.005) == np.array(FIFTHS)[when].mean()
        if not drift:  # whoever goes on where there is little hope errs no more often
            assert pytest.approx(0.025, abs=0.0015) == above.any(axis=1).mean()
        given_up = (below & ~above)[:, :-1].any(axis=1).mean()
        assert drift < 3 or given_up <= 0.1


def test_one_look_is_the_ordinary_test() -> None:
    """All of alpha is spent there, and nothing is given up."""
    only = bounds((1.0,), Design())

    assert pytest.approx(1.959964, abs=1e-5) == only.show[0]
    assert pytest.approx(0.9, abs=1e-3) == foresee((1.0,), Design(), 1.959964 + 1.281552).shown


def test_a_plan_that_matches_a_fixed_one_is_a_little_longer() -> None:
    """And planned to be as powerful; with a single look there is nothing to make up for."""
    longer = match_fixed(60, Design(), every=2, reserve=0)
    counts = (*range(8, longer, 2), longer)
    shares = tuple(count / longer for count in counts)

    assert 60 < longer < 72
    assert foresee(shares, Design(), 2.8016 * (longer / 60) ** 0.5).shown >= 0.8 - 1e-6
    assert 60 == match_fixed(60, Design(), first=60, reserve=0)


def test_a_reserve_is_a_share_on_top() -> None:
    """To the nearest cluster."""
    found = [match_fixed(60, Design(), every=2, reserve=share) for share in (0, 0.005, 0.01, 0.1)]

    assert [70, 70, 71, 77] == found
    assert 74 == match_fixed(60, Design(), every=2)


@pytest.mark.parametrize(
    ("claim", "margin", "values", "state", "words"),  # the first look is after 30
    [
        ("better", 0.0, every_fourth(1), "PASS", "all of the interval is above +0.000"),
        ("better", 0.0, every_fourth(-1), "FAIL", "all of the interval is below +0.000"),
        ("better", 0.0, [1, -1] * 20, "INCONCLUSIVE", "there is little hope that the rest would move"),
        ("better", 0.97, every_fourth(1), "FAIL", "all of the interval is below +0.970"),
        ("no_worse", 0.4, [1, 0, -1, 0] * 10, "PASS", "all of the interval is above -0.400"),
        ("no_worse", 0.3, every_fourth(-1), "FAIL", "all of the interval is below -0.300"),
        ("no_worse", 0.05, [1, -1] * 20, "INCONCLUSIVE", "-0.050"),
        ("worse", 0.0, every_fourth(-1), "FAIL", "all of the interval is below +0.000"),
        ("worse", 0.0, every_fourth(1), "PASS", "all of the interval is above +0.000"),
        ("worse", 0.0, [1, -1] * 20, "PASS", "not shown to be worse: there is little hope"),
        ("worse", 0.97, every_fourth(-1), "PASS", "all of the interval is above -0.970"),
    ],
)
def test_every_claim_passes_fails_and_gives_up(
    claim: Claim, margin: float, values: list[float], state: str, words: str
) -> None:
    """Forty clusters at most; the state agrees with the interval."""
    plan = Plan(claim=claim, margin=margin, clusters=NAMES, first=30)
    found = decide(plan, rows(values))
    assert found.low is not None
    assert found.high is not None

    assert state == found.state
    assert words in found.reason
    assert ("above" in words) == (found.low > plan.threshold)
    assert ("below" in words) == (found.high < plan.threshold)
    assert found.clusters + found.saved == 40
    assert None is found.next_look
    assert plan.digest == found.plan_digest


def test_clear_answers_save_most_of_the_plan() -> None:
    """All but a quarter of the tasks are lost: less than half of them tell."""
    found = decide(Plan(claim="worse", clusters=NAMES), rows(every_fourth(-1)))

    assert found.saved > 20
    assert f"{found.saved} clusters are saved" in found.reason


def test_before_the_first_look_nothing_is_said() -> None:
    """However clear it seems."""
    plan = Plan(claim="worse", clusters=NAMES, first=10)
    found = decide(plan, rows([-1] * 9))
    expected = "9 of 40 clusters are in: the first look is after 10"

    assert Decision(state="CONTINUE", plan_digest=plan.digest, next_look=10, reason=expected) == found


def test_resuming_is_asking_again() -> None:
    """Case by case as all at once; results after the end, and results before their turn, change nothing."""
    values = np.random.default_rng(5).choice([-1.0, 0.0, 1.0], p=[0.45, 0.45, 0.1], size=40).tolist()
    plan = Plan(claim="worse", clusters=NAMES, every=3)
    found = [decide(plan, rows(values[:count])) for count in range(41)]
    stopped = next(place for place, one in enumerate(found) if one.state != "CONTINUE")
    early = rows(values[: stopped - 1]) | {NAMES[-1]: [1.0]}
    backwards = dict(reversed(list(rows(values).items())))

    assert plan.looks[0] < stopped < 40
    assert stopped in plan.looks
    assert [found[stopped]] * (41 - stopped) == found[stopped:]
    assert found[stopped - 1] == decide(plan, early)
    assert found[stopped] == decide(plan, backwards)
    assert stopped == found[stopped - 1].next_look
    assert found[stopped - 1].saved == 0


def test_what_is_not_scored_shows_nothing() -> None:
    """Neither before nor at the end; a cluster without a scored case does not count as one that is equal."""
    plan = Plan(claim="better", clusters=NAMES[:12])
    nothing = decide(plan, {name: [] for name in plan.clusters})
    single = decide(plan, {name: [1.0] if name == "k00" else [] for name in plan.clusters[:8]})
    gaps = decide(plan, {name: [1.0] if place % 2 else [] for place, name in enumerate(plan.clusters)})
    closed = decide(Plan(claim="better", clusters=NAMES[:6]), rows([1.0] * 6))

    assert ("INCONCLUSIVE", None, 0) == (nothing.state, nothing.estimate, nothing.cases)
    assert "nothing is scored" in nothing.reason
    assert ("CONTINUE", 1.0, None) == (single.state, single.estimate, single.low)
    assert (gaps.low, gaps.high) != (None, None)
    assert (1.0, 6, 12) == (gaps.estimate, gaps.cases, gaps.clusters)
    assert (1.0, 6, 6) == (closed.estimate, closed.cases, closed.clusters)


def test_what_does_not_belong_is_refused() -> None:
    """Clusters that were not planned, values that are no differences, plans that can't be held."""
    plan = Plan(claim="better", clusters=("alpha", "beta"))
    with pytest.raises(EvaluationError, match="cluster 'alhpa': is not in the plan; did you mean \"alpha\""):
        decide(plan, {"alhpa": [0.0]})
    for value in (1.5, float("nan")):
        with pytest.raises(EvaluationError, match="cluster 'beta': has a difference of"):
            decide(plan, {"beta": [0.0, value]})
    with pytest.raises(ValidationError, match="names a cluster twice"):
        Plan(claim="better", clusters=("a", "a"))
    with pytest.raises(ValidationError, match="has 293 looks, at most 60; set every to 5 or more"):
        Plan(claim="better", clusters=tuple(map(str, range(300))))
    Plan(claim="better", clusters=tuple(map(str, range(300))), every=5)


def test_the_order_is_drawn() -> None:
    """It depends on the seed, holds every cluster once, and is not that of the names."""
    assert sorted(draw_order(NAMES, seed=1)) == list(NAMES)
    assert draw_order(NAMES, seed=1) != draw_order(NAMES, seed=2)
    assert list(NAMES) != list(draw_order(NAMES, seed=1))


@pytest.mark.parametrize(
    ("values", "sizes"),
    [([0, 0, 0, 0, 0, 0], [1] * 6), ([1, 0, -1, 1, 0, -1], [1] * 6), ([1, 0, -1, -1, 0, 1], [2, 1, 1, 2])],
)
def test_without_skewness_the_interval_is_students(values: list[int], sizes: list[int]) -> None:
    """No difference, or as many up as down."""
    members = np.repeat(np.arange(len(sizes)), sizes)
    differences = np.array(values, dtype=np.float64)

    centre, error = difference_moments(differences, members)
    expected = t.interval(0.95, len(sizes) - 1, loc=centre, scale=error)
    assert pytest.approx(expected, abs=1e-9) == tuple(spread_interval(differences, members, 0.05))


@pytest.mark.parametrize("seed", range(5))
def test_an_interval_and_a_distance_say_the_same(seed: int) -> None:
    """The end of an interval is as far away as its level says, for skewed differences too."""
    stream = np.random.default_rng(seed)
    members = np.repeat(np.arange(12), 3)
    found = spread(stream.choice([-1.0, 0.0, 1.0], p=[0.3, 0.68, 0.02], size=36), members)
    assert found is not None
    low, high = found.interval(0.05)
    assert low is not None
    assert high is not None

    assert pytest.approx((1.959964, -1.959964), abs=1e-5) == (found.distance(low), found.distance(high))


def _wrong(make: Callable[[np.random.Generator], list[list[float]]], plan: Plan, state: str) -> float:
    stream = np.random.default_rng(17)
    tries: list[Mapping[str, list[float]]] = [dict(zip(plan.clusters, make(stream), strict=True)) for _ in range(600)]
    return float(np.mean([decide(plan, one).state == state for one in tries]))


def test_equal_agents_are_rarely_blocked() -> None:
    """Six hundred evaluations with 33 looks each; tasks of four cases that fail together. Planned are 2.5 %."""

    def make(stream: np.random.Generator) -> list[list[float]]:
        return [[float(value)] * 3 + [0.0] for value in stream.choice([-1, 0, 1], p=[0.2, 0.6, 0.2], size=40)]

    assert _wrong(make, Plan(claim="worse", clusters=NAMES), "FAIL") <= 0.04


def test_a_rare_large_drop_is_rarely_called_no_worse() -> None:
    """One task in eight is lost with all its cases, exactly the margin; unskewed intervals let twice as many pass."""

    def make(stream: np.random.Generator) -> list[list[float]]:
        return [[-float(lost)] * 4 for lost in stream.random(40) < 0.125]

    assert _wrong(make, Plan(claim="no_worse", margin=0.125, clusters=NAMES), "PASS") <= 0.06


def test_the_interval_at_a_look_has_the_level_of_that_look() -> None:
    """Wider than the ordinary one, the earlier the more: all of them hold at once."""
    plan = Plan(claim="worse", clusters=NAMES, first=12)
    values = np.array(every_fourth(-1)[:12])
    found = decide(plan, rows(values.tolist()))
    level = float(2 * ndtr(-plan.bounds.show[0]))

    assert level < 0.001
    assert tuple(spread_interval(values, np.arange(12), level)) == (found.low, found.high)
