"""Episodes go into MLflow's review queue and come back with what people said."""

import mlflow
import pytest
from mlflow.entities import AssessmentSource, Feedback
from weather import make_case

from workbench.core import Episode, Prediction, Run, RunHeader, Score, TrackingError
from workbench.evals import Review, ReviewItem, ReviewRequest, sample_reviews
from workbench.tracking import ExperimentLog, RunLog, Store, log_experiment, log_run
from workbench.tracking.reviews import COMMENT, FAILURE, RIGHT, ReviewQueue, read_reviews, send_for_review
from workbench.tracking.spans import trace_id

CASES = tuple(make_case(number) for number in range(4))
QUEUE = ReviewQueue(name="look here", reviewers=("ann",), model="scripted")


@pytest.fixture
def run() -> Run:
    """Four episodes, two of them right."""
    return Run(
        header=RunHeader(agent="a", agent_digest="d", evalset_digest="e", split="test", metrics=("m",)),
        clusters={case.case_id: case.cluster for case in CASES},
        tags={case.case_id: () for case in CASES},
        episodes=tuple(
            Episode(case_id=case.case_id, prediction=Prediction(answer="yes"), milliseconds=1) for case in CASES
        ),
        scores=tuple(
            Score(case_id=case.case_id, metric="m", value=float(number % 2)) for number, case in enumerate(CASES)
        ),
    )


@pytest.fixture
def run_id(store: Store, experiment: ExperimentLog) -> str:
    """A run in the store."""
    log = RunLog(name="a", role="baseline", agent_digest="d", params={})
    return log_run(store, log_experiment(store, experiment), log)


@pytest.fixture
def items(run: Run) -> tuple[ReviewItem, ...]:
    """Three of the four episodes."""
    return sample_reviews(run, CASES, ReviewRequest(metric="m", count=3, seed=1))


def answer(store: Store, identity: str, name: str, value: str | bool, reviewer: str = "ann") -> None:
    """What the UI writes when a person answers."""
    mlflow.set_tracking_uri(store.uri)
    source = AssessmentSource(source_type="HUMAN", source_id=reviewer)
    mlflow.log_assessment(identity, Feedback(name=name, value=value, source=source))


def test_a_queue_holds_the_items_once(store: Store, run: Run, run_id: str, items: tuple[ReviewItem, ...]) -> None:
    """Sending twice is one queue with each item once, pending, with the three questions."""
    first = send_for_review(store, run_id, items, run=run, cases=CASES, queue=QUEUE)
    again = send_for_review(store, run_id, items, run=run, cases=CASES, queue=QUEUE)

    assert first == again
    queue = store.rows.get_review_queue(first)
    names = {store.rows.get_label_schema(schema).name for schema in queue.schema_ids}
    assert (["ann"], {RIGHT, FAILURE, COMMENT}) == (queue.users, names)
    kept = store.rows.list_review_queue_items(first)
    assert ["PENDING"] * 3 == [item.status.value.upper() for item in kept]


def test_answers_come_back_by_reviewer(store: Store, run: Run, run_id: str, items: tuple[ReviewItem, ...]) -> None:
    """Right or wrong, the failure and the comment; who only comments is unsure; what the grader said is no review."""
    send_for_review(store, run_id, items, run=run, cases=CASES, queue=QUEUE)
    by_key = {(episode.case_id, episode.repeat): trace_id(run_id, episode) for episode in run.episodes}
    answer(store, by_key[items[0].key], RIGHT, value=False)
    answer(store, by_key[items[0].key], FAILURE, "wrong day")
    answer(store, by_key[items[0].key], COMMENT, "Is it?", reviewer="bob")

    found = read_reviews(store, run_id, items, run=run)

    said = {"run_digest": run.digest, "case_id": items[0].case_id}
    assert (
        Review(**said, reviewer="ann", opinion="wrong", failure="wrong day"),
        Review(**said, reviewer="bob", opinion="unsure", comment="Is it?"),
    ) == found


def test_items_of_another_run_are_refused(store: Store, run: Run, run_id: str, items: tuple[ReviewItem, ...]) -> None:
    """A review would otherwise be read as one of something nobody saw."""
    other = items[0].model_copy(update={"run_digest": "other"})

    with pytest.raises(TrackingError, match="another run"):
        send_for_review(store, run_id, [other], run=run, cases=CASES, queue=QUEUE)
