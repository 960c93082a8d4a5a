"""Human review of stored runs: samples go out, opinions come in, and failures that people saw become cases."""

from collections.abc import Sequence
from pathlib import Path

from workbench.core import DataError, Record, read_record, read_records, write_records
from workbench.datasets import Lesson
from workbench.evals import (
    Agreement,
    Decision,
    Review,
    ReviewedRate,
    ReviewItem,
    ReviewRequest,
    adjudicate,
    agree,
    check_reviews,
    number,
    render_table,
    reviewed_rate,
    sample_reviews,
)
from workbench.lab.stored import StoredRun, cases_of, find_run, known_cases
from workbench.lab.workspace import DONE, Done, Shipped

ITEMS, REVIEWS = "items.jsonl", "reviews.jsonl"


class ReviewSummary(Record):
    """What reviewers came to."""

    agreement: Agreement
    rate: ReviewedRate
    decisions: tuple[Decision, ...]

    @property
    def failures(self) -> tuple[Decision, ...]:
        """The episodes that were found wrong."""
        return tuple(decision for decision in self.decisions if decision.opinion == "wrong")


def draw_sample(workspace: Path, name: str, request: ReviewRequest) -> tuple[Path, tuple[ReviewItem, ...]]:
    """Draw a sample of a stored run for review; the file it lies in, and the items.

    Raises: DataError if there is no such run, or another sample of it has reviews already; EvaluationError if the
    run has no such metric.
    """
    stored = find_run(workspace, name)
    folder = _folder(workspace, stored)
    items = sample_reviews(stored.run, known_cases(workspace, stored), request)
    path = folder / ITEMS
    if (folder / REVIEWS).exists() and list(read_records(path, ReviewItem)) != list(items):
        raise DataError(f"review {stored.name!r} ({path}): has reviews of another sample; move the folder away first")
    write_records(path, items)
    return path, items


def take_reviews(workspace: Path, name: str, reviews: Sequence[Review]) -> int:
    """Add reviews of a sample to those that are there; how many are new. A reviewer may change their mind.

    Raises: DataError if no sample was drawn; EvaluationError if a review is of something that was not in it.
    """
    folder = _folder(workspace, find_run(workspace, name))
    items = _items(folder)
    check_reviews(items, reviews)
    kept = {(*review.key, review.reviewer): review for review in _reviews(folder)}
    before = dict(kept)
    kept |= {(*review.key, review.reviewer): review for review in reviews}
    write_records(folder / REVIEWS, [kept[key] for key in sorted(kept)])
    return sum(before.get(key) != review for key, review in kept.items())


def take_queue(workspace: Path, name: str) -> int:
    """Add what people answered in MLflow's review queue; how many are new.

    Raises: DataError if no sample was drawn or the run was never tracked; TrackingError if the store refuses.
    """
    from workbench.tracking import open_store, read_reviews  # noqa: PLC0415 - takes seconds to import

    stored = find_run(workspace, name)
    items = _items(_folder(workspace, stored))
    found = read_reviews(open_store(workspace), _mlflow_run(workspace, stored), items, run=stored.run)
    return take_reviews(workspace, name, found)


def send_queue(workspace: Path, name: str, *, queue: str, reviewers: Sequence[str] = ()) -> str:
    """Put a drawn sample into a review queue of MLflow, as traces with questions; the queue's id.

    Raises: DataError if no sample was drawn or the run was never tracked; TrackingError if the store refuses.
    """
    from workbench.tracking import ReviewQueue, open_store, send_for_review  # noqa: PLC0415 - as above

    stored = find_run(workspace, name)
    items = _items(_folder(workspace, stored))
    wanted = ReviewQueue(name=queue, reviewers=tuple(reviewers), model=stored.run.header.source or "unknown")
    cases, run_id = cases_of(workspace, stored), _mlflow_run(workspace, stored)
    return send_for_review(open_store(workspace), run_id, items, run=stored.run, cases=cases, queue=wanted)


