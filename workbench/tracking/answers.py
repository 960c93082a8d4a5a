"""What agents answered, as traces keep it: requests with answers, and whether a person found them right."""

import json
from collections.abc import Iterator

from mlflow.entities import AssessmentSourceType, Trace
from pydantic import JsonValue

from workbench.core import Record, TrackingError, boundary, nearest
from workbench.tracking.reviews import RIGHT
from workbench.tracking.store import Store

_PAGE = 200  # traces that are asked for at once, with their spans


class Answered(Record):
    """One request and what an agent answered."""

    trace_id: str
    request: str
    answer: str
    """Text as it is; another value as JSON."""
    at: float
    """When it began, in seconds since 1970."""
    reviewed: bool
    """Whether the last word of every person who judged it is that it is right; False if nobody did."""


def read_answers(store: Store, experiment: str, *, reviewed: bool, most: int) -> tuple[Answered, ...]:
    """The answered requests of an experiment's traces, by trace id; of failed and unanswered ones none.

    With `reviewed` only those that people found right.
    Raises: TrackingError if there is no such experiment, it has more than `most` traces, or the store refuses.
    """
    with boundary(TrackingError, f"experiment {experiment!r}: its traces can't be read"):
        found = store.client.get_experiment_by_name(experiment)
        if found is None:
            names = (one.name for one in store.client.search_experiments())
            raise TrackingError(f"experiment {experiment!r}: is not in the store; {nearest(experiment, names)}")
        answers = []
        for number, trace in enumerate(_traces(store, found.experiment_id), start=1):
            if number > most:
                raise TrackingError(f"experiment {experiment!r}: has more than {most} traces; raise most_rows")
            request, answer = _words(trace.data.request), _words(trace.data.response)
            one = Answered(
                trace_id=trace.info.trace_id,
                request=request,
                answer=answer,
                at=trace.info.request_time / 1000,
                reviewed=_is_right(trace),
            )
            if request.strip() and answer.strip() and (one.reviewed or not reviewed):
                answers.append(one)
    return tuple(sorted(answers, key=lambda one: one.trace_id))


def _traces(store: Store, experiment_id: str) -> Iterator[Trace]:
    token: str | None = None
    while True:
        page = store.client.search_traces(
            locations=[experiment_id],
            filter_string="trace.status = 'OK'",
            max_results=_PAGE,
            order_by=["timestamp_ms ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _is_right(trace: Trace) -> bool:
    said: dict[str, bool] = {}
    for one in sorted(trace.info.assessments, key=lambda one: one.last_update_time_ms or 0):
        human = one.source is not None and one.source.source_type == AssessmentSourceType.HUMAN
        if human and one.name == RIGHT and one.feedback and one.valid is not False:
            said[one.source.source_id or "unknown"] = one.feedback.value is True
    return bool(said) and all(said.values())


def _words(written: str | None) -> str:
    """A request or an answer in words: the one text that it is or holds, else its JSON."""
    try:
        value: JsonValue = json.loads(written or "null")
    except json.JSONDecodeError:
        return written or ""
    while isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
