"""Which episodes a person should look at, and what the looked-at ones say of all.

Half of a sample goes where doubt is greatest (nothing scored it, its score is in the middle, repeats of the case
disagree); the other half is drawn at random from strata of outcome and tag. Each item carries the chance it had of
being drawn, so the reviews of a sample that looks for trouble still say without bias how good all episodes are.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field, JsonValue

from workbench.core import Blame, Case, Episode, EvaluationError, Record, Run, Score, Step, nearest, stream

Key = tuple[str, int]
Opinion = Literal["right", "wrong", "unsure"]
DOUBT = "doubt"
"""The stratum of episodes that are reviewed because they are uncertain; each was certain to be drawn."""


class ReviewRequest(Record):
    """How a sample for review is drawn."""

    metric: str
    """The metric whose outcomes make the strata, and whose doubt is looked for."""
    count: int = Field(ge=1)
    """Episodes to review; fewer if the run has fewer."""
    doubtful: float = Field(default=0.5, ge=0, le=1)
    """Share of the sample that goes to the most uncertain episodes."""
    seed: int


class ReviewItem(Record):
    """One episode, as a reviewer gets it."""

    run_digest: str
    agent: str
    case_id: str
    repeat: int
    request: str
    answer: JsonValue
    """What the agent answered, without its steps; null if it failed."""
    failure: str = ""
    expected: JsonValue = None
    """What the case says is right; null where the case is not known."""
    scores: dict[str, float | None]
    reason: str = ""
    """The grader's."""
    steps: tuple[Step, ...] = ()
    stratum: str
    chance: float = Field(gt=0, le=1)
    """Of being drawn, among the episodes of its stratum."""

    @property
    def key(self) -> Key:
        """Case id and repeat."""
        return self.case_id, self.repeat


class Review(Record):
    """What one reviewer said of one episode."""

    run_digest: str
    case_id: str
    repeat: int = 0
    reviewer: str = Field(min_length=1)
    opinion: Opinion
    failure: str = ""
    """The way it failed, in the words that suites use for failure modes."""
    blame: Blame | None = None
    """Whose fault it was, if it was wrong."""
    comment: str = ""

    @property
    def key(self) -> Key:
        """Case id and repeat."""
        return self.case_id, self.repeat


def sample_reviews(run: Run, cases: Sequence[Case], request: ReviewRequest) -> tuple[ReviewItem, ...]:
    """Draw episodes for review, the doubtful ones first, then the strata in order of names; ties and draws by seed.

    `cases` may lack some of the run's: those items carry no request or expectation.
    Raises: EvaluationError if the run has no such metric.
    """
    if request.metric not in run.header.metrics:
        hint = nearest(request.metric, run.header.metrics)
        raise EvaluationError(f"run of {run.header.agent!r}: has no metric {request.metric!r}; {hint}")
    values = run.values(request.metric)
    doubts = _doubts(run, values)
    order = [(e.case_id, e.repeat) for e in run.episodes]
    shuffled = stream(request.seed, "review doubt").sample(order, len(order))
    most = round(min(request.count, len(order)) * request.doubtful)
    doubtful = [key for key in sorted(shuffled, key=lambda key: -doubts[key])[:most] if doubts[key] > 0]
    rest = [key for key in order if key not in set(doubtful)]
    drawn = _stratified(rest, {key: _stratum(run, key, values) for key in rest}, request, len(doubtful))
    chosen = [(key, DOUBT, 1.0) for key in doubtful] + drawn
    return _items(run, {case.case_id: case for case in cases}, chosen)


def check_reviews(items: Sequence[ReviewItem], reviews: Sequence[Review]) -> None:
    """Do nothing if every review is of an item that was sent out, once for each reviewer.

    Raises: EvaluationError naming the first that is not.
    """
    known = {(item.run_digest, *item.key) for item in items}
    seen: set[tuple[str, str, int, str]] = set()
    for review in reviews:
        where = f"review of case {review.case_id!r} repeat {review.repeat} by {review.reviewer!r}"
        if (review.run_digest, *review.key) not in known:
            raise EvaluationError(f"{where}: no such episode was sent for review; import it with the sample it is of")
        mark = (review.run_digest, *review.key, review.reviewer)
        if mark in seen:
            raise EvaluationError(f"{where}: comes twice; keep one")
        seen.add(mark)


