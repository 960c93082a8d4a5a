"""What a candidate was asked: runs that follow each other made one, counted as paid, and read case by case."""

from collections.abc import Iterable, Sequence

from workbench.core import Budget, Run, Usage
from workbench.lms import Call, Tally
from workbench.optimize.racing import Runner


def runner(digest: str, run: Run) -> Runner:
    """A candidate as it stands in a race; a case that was asked again counts with the mean of its scores."""
    tokens = sum(episode.usage.tokens for episode in run.episodes) / len(run.episodes)
    values: dict[str, list[float]] = {episode.case_id: [] for episode in run.episodes}
    for score in run.scores:
        if score.value is not None:
            values[score.case_id].append(score.value)
    return Runner(digest, [sum(found) / len(found) if found else None for found in values.values()], tokens)


def rounds(run: Run) -> int:
    """How often each case was asked."""
    return len(run.episodes) // len(run.clusters)


def joined(first: Run, second: Run) -> Run:
    """Two runs of one agent: over cases that follow each other, or over the same ones again."""
    again = rounds(first) if second.episodes[0].case_id in first.clusters else 0
    update = {"repeat": again}
    return first.model_copy(
        update={
            "clusters": first.clusters | second.clusters,
            "tags": first.tags | second.tags,
            "episodes": first.episodes + tuple(one.model_copy(update=update) for one in second.episodes),
            "scores": first.scores + tuple(one.model_copy(update=update) for one in second.scores),
        }
    )


def as_paid(run: Run, calls: Sequence[Call]) -> Run:
    """The run as if each call had been paid now: what a candidate costs is not a matter of what the store held.

    So candidates are comparable, and a search that was interrupted ends like one that was not.
    """
    asked: dict[str, list[Call]] = {episode.case_id: [] for episode in run.episodes}
    for call in calls:
        asked[call.where.case_id].append(call)
    episodes = (one.model_copy(update={"usage": paid(asked[one.case_id])}) for one in run.episodes)
    return run.model_copy(update={"episodes": tuple(episodes)})


def paid(calls: Iterable[Call]) -> Usage:
    """What calls cost as if each had been paid now."""
    tally = Tally()
    for call in calls:
        tally.add(call.model_copy(update={"cached": False}))
    return tally.usage()


def covers(left: Budget, episodes: int, runs: Sequence[Run]) -> bool:
    """Whether what is left of a budget covers so many more episodes, if they cost what those of the runs did."""
    usages = [episode.usage for run in runs for episode in run.episodes]
    if not usages:
        return True
    needed = episodes / len(usages)
    costs = (
        (left.calls, sum(usage.calls for usage in usages)),
        (left.tokens, sum(usage.tokens for usage in usages)),
        (left.seconds, sum(usage.model_milliseconds for usage in usages) / 1000),
        (left.usd, sum(usage.usd for usage in usages if usage.usd is not None)),
    )
    return all(limit is None or cost * needed <= limit for limit, cost in costs)
