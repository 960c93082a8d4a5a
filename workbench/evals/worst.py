"""Which episodes to read first."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice

from pydantic import Field, JsonValue

from workbench.core import Case, Episode, Record, Run, Score

Attempt = tuple[str, int]
"""Case id and repeat."""

_LONG = {"tool": {"description", "parameters"}}


class Worst(Record):
    """An episode that fell short, with all that a person needs to see why."""

    episode: Episode
    request: str = ""
    """What was asked; empty where the cases are not at hand."""
    expected: JsonValue = None
    """What would have been right, without the tool's schema; None where the cases are not at hand."""
    tags: tuple[str, ...] = ()
    mean: float = Field(ge=0, le=1)
    """Over the metrics that are scored."""
    scores: tuple[Score, ...]


def worst(run: Run, count: int, *, cases: Sequence[Case] = ()) -> tuple[Worst, ...]:
    """The `count` worst episodes in the order of `worst_first`; fewer if fewer fell short by the agent's fault.

    `cases` add what was asked and expected. Left out are episodes that are right by every metric, and those that
    someone else broke: they say nothing of the agent, and the report counts them by blame.
    """
    scores = scores_of(run)
    known = {case.case_id: case for case in cases}
    found = (_worst(run, episode, scores[attempt(episode)], known) for episode in worst_first(run))
    return tuple(islice((one for one in found if one is not None), count))


def _worst(run: Run, episode: Episode, scores: tuple[Score, ...], known: Mapping[str, Case]) -> Worst | None:
    """None if there is nothing to reproach the agent with."""
    values = [score.value for score in scores if score.value is not None]
    broken = episode.failure is not None and episode.failure.blame != "agent"
    if broken or not values or min(values) == 1:
        return None
    case = known.get(episode.case_id)
    return Worst(
        episode=episode,
        request=case.request if case else "",
        expected=case.expected.model_dump(mode="json", exclude=_LONG) if case else None,
        tags=run.tags.get(episode.case_id, ()),
        mean=sum(values) / len(values),
        scores=scores,
    )


def worst_first(run: Run) -> tuple[Episode, ...]:
    """All episodes: first those in which the agent failed, then those in which anything else did, then the others.

    Among each of these the lowest mean score comes first, unscored ones last; ties by case id and repeat.
    """
    scores = scores_of(run)

    def rank(episode: Episode) -> tuple[int, float, Attempt]:
        failure = episode.failure
        group = 2 if failure is None else int(failure.blame != "agent")
        values = [score.value for score in scores[attempt(episode)] if score.value is not None]
        return group, sum(values) / len(values) if values else 2.0, attempt(episode)

    return tuple(sorted(run.episodes, key=rank))


def scores_of(run: Run) -> dict[Attempt, tuple[Score, ...]]:
    """The scores of each episode, in the order of the run."""
    found: defaultdict[Attempt, list[Score]] = defaultdict(list)
    for score in run.scores:
        found[score.case_id, score.repeat].append(score)
    return {attempt(episode): tuple(found[attempt(episode)]) for episode in run.episodes}


def attempt(episode: Episode) -> Attempt:
    """What tells one episode of a run from the others."""
    return episode.case_id, episode.repeat
