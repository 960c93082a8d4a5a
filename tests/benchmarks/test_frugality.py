"""frugality: costs to a score are counted as they fell due, and searchers are watched to the call."""

import json
from pathlib import Path as File

import pytest

from benchmarks.frugal_family import KINDS, RATE, TEXT, Kind, reviser
from benchmarks.frugal_measure import Pair, Path, Point, Ratio, expected_cost, measured_ratio, target_of
from benchmarks.frugal_ours import Proposed, run_ours
from benchmarks.frugal_peers import PEERS, Peer, Step, run_peer
from benchmarks.frugal_real import Contest, Trail, gained, lines, ratio_of
from benchmarks.frugality import IDLE, OURS, Verdict, ground_of, members_of, pairs_of
from benchmarks.real_tasks import Problem
from benchmarks.simulated_task import TOOL, Draw, Shown, Truth, World
from workbench.agents import AgentSpec
from workbench.core import Budget, catalogue
from workbench.lms import CallStore, ScriptedEngine
from workbench.retrieval import build_index

KIND = Kind("test", gain=0.2, sets=0.05, texts=0.05)
SMALL = Draw(train=12, val=10, test=6)
FEW = Peer("few", "random search", labeled=2, programs=1)


def shown(codes: str = "", marks: str = "") -> Shown:
    """A prompt that shows demos of these codes and instructions of these marks."""
    text = "".join(f"Request: Look up code {code} for me.\n" for code in codes.split())
    return Shown(text, TEXT.format(marks=marks) if marks else "Call the tool.", len(codes.split()))


def path(*points: tuple[int, int, float], calls: int = 400, tokens: int = 4000) -> Path:
    """A run with these steps."""
    return Path(tuple(Point(*point) for point in points), calls, tokens)


def world_of(folder: File) -> World:
    """A small drawn task."""
    return World(KIND.of(3), 3, draw=SMALL, store=CallStore(folder / "calls.db"), writer=reviser)


def test_the_start_has_no_effect_and_demos_saturate() -> None:
    """Without demos and rewriting nothing is added; 86 % of the demos' gain comes with four of them."""
    plain = Kind("plain", gain=0.1, sets=0.0, texts=0.0).of(1)

    assert plain.effect(shown()) == 0
    assert plain.truth(plain.effect(shown())) == RATE
    assert plain.effect(shown("a b c d")) == pytest.approx(0.0865, abs=1e-4)


def test_a_set_of_demos_is_worth_the_same_in_any_order_and_something_else_elsewhere() -> None:
    """The worth of a set is that of its cases in this world."""
    effect = KIND.of(1).effect

    assert effect(shown("a b c")) == pytest.approx(effect(shown("c a b")))
    assert effect(shown("a b c")) != effect(shown("a b d"))
    assert effect(shown("a b c")) != KIND.of(2).effect(shown("a b c"))


def test_a_rewriting_adds_to_what_it_was_shown() -> None:
    """The proposer keeps the marks of the newest text in its prompt, and each mark has a worth of its own."""
    write, effect = reviser(1), KIND.of(1).effect
    first = write("Improve: Call the tool.")
    second = write(f"Improve: {first}")

    marks = second.removeprefix("Call the tool in manner ").removesuffix("; copy the code.").split("-")
    assert first == TEXT.format(marks=marks[0])
    assert len(marks) == 2
    assert effect(shown(marks="-".join(marks))) == pytest.approx(sum(effect(shown(marks=mark)) for mark in marks))


def test_the_proposer_answers_in_the_form_it_is_asked_for() -> None:
    """A JSON object with the wanted field."""
    answer = reviser(1)("Respond with a JSON object in the following order of fields: `better`")

    assert list(json.loads(answer)) == ["better"]


def test_expected_cost_counts_runs_that_fail() -> None:
    """All that was paid until the score was reached or the run ended, over the runs that reached it."""
    paths = [path((100, 10, 0.5), (200, 20, 0.7)), path((100, 10, 0.5)), path((150, 15, 0.8))]

    assert expected_cost(paths, 0.7, "calls") == (200 + 400 + 150) / 2
    assert expected_cost(paths, 0.7, "tokens") == (20 + 4000 + 15) / 2
    assert expected_cost(paths, 0.9, "calls") == float("inf")
    assert target_of(paths) == 0.7


def test_who_takes_half_everywhere_has_a_ratio_of_two() -> None:
    """The geometric mean of members; the interval is a point where all runs are alike."""
    theirs = [path((200, 20, 0.7))] * 3
    half = Pair("half", theirs, [path((100, 10, 0.7))] * 3)
    eighth = Pair("eighth", theirs, [path((25, 20, 0.7))] * 3)

    assert measured_ratio([half], "calls") == Ratio(2, 2, 2)
    assert measured_ratio([half, eighth], "calls").value == pytest.approx(4)


def test_who_never_gets_there_has_a_ratio_of_nought() -> None:
    """No ratio flatters a searcher that does not reach the score."""
    pair = Pair("never", [path((200, 20, 0.7))] * 3, [path((100, 10, 0.6))] * 3)

    assert measured_ratio([pair], "calls") == Ratio(0, 0, 0)


