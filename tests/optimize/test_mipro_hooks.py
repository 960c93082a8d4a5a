"""MIPROv2 asks less and loses nothing if its candidates race; by itself it has no way to end an evaluation."""

from collections.abc import Callable

import dspy
from towns import RUN

from benchmarks.simulated_task import NULL, Draw, Family, Filler, World, demos_help
from workbench.agents import examples
from workbench.core import Episode
from workbench.evals import metric
from workbench.lms import CallStore, scope
from workbench.optimize import Mipro, Optimized, Rules, arrange, optimize
from workbench.optimize.mipro_hooks import RacingMetric
from workbench.optimize.quiet import quiet

DRAW = Draw(train=12, val=40, test=1)


def reward(world: World) -> Callable[..., float]:
    """The task's metric in MIPROv2's form."""
    score, cases = metric("task_success"), {case.case_id: case for case in (*world.train, *world.val)}

    def graded(example: dspy.Example, prediction: dspy.Prediction, _trace: object = None) -> float:
        episode = Episode(case_id=example.case_id, prediction=prediction.prediction, milliseconds=0.0)
        return score(cases[example.case_id], episode).value or 0.0

    return graded


def mipro(world: World, judge: Callable[..., float]) -> Filler:
    """MIPROv2 at work for a while."""
    optimizer = dspy.MIPROv2(
        metric=judge,
        prompt_model=world.proposer,
        task_model=world.lm,
        auto=None,
        num_candidates=5,
        num_threads=1,
        seed=2,
    )
    rows = examples(arrange(world.val, 1))
    found: Filler = optimizer.compile(
        world.program(), trainset=examples(world.train), valset=rows, num_trials=8, minibatch=False
    )
    return found


def plain(world: World, judge: Callable[..., float]) -> Filler:
    """Without our hooks around it."""
    with quiet(), world.build(world.start).speaking():
        return mipro(world, judge)


def raced(world: World) -> tuple[Filler, RacingMetric]:
    """Inside our hooks."""
    judge = RacingMetric(arrange(world.val, 1), reward(world))
    with quiet(), world.build(world.start).speaking(), judge.at_work():
        return mipro(world, judge), judge


def test_a_race_keeps_mipro_from_paying_for_what_can_not_win() -> None:
    """Who is dropped is asked nothing more and never comes out best; a winner is found all the same."""
    whole, world = (World(demos_help(0.25), 3, draw=DRAW) for _ in range(2))
    kept, (found, judge) = plain(whole, reward(whole)), raced(world)
    dropped = {one.candidate for one in judge.dropped}

    assert dropped
    assert all(one.cases < 40 and one.reason.startswith("behind") for one in judge.dropped)
    assert world.engine.calls < 0.8 * whole.engine.calls
    assert judge.name(found) not in dropped
    assert 4 <= min(len(found.fill.demos), len(kept.fill.demos))


def test_mipro_is_told_of_the_dropped_what_the_best_scored_on_the_rest() -> None:
    """So that it is behind by as much as it was when it was dropped."""
    found, judge = raced(World(NULL, 2, draw=DRAW))
    told = {judge.name(one["program"]): one["score"] for one in found.candidate_programs}
    best = max(judge._known.values(), key=lambda one: (one.dropped is None, sum(one.scores)))

    assert judge.dropped
    for one in judge.dropped:
        scores = judge._known[one.candidate].scores
        assert round(100 * (sum(scores) + sum(best.scores[len(scores) :])) / 40, 2) >= told[one.candidate]
        assert told[one.candidate] < told[best.name]


def test_by_itself_it_can_not_end_an_evaluation() -> None:
    """A metric that gives up on a case ends nothing: it counts as 0 there, and all the other cases are asked."""
    world = World(NULL, 2, draw=DRAW)
    judge, calls = reward(world), list[str]()

    def gives_up(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
        calls.append(example.case_id)
        if example.case_id == arrange(world.val, 1)[9].case_id:
            raise RuntimeError("no chance")
        return judge(example, prediction, trace)

    plain(world, gives_up)

    # One error of the ten that dspy allows: each evaluation goes on to its end, with 0 for that case.
    assert calls.count(arrange(world.val, 1)[39].case_id) == calls.count(arrange(world.val, 1)[0].case_id) > 1


def shipped(family: Family, rules: Rules, store: CallStore | None = None) -> tuple[Optimized, World]:
    """Ours, in a search."""
    world = World(family, 3, draw=DRAW, store=store)
    with scope(run=RUN):
        return optimize(world.start, [Mipro(candidates=5, trials=8, rules=rules)], world.task()), world


def test_the_shipped_one_races_and_keeps_each_candidate_as_a_trial() -> None:
    """With fewer calls than without a race; nothing is asked twice, though no store keeps answers."""
    found, world = shipped(demos_help(0.25), Rules())
    whole, unraced = shipped(demos_help(0.25), Rules(futility=0.0))
    tried = [trial for trial in found.trials if trial.origin == "mipro"]

    assert found.dropped
    assert [trial.dropped is None for trial in tried] == [trial.complete for trial in tried]
    assert len({trial.agent_digest for trial in tried}) == len(tried)
    assert world.engine.calls < unraced.engine.calls
    assert world.truth(found.winner) == unraced.truth(whole.winner)
    bootstrapped = world.engine.calls - sum(trial.cases for trial in found.trials)
    assert 0 <= bootstrapped < 5 * len(world.train)
