"""The KPIs of a run, and the score of every episode behind them."""

from collections.abc import Sequence

import polars as pl

from workbench.core import Run, TrackingError, boundary, canonical_json
from workbench.evals import KpiLine
from workbench.tracking.measures import kpi_metrics, kpi_tags
from workbench.tracking.rows import add_rows, find_place, write_artifacts
from workbench.tracking.store import Store


def log_kpis(store: Store, run_id: str, lines: Sequence[KpiLine], run: Run) -> None:
    """Log KPIs of a run that is there already; the same again changes nothing.

    Metrics `kpi/<name>` with `_low`, `_high` and `_coverage`; a tag with the reason for each that is unmeasured.
    Artifacts: kpis.json, and scores.csv with a row for every score of every episode.
    Raises: TrackingError if the store refuses or does not know the run.
    """
    clean = [store.clean(line) for line in lines]
    with boundary(TrackingError, f"run {run_id!r}: its KPIs can't be logged"):
        place = find_place(store, run_id)
        if place is None:
            raise TrackingError(f"run {run_id!r}: was never logged; log it before its KPIs")
        table = canonical_json([line.model_dump(mode="json") for line in clean]) + b"\n"
        files = {"kpis.json": table, "scores.csv": _scores(store, run)}
        write_artifacts(place.artifacts(run_id), files)
        add_rows(store, run_id, place.start, kpi_metrics(clean), kpi_tags(clean))


def log_page(store: Store, run_id: str, page: str) -> None:
    """Put the page of a run among its artifacts as report.html, in place of an earlier one.

    Raises: TrackingError if the store refuses or does not know the run.
    """
    with boundary(TrackingError, f"run {run_id!r}: its page can't be logged"):
        place = find_place(store, run_id)
        if place is None:
            raise TrackingError(f"run {run_id!r}: was never logged; log it before its page")
        write_artifacts(place.artifacts(run_id), {"report.html": page.encode()})


def _scores(store: Store, run: Run) -> bytes:
    texts = pl.col("case_id", "cluster", "reason")
    kept = {name: store.redactor.text(name) for name in {*run.clusters, *run.clusters.values(), *_reasons(run)}}
    return run.frame().with_columns(texts.replace_strict(kept)).write_csv().encode()


def _reasons(run: Run) -> set[str]:
    return {score.reason for score in run.scores}
