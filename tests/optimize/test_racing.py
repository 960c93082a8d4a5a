"""A race drops what can't win, with a stated error, and says why."""

from itertools import pairwise, product

import numpy as np
import pytest

from workbench.core import Case, ExpectedAnswer
from workbench.optimize.racing import (
    Elimination,
    Race,
    Rules,
    Runner,
    arrange,
    betting_value,
    looks,
    passing_chance,
    rank,
)


def case(name: str, cluster: str) -> Case:
    """A case with nothing to it."""
    return Case(case_id=name, request="?", expected=ExpectedAnswer(answers=("yes",)), cluster=cluster)


def runner(name: str, right: str, tokens: float = 100.0) -> Runner:
    """A candidate by its answers: 1 is right, 0 wrong, - unscored."""
    return Runner(name, [None if answer == "-" else float(answer) for answer in right], tokens)


def dropped(
    running: list[Runner], *, total: int, rules: Rules | None = None, champion: Runner | None = None
) -> list[Elimination]:
    """Who is dropped at one look, each case a cluster of its own."""
    clusters = [f"{number:03}" for number in range(total)]
    race = Race(rules or Rules(), clusters, [one.name for one in running])
    return race.look(1, running, champion)


def test_a_bet_wins_nothing_on_average_where_there_is_no_difference() -> None:
    """Over all ten-case outcomes that are equally likely its mean is exactly what was put in."""
    values = [betting_value(np.array(signs)) for signs in product((-1.0, 1.0), repeat=10)]

    assert pytest.approx(1.0) == sum(values) / len(values)


@pytest.mark.parametrize("candidates", [2, 6])
def test_the_best_is_seldom_dropped_as_beaten(candidates: int) -> None:
    """All are equally good, so each is the best: over 200 races with many looks no more than alpha lose the first."""
    draws, lost, clusters = np.random.default_rng(5), 0, [f"{number:03}" for number in range(60)]
    names = [f"{number}" for number in range(candidates)]
    for _ in range(200):
        right = draws.random((candidates, 60)) < draws.random(60)
        race = Race(Rules(alpha=0.2, futility=0.0, first_cases=4), clusters, names)
        running = [*range(candidates)]
        for number, after in enumerate(looks(clusters, 4), 1):
            runners = [Runner(names[one], [float(value) for value in right[one, :after]], 1.0) for one in running]
            gone = {one.candidate for one in race.look(number, runners)} if runners else set()
            running = [one for one in running if names[one] not in gone]
        lost += 0 not in running

    assert 0 < lost <= 0.2 * 200


def test_a_loser_is_dropped_with_the_reason_in_words() -> None:
    """Who beat it, by how much, at which look, and what that was held against."""
    found = dropped([runner("a" * 12, "1" * 12), runner("b" * 12, "0" * 10 + "11")], total=200)

    assert ["beaten"] == [one.why for one in found]
    assert (
        "beaten by candidate aaaaaaaaaaaa: -0.833 over 12 cases at look 1; bets against it won 170 times the stake, "
        "10 are proof at alpha 0.1" == found[0].reason
    )
    assert ("b" * 12, "a" * 12, 12) == (found[0].candidate, found[0].rival, found[0].cases)


def test_what_can_not_catch_up_is_dropped_at_the_end_and_not_at_the_beginning() -> None:
    """Three behind with twelve to go is too much, with 188 to go it is nothing."""
    running = [runner("a", "1" * 12), runner("b", "0" * 3 + "1" * 9)]

    assert [("b", "behind")] == [(one.candidate, one.why) for one in dropped(running, total=24)]
    assert [] == dropped(running, total=200)
    assert [] == dropped(running, total=24, rules=Rules(futility=0.0))