def sum_up(workspace: Path, name: str, *, adjudicator: str = "", seed: int = 0) -> ReviewSummary:
    """Agreement, decisions and the rate they imply.

    Raises: DataError if no sample was drawn or nobody reviewed it.
    """
    stored = find_run(workspace, name)
    folder = _folder(workspace, stored)
    items, reviews = _items(folder), _reviews(folder)
    if not reviews:
        raise DataError(f"review {stored.name!r} ({folder}): has no opinion yet; import some first")
    decisions = adjudicate(reviews, adjudicator=adjudicator)
    return ReviewSummary(agreement=agree(reviews, seed=seed), rate=reviewed_rate(items, decisions), decisions=decisions)


def render_summary(summary: ReviewSummary) -> str:
    """Agreement, rate and decisions as text; ends with a line break."""
    agreement, rate = summary.agreement, summary.rate
    rows = [
        (one.case_id, str(one.repeat), one.opinion, one.how, one.failure or "-", ", ".join(one.reviewers))
        for one in summary.decisions
    ]
    alpha = _measured(agreement.alpha, agreement.low, agreement.high, agreement.reason)
    right = _measured(rate.estimate, rate.low, rate.high, rate.reason)
    return (
        f"agreement (Krippendorff's alpha): {alpha}, {agreement.reviewers} reviewers, {agreement.episodes} shared\n"
        f"right among all episodes: {right}, {rate.reviewed} of {rate.sent} decided\n\n"
        + render_table(("case", "repeat", "decided", "how", "failure", "reviewers"), rows)
    )


def lessons(workspace: Path, name: str, summary: ReviewSummary) -> tuple[Lesson, ...]:
    """The cases that were found wrong, once each, with what people said of them.

    Raises: DataError if the run's cases are not in the workspace.
    """
    stored = find_run(workspace, name)
    known = {case.case_id: case for case in cases_of(workspace, stored)}
    first = {decision.case_id: decision for decision in reversed(summary.failures)}
    return tuple(
        Lesson(
            case=known[case_id],
            bug="; ".join(first[case_id].comments) or first[case_id].failure or "found wrong in review",
            failure=first[case_id].failure,
        )
        for case_id in sorted(first)
    )


def _measured(value: float | None, low: float | None, high: float | None, reason: str) -> str:
    if value is None:
        return f"unmeasured ({reason})"
    return number(value) if low is None or high is None else f"{number(value)} [{number(low)}, {number(high)}]"


def _folder(workspace: Path, stored: StoredRun) -> Path:
    return workspace / "reviews" / stored.name


def _items(folder: Path) -> tuple[ReviewItem, ...]:
    if not (folder / ITEMS).exists():
        raise DataError(f"review {folder.name!r} ({folder}): no sample was drawn; draw one with review sample")
    return tuple(read_records(folder / ITEMS, ReviewItem))


def _reviews(folder: Path) -> tuple[Review, ...]:
    path = folder / REVIEWS
    return tuple(read_records(path, Review)) if path.exists() else ()


def _mlflow_run(workspace: Path, stored: StoredRun) -> str:
    """The run in MLflow: noted beside a run on a suite, and by the stage that tracked an experiment's runs."""
    beside = stored.folder / "tracked.json"
    if beside.exists():
        return read_record(beside, Shipped).mlflow_run
    for file in sorted((workspace / "stages").glob("track-*/tracked.json")):
        gate = str(read_record(file.with_name(DONE), Done).inputs["gate"])
        decided, shipped = read_record(workspace / "stages" / gate / DONE, Done).inputs, read_record(file, Shipped)
        for stage, run in (("winner", shipped.winner_run), ("baseline", shipped.baseline_run)):
            if decided[stage] == stored.name:
                return run
    raise DataError(f"run {stored.name!r} ({stored.folder}): is not in MLflow; review its episodes as JSONL")