def test_a_target_is_met_only_if_the_interval_excludes_one() -> None:
    """Both the ratio and its lower limit count."""
    assert Verdict("one", "calls", Ratio(2.1, 1.2, 3)).met
    assert not Verdict("one", "calls", Ratio(2.1, 0.9, 3)).met
    assert not Verdict("one", "calls", Ratio(1.9, 1.2, 3)).met


def test_each_peer_meets_the_members_in_which_it_can_gain() -> None:
    """GEPA draws no demos, random search writes no instructions, MIPROv2 does both."""
    members = [kind.name for kind in KINDS]

    assert {peer.kind: members_of(peer, members) for peer in PEERS} == {
        "MIPROv2": ["instructions", "demos", "both"],
        "GEPA": ["instructions", "both"],
        "random search": ["demos", "both"],
    }
    assert len(IDLE) == 2
    paths = {("both", OURS): [path((1, 1, 0.5))], ("both", PEERS[0].name): [path((2, 2, 0.5))]}
    assert [pair.member for pair in pairs_of(PEERS[0], paths)] == ["both"]


@pytest.mark.parametrize("peer", [FEW, Peer("gepa", "GEPA", most=40), Peer("mipro", "MIPROv2")])
def test_a_peer_is_watched_until_it_returns_what_was_seen_last(peer: Peer, tmp_path: File) -> None:
    """The last step is what it returns; the start is judged first, and costs only rise."""
    world = world_of(tmp_path)
    steps: list[Step] = []
    returned = run_peer(peer, ground_of(world), steps)

    assert steps[-1].spec == returned
    assert world.truth(steps[0].spec) == RATE
    assert steps[0].calls >= SMALL.val
    assert sorted(step.calls for step in steps) == [step.calls for step in steps]
    assert steps[-1].calls <= world.meter.spent.calls == world.engine.calls + world.adviser.calls


def test_ours_pays_its_proposer_and_keeps_the_budget(tmp_path: File) -> None:
    """The texts are on the account; the last step is the winner."""
    world = world_of(tmp_path)
    search = Proposed({"demo_set": [0, 1], "demos": [0, 2]}, predictor="fill", texts=2)
    steps, returned = run_ours(
        search, world.start, world.meter, lambda hear: world.task(budget=Budget(calls=60), on_trial=hear)
    )

    assert steps[-1].spec == returned
    assert steps[0].calls >= SMALL.val
    assert world.adviser.calls == 2
    assert world.engine.calls + 2 == world.meter.spent.calls <= 60


def contest_of(folder: File, monkeypatch: pytest.MonkeyPatch) -> Contest:
    """A small simulated task in the place of a real one."""
    world = World(KIND.of(3), 3, draw=SMALL)
    monkeypatch.setattr("benchmarks.frugal_real.SEARCH", Proposed({"demos": [0, 2]}, predictor="fill", texts=0))
    index = build_index(catalogue("codes", (TOOL,)), world.start.index)
    problem = Problem("codes", world.start, lambda _spec: index, world.train, world.val, world.test, "digest")
    return Contest(problem, ScriptedEngine(Truth(KIND.of(3), 3)), folder)


def test_real_tasks_are_scored_on_held_out_cases_outside_of_the_account(
    tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step has an outcome for each held-out case; what a searcher paid does not hold them."""
    contest = contest_of(tmp_path, monkeypatch)
    ours, theirs = contest.ours(), contest.peer(FEW)

    assert {len(row) for row in (*ours.outcomes, *theirs.outcomes)} == {SMALL.test}
    assert ours.steps[0].calls >= SMALL.val == theirs.steps[0].calls
    assert theirs.failed == ""
    assert theirs.calls >= theirs.steps[-1].calls


def test_a_peer_that_fails_is_shown_with_what_it_had(tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that dspy refuses is no victory of ours."""
    contest = contest_of(tmp_path, monkeypatch)
    broken = contest.peer(Peer("broken", "random search", programs=-4))

    assert broken.failed.startswith("dspy's optimizer failed")
    assert [(line[0], line[-1]) for line in lines("codes", broken, [broken])] == [("shown", broken.failed)]


def trail(name: str, *steps: tuple[int, tuple[float, ...]]) -> Trail:
    """A searcher with these costs and outcomes."""
    found = tuple(Step(calls, 10 * calls, AgentSpec()) for calls, _row in steps)
    return Trail(name, found, tuple(row for _calls, row in steps), 200, 2000)


def test_a_peer_that_gains_nothing_is_no_victory() -> None:
    """Where the start is the target there is nothing to reach."""
    idle = trail("idle", (10, (0.0, 1.0)), (20, (1.0, 0.0)))

    assert not gained(idle)
    assert [line[0] for line in lines("task", idle, [idle])] == ["shown"]


def test_the_held_out_cases_give_ratio_and_interval() -> None:
    """Half the calls to the same outcomes is a ratio of two, whatever cases are drawn that differ from the start's."""
    start = (0.0,) * 8
    theirs, ours = trail("peer", (10, start), (100, (1.0,) * 8)), trail("ours", (10, start), (50, (1.0,) * 8))

    assert ratio_of(theirs, ours, "calls") == Ratio(2, 2, 2)
    assert [line[0] for line in lines("task", ours, [theirs])] == ["met", "met"]
    assert [line[0] for line in lines("task", theirs, [ours])] == ["MISSED", "MISSED"]
