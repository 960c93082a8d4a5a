"""GEPA asks less and loses nothing if what it accepts has to hold its own in a race."""

from collections.abc import Callable

import dspy

from benchmarks.simulated_task import NULL, Draw, Filler, World
from workbench.agents import examples
from workbench.core import Episode
from workbench.evals import metric
from workbench.optimize.gepa_hooks import RacingAcceptance, program_scores


def reward(world: World) -> Callable[..., float]:
    """The task's metric in GEPA's form."""
    score, cases = metric("task_success"), {case.case_id: case for case in (*world.train, *world.val)}

    def graded(example: dspy.Example, prediction: dspy.Prediction, *_more: object) -> float:
        episode = Episode(case_id=example.case_id, prediction=prediction.prediction, milliseconds=0.0)
        return score(cases[example.case_id], episode).value or 0.0

    return graded


def gepa(world: World, hook: RacingAcceptance | None = None) -> Filler:
    """GEPA at work for a while."""
    optimizer = dspy.GEPA(
        metric=reward(world),
        max_metric_calls=220,
        reflection_lm=world.proposer,
        num_threads=1,
        track_stats=True,
        gepa_kwargs={"acceptance_criterion": hook} if hook else {},
    )
    with world.build(world.start).speaking():
        found: Filler = optimizer.compile(world.program(), trainset=examples(world.train), valset=examples(world.val))
    return found


def test_a_race_keeps_gepa_from_paying_for_what_can_not_win() -> None:
    """Where no instruction helps, fewer are tried on all cases; the others say why, and GEPA counts their calls."""
    plain, world = (World(NULL, 2, draw=Draw(train=20, val=40, test=1)) for _ in range(2))
    with world.build(world.start).speaking():
        hook = RacingAcceptance(world.val, program_scores(world.program(), examples(world.val), reward(world)), seed=1)
    returned = gepa(world, hook).detailed_results

    assert hook.dropped
    assert all(one.cases < 40 and one.reason.startswith(("behind", "beaten")) for one in hook.dropped)
    assert len(returned.candidates) < len(gepa(plain).detailed_results.candidates)
    # Only what an accepted candidate was asked on the way is asked once more.
    again = 40 * (len(returned.candidates) - 1)
    assert world.engine.calls - again <= returned.total_metric_calls <= world.engine.calls


def test_the_scores_of_a_candidate_are_those_of_its_instructions() -> None:
    """As the program gives them that holds these instructions."""
    world = World(NULL, 4, draw=Draw(train=2, val=6, test=1))
    other = world.program()
    other.fill.signature = other.fill.signature.with_instructions("Copy the code.")
    with world.build(world.start).speaking():
        found = program_scores(world.program(), examples(world.val), reward(world))(
            {"fill": "Copy the code."}, [1, 3, 5]
        )

    assert [world.score(world.candidate(other), [world.val[place]]) for place in (1, 3, 5)] == found
