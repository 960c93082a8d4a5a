"""Who goes from the search to held-out cases."""

from workbench.optimize.trial import START, Optimized, Trial, latest, ranked


def finalists(optimized: Optimized, count: int) -> tuple[Trial, ...]:
    """The best complete trials of different agents, best first: the winner, and those that follow it.

    Behind the winner come only candidates that scored higher than the agent the search began with: where nothing was
    better on validation, there is nothing to find out on the test. Ties go to fewer tokens, then to the earlier trial.
    """
    floor = max((trial.score or 0.0 for trial in latest(optimized.trials) if trial.origin == START), default=0.0)
    found = {optimized.best.agent_digest: optimized.best}
    for trial in ranked(optimized.trials):
        if (trial.score or 0.0) > floor:
            found.setdefault(trial.agent_digest, trial)
    return tuple(found.values())[:count]
