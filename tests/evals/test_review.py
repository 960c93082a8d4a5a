"""Samples for review go where doubt is, carry their chances, and refuse reviews of anything else."""

import pytest

from workbench.core import Case, Episode, EvaluationError, ExpectedAbstention, Run, RunHeader, Score
from workbench.evals.review import DOUBT, Review, ReviewRequest, check_reviews, sample_reviews


def make(values: list[float | None], tags: tuple[str, ...] = ("a",), repeats: int = 1) -> Run:
    names = [f"c{place // repeats:02}" for place in range(len(values))]
    return Run(
        header=RunHeader(agent="a", agent_digest="d", evalset_digest="e", split="test", metrics=("m",)),
        clusters={name: name for name in names},
        tags=dict.fromkeys(names, tags),
        episodes=tuple(
            Episode(case_id=name, repeat=place % repeats, prediction=None, milliseconds=0)
            for place, name in enumerate(names)
        ),
        scores=tuple(
            Score(
                case_id=name, repeat=place % repeats, metric="m", value=value, reason="" if value is not None else "x"
            )
            for place, (name, value) in enumerate(zip(names, values, strict=True))
        ),
    )


def test_half_goes_to_doubt_and_half_is_drawn_by_stratum() -> None:
    """The unscored and the undecided come first; the rest is spread over right and wrong."""
    run = make([None, 0.5, *[1.0] * 8, *[0.0] * 8])

    items = sample_reviews(run, (), ReviewRequest(metric="m", count=6, doubtful=0.5, seed=1))

    assert [("c00", DOUBT, 1.0), ("c01", DOUBT, 1.0)] == sorted(
        (item.case_id, item.stratum, item.chance) for item in items if item.stratum == DOUBT
    )
    assert {"right / a": 2, "wrong / a": 2} == {
        name: sum(item.stratum == name for item in items) for name in ("right / a", "wrong / a")
    }
    assert {0.25} == {item.chance for item in items if item.stratum != DOUBT}


def test_repeats_of_two_minds_are_doubtful() -> None:
    """A case that is right once and wrong once is looked at before one that is always right."""
    run = make([1.0, 1.0, 1.0, 0.0], repeats=2)

    items = sample_reviews(run, (), ReviewRequest(metric="m", count=2, doubtful=1.0, seed=3))

    assert {"c01"} == {item.case_id for item in items}


def test_the_same_seed_draws_the_same_sample() -> None:
    """Another seed draws another one."""
    run = make([1.0] * 40)

    first, again, other = (
        sample_reviews(run, (), ReviewRequest(metric="m", count=10, seed=seed)) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_chances_add_up_to_the_run() -> None:
    """One over the chance, summed, is the number of episodes the sample stands for."""
    run = make([None, *[1.0] * 20, *[0.0] * 9])

    items = sample_reviews(run, (), ReviewRequest(metric="m", count=12, seed=5))

    assert 30.0 == pytest.approx(sum(1 / item.chance for item in items))


def test_an_item_shows_request_and_expectation_of_its_case() -> None:
    """What a reviewer needs to judge stands on the item."""
    case = Case(case_id="c00", request="Sing.", expected=ExpectedAbstention(manner="refuse"), cluster="c00")

    (item,) = sample_reviews(make([0.0]), (case,), ReviewRequest(metric="m", count=1, seed=0))

    assert ("Sing.", {"kind": "abstention", "manner": "refuse"}) == (item.request, item.expected)


def test_an_unknown_metric_names_the_nearest() -> None:
    """A misspelt metric is found before anything is drawn."""
    with pytest.raises(EvaluationError, match='did you mean "m"'):
        sample_reviews(make([1.0]), (), ReviewRequest(metric="mm", count=1, seed=0))


@pytest.mark.parametrize(
    ("changed", "words"), [({"case_id": "c77"}, "no such episode"), ({"run_digest": "x"}, "no such episode")]
)
def test_reviews_of_something_else_are_refused(changed: dict[str, str], words: str) -> None:
    """A review of another run or case never slips in."""
    items = sample_reviews(make([1.0]), (), ReviewRequest(metric="m", count=1, seed=0))
    review = Review(run_digest=items[0].run_digest, case_id="c00", reviewer="ann", opinion="right")

    check_reviews(items, [review])
    with pytest.raises(EvaluationError, match=words):
        check_reviews(items, [review.model_copy(update=changed)])


def test_a_reviewer_speaks_once() -> None:
    """Two reviews of one episode by one person would count twice."""
    items = sample_reviews(make([1.0]), (), ReviewRequest(metric="m", count=1, seed=0))
    review = Review(run_digest=items[0].run_digest, case_id="c00", reviewer="ann", opinion="right")

    with pytest.raises(EvaluationError, match="comes twice"):
        check_reviews(items, [review, review])
