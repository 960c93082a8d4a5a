"""Traces: what an agent did on sampled cases, step by step, beside its scores."""

from collections.abc import Iterator, Sequence

import sqlalchemy
from mlflow.store.tracking.dbmodels.models import SqlAssessments, SqlSpan, SqlTraceInfo, SqlTraceMetadata, SqlTraceTag

from workbench.core import Case, Run, TrackingError, boundary
from workbench.evals import attempt, scores_of, worst_first
from workbench.tracking.rows import find_place, set_tag
from workbench.tracking.spans import Row, TraceContext, TraceRows, trace_id, trace_rows
from workbench.tracking.store import Store

_AT_ONCE = 500  # traces in one transaction: bounds memory, and how long others wait for the database


def log_traces(
    store: Store, run_id: str, cases: Sequence[Case], run: Run, *, model: str, limit: int | None = 20
) -> tuple[str, ...]:
    """Log sampled episodes as traces of a run, with spans, tokens, costs and scores; their ids, worst first.

    Those in which the agent failed come first, then those in which anything else did, then those with the lowest
    mean score; ties by case id and repeat. A limit of None is all. `model` is the language model's name. Traces
    that are there already stay as they are.
    Raises: TrackingError if the store refuses, or an episode's case is not among `cases`.
    """
    known = {case.case_id: case for case in cases}
    scores = scores_of(run)
    sample = worst_first(run)[:limit]
    missing = sorted({episode.case_id for episode in sample} - known.keys())
    if missing:
        raise TrackingError(f"case {missing[0]!r}: is in the run but not among its cases; give the split it ran on")
    identities = tuple(trace_id(run_id, episode) for episode in sample)
    with boundary(TrackingError, f"run {run_id!r}: traces can't be logged"):
        context, start = _context(store, run_id, run, model)
        present = _present(store, identities)
        # MLflow shows the latest trace on top: the worst episode gets the latest time.
        rows = (
            trace_rows(context, known[episode.case_id], episode, scores[attempt(episode)], start=start - place)
            for place, (identity, episode) in enumerate(zip(identities, sample, strict=True))
            if identity not in present
        )
        for block in _blocks(rows):
            _insert(store, block)
        # Averages over the traces are not the run's scores: MLflow shows them, so the run says what they are of.
        sampled = f"{len(sample)} of {len(run.episodes)} cases, worst first"
        set_tag(store, run_id, "traces", sampled if len(sample) < len(run.episodes) else "all cases, worst first")
    return identities


def _context(store: Store, run_id: str, run: Run, model: str) -> tuple[TraceContext, int]:
    place = find_place(store, run_id)
    if place is None:
        raise TrackingError(f"run {run_id!r}: was never logged; log it before its traces")
    context = TraceContext(
        run_id=run_id,
        experiment_id=place.experiment_id,
        location=place.location,
        agent=run.header.agent,
        split=run.header.split,
        model=model,
        redactor=store.redactor,
    )
    return context, place.start


def _blocks(rows: Iterator[TraceRows]) -> Iterator[list[TraceRows]]:
    block: list[TraceRows] = []
    for trace in rows:
        block.append(trace)
        if len(block) == _AT_ONCE:
            yield block
            block = []
    if block:
        yield block


def _present(store: Store, identities: Sequence[str]) -> set[str]:
    column = SqlTraceInfo.__table__.c.request_id
    found: set[str] = set()
    with store.rows.ManagedSessionMaker(read_only=True) as session:
        for first in range(0, len(identities), _AT_ONCE):
            asked = column.in_(identities[first : first + _AT_ONCE])
            found.update(session.scalars(sqlalchemy.select(column).where(asked)))
    return found


def _insert(store: Store, traces: Sequence[TraceRows]) -> None:
    """All rows in one transaction: MLflow's own calls commit once for each trace and each score."""
    tables: tuple[tuple[sqlalchemy.Table, list[Row]], ...] = (
        (SqlTraceInfo.__table__, [trace.info for trace in traces]),
        (SqlTraceTag.__table__, [row for trace in traces for row in trace.tags]),
        (SqlTraceMetadata.__table__, [row for trace in traces for row in trace.metadata]),
        (SqlSpan.__table__, [row for trace in traces for row in trace.spans]),
        (SqlAssessments.__table__, [row for trace in traces for row in trace.assessments]),
    )
    with store.rows.ManagedSessionMaker(read_only=False) as session:
        for table, rows in tables:
            if rows:
                session.execute(sqlalchemy.insert(table), rows)