@pytest.mark.parametrize(("lead", "rest"), [(1, 12), (3, 12), (4, 60)])
def test_the_chance_to_come_out_ahead_is_that_of_a_fair_walk(lead: int, rest: int) -> None:
    """Against the exact one, whose steps are as likely up as down and as often as before; to three points."""
    sums = np.array([1.0] * (2 + lead) + [-1.0] * 2 + [0.0] * 12)
    moves = (float(sums @ sums) + 1) / (len(sums) + 2)
    ahead = np.ones(1)
    for _ in range(rest):
        ahead = np.convolve(ahead, [moves / 2, 1 - moves, moves / 2])
    exact = float(ahead[rest + lead + 1 :].sum())

    assert pytest.approx(exact, abs=0.03) == passing_chance(sums, cases=len(sums), rest=rest, ties_win=False)


def test_the_leader_stays_and_after_the_last_case_everybody_does() -> None:
    """Somebody has to win."""
    running = [runner("a", "000"), runner("b", "000")]

    assert [] == dropped(running, total=4)
    assert [] == dropped([runner("a", "1111"), runner("b", "0000")], total=4)


def test_a_champion_need_not_be_beaten_by_proof_but_caught_up_with() -> None:
    """It was the best of others on these very cases, which proves nothing; but who can't pass it runs in vain."""
    champion = runner("old", "1" * 24)
    found = dropped([runner("a", "0" * 5 + "1" * 7), runner("b", "0" * 5 + "1" * 7)], total=24, champion=champion)

    assert [("a", "old", "behind"), ("b", "old", "behind")] == [(one.candidate, one.rival, one.why) for one in found]


def test_a_candidate_that_is_clearly_dearer_needs_twice_the_chance() -> None:
    """Two behind with thirty to go is a chance of 0.12: enough, but not for one and a half times the tokens."""
    leader, cheap, dear = runner("a", "1" * 18), runner("b", "00" + "1" * 16), runner("c", "00" + "1" * 16, 150.0)
    found = dropped([leader, cheap, dear], total=48)

    assert [("c", "dearer", 0.12, 0.2)] == [(one.candidate, one.why, round(one.value, 2), one.level) for one in found]
    assert found[0].reason.endswith("is 0.119, less than 0.2, and it takes 1.5 times the tokens")


def test_a_tie_goes_to_the_cheaper() -> None:
    """In the order of the race, and in what it takes to come out ahead."""
    running = [runner("dear", "1100", 200.0), runner("cheap", "0011", 100.0)]
    sums = np.array([1.0, 1.0, -1.0])

    assert ["cheap", "dear"] == [one.name for one in rank(running)]
    assert passing_chance(sums, cases=9, rest=9, ties_win=True) > passing_chance(sums, cases=9, rest=9, ties_win=False)


def test_an_unscored_case_counts_against_nobody() -> None:
    """Neither against the one that was not scored, nor for the other."""
    with_gaps = dropped([runner("a", "1" * 12 + "1111"), runner("b", "0" * 10 + "11" + "----")], total=200)
    without = dropped([runner("a", "1" * 12), runner("b", "0" * 10 + "11")], total=200)

    assert [one.difference for one in without] == [one.difference for one in with_gaps]
    assert [pytest.approx(one.value) for one in without] == [one.value for one in with_gaps]


def test_cases_of_a_cluster_are_one_bet() -> None:
    """Twelve cases of two tools, which fail together, prove as much as two: too little."""
    running = [runner("one", "1" * 12), runner("two", "0" * 12)]
    alone, together = ([f"{number:03}" for number in range(12)], ["one"] * 6 + ["two"] * 6)
    rest = [f"rest {number}" for number in range(200)]

    for clusters, expected in ((alone, ["two"]), (together, [])):
        found = Race(Rules(futility=0.0), [*clusters, *rest], ["one", "two"]).look(1, running)
        assert expected == [one.candidate for one in found]


def test_the_order_of_a_race_keeps_clusters_together_and_hangs_on_the_seed_alone() -> None:
    """Whatever order the cases came in."""
    cases = [case(f"{number}", f"cluster {number % 4}") for number in range(12)]
    clusters = [one.cluster for one in arrange(cases, seed=1)]

    assert arrange(cases, seed=1) == arrange(cases[::-1], seed=1)
    assert arrange(cases, seed=1) != arrange(cases, seed=2)
    assert 4 == 1 + sum(one != other for one, other in pairwise(clusters))
    assert (6, 9, 12) == looks(clusters, first=4)
