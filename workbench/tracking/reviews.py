"""Human review in MLflow's UI: a queue of traces with questions, and what the reviewers answered.

A queue needs traces, so the run's episodes are logged as traces first, if they are not there. Three questions are
asked of each: is the answer right, how did it fail, and what is to be said. MLflow keeps an answer as an assessment
of the trace, with the name of who gave it; the way back reads those.
"""

from collections import defaultdict
from collections.abc import Sequence

from mlflow.entities import Assessment, AssessmentSourceType
from mlflow.exceptions import MlflowException
from mlflow.genai.label_schemas import InputPassFail, InputText
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from pydantic import Field

from workbench.core import Case, Record, Run, TrackingError, boundary
from workbench.evals import Review, ReviewItem
from workbench.tracking.spans import trace_id
from workbench.tracking.store import Store
from workbench.tracking.traces import log_traces

RIGHT, FAILURE, COMMENT = "answer_right", "failure_mode", "review_comment"
_QUESTIONS: tuple[tuple[str, InputPassFail | InputText, str], ...] = (
    (RIGHT, InputPassFail(positive_label="right", negative_label="wrong"), "Did the agent do what was asked?"),
    (FAILURE, InputText(max_length=200), "If it is wrong: in which way did it fail, in a word or two?"),
    (COMMENT, InputText(max_length=2000), "What should others know?"),
)


class ReviewQueue(Record):
    """A queue of episodes for people to review."""

    name: str = Field(min_length=1)
    """Unique in the experiment; what it holds already stays."""
    reviewers: tuple[str, ...] = ()
    """Whom MLflow shows it to; everybody if empty."""
    model: str
    """Name of the language model, for traces that are not logged yet."""


def send_for_review(
    store: Store, run_id: str, items: Sequence[ReviewItem], *, run: Run, cases: Sequence[Case], queue: ReviewQueue
) -> str:
    """Put sampled episodes of a logged run into a review queue of its experiment; the queue's id.

    Sending the same items again changes nothing. `cases` are those of the run.
    Raises: TrackingError if the store refuses, or an item is of another run.
    """
    chosen = _traces(run_id, run, items)
    log_traces(store, run_id, cases, run, model=queue.model, limit=None)
    clean = store.clean(queue)
    with boundary(TrackingError, f"review queue {queue.name!r}: can't be filled"), store.lock:
        experiment_id = store.client.get_run(run_id).info.experiment_id
        questions = [_question(store, experiment_id, *question) for question in _QUESTIONS]
        queue_id = _queue(store, experiment_id, clean, questions)
        store.rows.add_items_to_review_queue(queue_id, item_ids=list(chosen))  # type: ignore[no-untyped-call]
        return queue_id


def read_reviews(store: Store, run_id: str, items: Sequence[ReviewItem], *, run: Run) -> tuple[Review, ...]:
    """What people answered on the items' traces, by case, repeat and reviewer; later answers replace earlier ones.

    An answer that only says how it failed or comments is "unsure" about right and wrong.
    Raises: TrackingError if the store refuses, or an item is of another run.
    """
    with boundary(TrackingError, f"run {run_id!r}: its reviews can't be read"):
        found = [
            review
            for identity, item in _traces(run_id, run, items).items()
            for review in _reviews(item, store.rows.get_trace_info(identity).assessments)
        ]
    return tuple(sorted(found, key=lambda review: (*review.key, review.reviewer)))


def _traces(run_id: str, run: Run, items: Sequence[ReviewItem]) -> dict[str, ReviewItem]:
    """The items by the ids of their traces."""
    foreign = next((item for item in items if item.run_digest != run.digest), None)
    if foreign is not None:
        raise TrackingError(f"case {foreign.case_id!r}: was drawn from another run than this; give the run it is of")
    episodes = {(episode.case_id, episode.repeat): episode for episode in run.episodes}
    return {trace_id(run_id, episodes[item.key]): item for item in items}


def _question(store: Store, experiment_id: str, name: str, form: InputPassFail | InputText, words: str) -> str:
    try:
        found = store.rows.get_label_schema_by_name(experiment_id, name)  # type: ignore[no-untyped-call]
    except MlflowException as missing:
        if missing.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        found = store.rows.create_label_schema(  # type: ignore[no-untyped-call]
            experiment_id, name=name, type="feedback", input=form, instruction=words
        )
    return str(found.schema_id)


def _queue(store: Store, experiment_id: str, queue: ReviewQueue, questions: Sequence[str]) -> str:
    try:
        found = store.rows.get_review_queue_by_name(experiment_id, name=queue.name)  # type: ignore[no-untyped-call]
    except MlflowException as missing:
        if missing.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        found = store.rows.create_review_queue(  # type: ignore[no-untyped-call]
            experiment_id,
            name=queue.name,
            queue_type="custom",
            created_by="workbench",
            users=list(queue.reviewers),
            schema_ids=list(questions),
        )
    return str(found.queue_id)


def _reviews(item: ReviewItem, assessments: Sequence[Assessment]) -> list[Review]:
    """One review for each person who answered any question."""
    answers: defaultdict[str, dict[str, object]] = defaultdict(dict)
    for one in sorted(assessments, key=lambda one: one.last_update_time_ms or 0):
        human = one.source is not None and one.source.source_type == AssessmentSourceType.HUMAN
        if human and one.feedback and one.valid is not False and one.name in (RIGHT, FAILURE, COMMENT):
            answers[one.source.source_id or "unknown"][one.name] = one.feedback.value
    return [
        Review(
            run_digest=item.run_digest,
            case_id=item.case_id,
            repeat=item.repeat,
            reviewer=reviewer,
            opinion="unsure" if RIGHT not in said else "right" if said[RIGHT] is True else "wrong",
            failure=str(said.get(FAILURE, "")),
            comment=str(said.get(COMMENT, "")),
        )
        for reviewer, said in answers.items()
    ]
