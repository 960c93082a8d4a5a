"""Who goes from the search to held-out cases."""

from workbench.agents import AgentSpec
from workbench.optimize.search import Optimized, Trial


def finalists(optimized: Optimized, count: int) -> tuple[Trial, ...]:
    """The best complete trials of different agents, best first: the winner, and those that follow it.

    Behind the winner come only candidates that scored higher than the agent the search began with: where nothing was
    better on validation, there is nothing to find out on the test. Ties go to fewer tokens, then to the earlier trial.
    """
    start = optimized.trials[0]
    floor = start.score or 0.0
    ranked = sorted(
        (trial for trial in optimized.trials if trial.complete and (trial.score or 0.0) > floor),
        key=lambda trial: (-(trial.score or 0.0), trial.tokens, trial.number),
    )
    found = {optimized.best.agent_digest: optimized.best}
    for trial in ranked:
        found.setdefault(trial.agent_digest, trial)
    return tuple(found.values())[:count]


def whole(optimized: Optimized, trial: Trial) -> AgentSpec:
    """A trial's candidate with its program."""
    return trial.spec.model_copy(update={"program": optimized.programs[trial.program_digest]})