def _doubts(run: Run, values: Mapping[Key, float | None]) -> dict[Key, float]:
    """How uncertain each outcome is, in [0, 1]: 1 if unscored, in the middle, or if repeats are of two minds."""
    by_case: defaultdict[str, list[float]] = defaultdict(list)
    for (case_id, _repeat), value in values.items():
        if value is not None:
            by_case[case_id].append(value)
    doubts = {}
    for episode in run.episodes:
        value = values.get((episode.case_id, episode.repeat))
        if value is None:
            doubts[episode.case_id, episode.repeat] = 1.0
            continue
        mean = float(np.mean(by_case[episode.case_id]))
        doubts[episode.case_id, episode.repeat] = max(1 - abs(2 * value - 1), 4 * mean * (1 - mean))
    return doubts


def _stratum(run: Run, key: Key, values: Mapping[Key, float | None]) -> str:
    value = values.get(key)
    outcome = "unscored" if value is None else "right" if value == 1 else "wrong" if value == 0 else "partly right"
    tags = run.tags.get(key[0], ())
    return f"{outcome} / {tags[0]}" if tags else outcome


def _stratified(
    keys: Sequence[Key], strata: Mapping[Key, str], request: ReviewRequest, taken: int
) -> list[tuple[Key, str, float]]:
    """A random sample in proportion to the strata's sizes, with one of each where there is room."""
    groups: defaultdict[str, list[Key]] = defaultdict(list)
    for key in keys:
        groups[strata[key]].append(key)
    names = sorted(groups)
    counts = _allocate([len(groups[name]) for name in names], min(request.count - taken, len(keys)))
    drawn: list[tuple[Key, str, float]] = []
    for name, count in zip(names, counts, strict=True):
        group = groups[name]
        places = sorted(stream(request.seed, "review", name).sample(range(len(group)), count))
        drawn.extend((group[place], name, count / len(group)) for place in places)
    return drawn


def _allocate(sizes: Sequence[int], total: int) -> list[int]:
    """How many of each: one where there is room, largest strata first, then in proportion, largest remainders first.

    >>> _allocate([90, 9, 1], 10)
    [8, 1, 1]
    """
    counts = [0] * len(sizes)
    for place in sorted(range(len(sizes)), key=lambda place: (-sizes[place], place))[:total]:
        counts[place] = 1
    while sum(counts) < total:
        lack = [total * size / sum(sizes) - count for size, count in zip(sizes, counts, strict=True)]
        open_places = [place for place in range(len(sizes)) if counts[place] < sizes[place]]
        counts[max(open_places, key=lambda place: (lack[place], -place))] += 1
    return counts


def _items(run: Run, cases: Mapping[str, Case], chosen: Sequence[tuple[Key, str, float]]) -> tuple[ReviewItem, ...]:
    episodes = {(episode.case_id, episode.repeat): episode for episode in run.episodes}
    scores: defaultdict[Key, list[Score]] = defaultdict(list)
    for score in run.scores:
        scores[score.case_id, score.repeat].append(score)
    digest, agent = run.digest, run.header.agent
    return tuple(
        ReviewItem(
            run_digest=digest,
            agent=agent,
            case_id=key[0],
            repeat=key[1],
            request=cases[key[0]].request if key[0] in cases else "",
            answer=_answer(episodes[key]),
            failure=_failure(episodes[key]),
            expected=cases[key[0]].expected.model_dump(mode="json") if key[0] in cases else None,
            scores={score.metric: score.value for score in scores[key]},
            reason="; ".join(f"{score.metric}: {score.reason}" for score in scores[key] if score.reason),
            steps=_steps(episodes[key]),
            stratum=stratum,
            chance=chance,
        )
        for key, stratum, chance in chosen
    )


def _answer(episode: Episode) -> JsonValue:
    prediction = episode.prediction
    if prediction is None:
        return None
    answer: JsonValue = prediction.model_dump(mode="json", exclude={"steps", "ranked"}, exclude_defaults=True)
    return answer


def _failure(episode: Episode) -> str:
    failure = episode.failure
    return f"{failure.blame}: {failure.kind}: {failure.message}" if failure else ""


def _steps(episode: Episode) -> tuple[Step, ...]:
    return episode.prediction.steps if episode.prediction else ()
