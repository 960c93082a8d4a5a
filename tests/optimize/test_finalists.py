"""Who goes from the search to held-out cases."""

from towns import World, make, start

from workbench.optimize import finalists, optimize


def test_the_winner_and_those_that_beat_the_start_follow_in_order() -> None:
    """Different agents, complete trials, best first; nobody that was not better than the start but the winner."""
    outcome = optimize(start(), make(["labeled_few_shot", "nearest_demos", "random_search"]), World().task)
    found, first = finalists(outcome, 10), outcome.trials[0]

    assert outcome.best == found[0]
    assert [*found] == sorted(found, key=lambda trial: (-(trial.score or 0), trial.tokens, trial.number))
    assert all(trial.complete and (trial.score or 0) > (first.score or 0) for trial in found)
    assert len({trial.agent_digest for trial in found}) == len(found) > 1
    assert found[:2] == finalists(outcome, 2)
    assert outcome.winner == outcome.spec(found[0])
