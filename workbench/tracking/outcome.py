"""The outcome of an execution: the verdict as tags, and report, comparison, verdict and plots as artifacts."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import Metric, RunTag
from pydantic import JsonValue

from workbench.core import TrackingError, Verdict, boundary, canonical_json
from workbench.tracking import page, plots
from workbench.tracking.measures import comparison_metrics, ledger_metrics, ledger_tags, report_metrics
from workbench.tracking.records import Outcome
from workbench.tracking.store import Store

_LONGEST = 5000  # characters of a tag that MLflow stores


def log_outcome(store: Store, run_ids: tuple[str, ...], outcome: Outcome) -> None:
    """Log the same outcome to several runs: the execution's, which comes first, and the winner's.

    Metrics: the winner's scores and costs, and the differences, so that executions can be compared in one table.
    Artifacts: report.html, report.json, comparison.json, verdict.json, the outcome's texts, and plots.
    Raises: TrackingError if the store refuses.
    """
    clean = store.clean(outcome)
    files = _files(clean)
    with boundary(TrackingError, "outcome: can't be logged"), tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        for run_id in run_ids:
            store.client.log_artifacts(run_id, folder)
            start = store.client.get_run(run_id).info.start_time
            total = clean.usage if run_id == run_ids[0] else None  # the winner's own run has its own
            metrics = _metrics(clean) | (ledger_metrics(total) if total else {})
            tags = {**verdict_tags(clean.verdict, page.reason(clean)), "mlflow.note.content": page.note(clean)}
            tags |= ledger_tags(total) if total else {}
            points = [Metric(name, float(value), start, 0) for name, value in metrics.items()]
            store.client.log_batch(run_id, metrics=points, tags=[RunTag(name, value) for name, value in tags.items()])


def verdict_tags(verdict: Verdict, reason: str) -> Mapping[str, str]:
    """What a lead filters runs by."""
    return {
        "verdict": verdict.status,
        "verdict_reason": reason[:_LONGEST],
        "verdict_digest": verdict.digest,
        "champion_digest": verdict.champion_digest,
    }


def _metrics(outcome: Outcome) -> dict[str, float]:
    metrics = report_metrics(outcome.winner)
    for comparison in outcome.comparisons:
        metrics |= comparison_metrics(comparison)
    return metrics


def _files(outcome: Outcome) -> dict[str, bytes]:
    images = plots.draw(outcome)
    reports: dict[str, JsonValue] = {
        "baseline": outcome.baseline.model_dump(mode="json"),
        "winner": outcome.winner.model_dump(mode="json"),
    }
    comparisons: list[JsonValue] = [item.model_dump(mode="json") for item in outcome.comparisons]
    files = {Path(name).name: text.encode() for name, text in outcome.texts.items()}
    files |= {f"plots/{name}": image for name, image in images.items()}
    return files | {
        "report.html": page.render(outcome, images).encode(),
        "report.json": canonical_json(reports) + b"\n",
        "comparison.json": canonical_json(comparisons) + b"\n",
        "verdict.json": canonical_json(outcome.verdict.model_dump(mode="json")) + b"\n",
    }
