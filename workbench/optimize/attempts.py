"""What a candidate was asked: runs that follow each other made one, counted as paid, and read case by case."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.agents import Agent, AgentSpec
from workbench.core import Run, Usage
from workbench.lms import Call, Tally
from workbench.optimize.racing import Runner


@dataclass
class Lane:
    """A candidate in a race, and what it was tried on so far."""

    spec: AgentSpec
    agent: Agent
    run: Run | None = None
    origin: str = ""  # who proposed it

    @property
    def done(self) -> int:
        """Cases it was tried on."""
        return 0 if self.run is None else len(self.run.clusters)


def runs_of(lanes: Iterable[Lane]) -> list[Run]:
    """What those were tried on that were tried at all."""
    return [lane.run for lane in lanes if lane.run is not None]


def mean_tokens(run: Run) -> float:
    """Of a case, each time that it was asked."""
    return sum(episode.usage.tokens for episode in run.episodes) / len(run.episodes)


def runner(digest: str, run: Run) -> Runner:
    """A candidate as it stands in a race; a case that was asked again counts with the mean of its scores."""
    values: dict[str, list[float]] = {episode.case_id: [] for episode in run.episodes}
    for score in run.scores:
        if score.value is not None:
            values[score.case_id].append(score.value)
    return Runner(digest, [sum(found) / len(found) if found else None for found in values.values()], mean_tokens(run))


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
