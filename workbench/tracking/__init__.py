"""What a lead sees in the MLflow UI: experiments, runs, prompts, traces, models; the only importer of mlflow.

Call `open_store(folder)`, then `log_experiment`, `log_run` for each agent that was measured, `log_traces`,
`log_outcome` for the verdict with report and plots, and `register_prompt` and `register_package` for what
won. `read_runs` gives it back as a table; `ui_command` is what shows it.

Why explicit clients and no active run: several experiments may log from one process at once, and MLflow's
global state mixes them up. Why rows for traces: MLflow's own calls commit once for each trace and each
score, several milliseconds each; the same rows in one transaction cost a fraction of that. Every text is
redacted on its way in, and logging the same thing twice changes nothing, so a resumed run may log again.
"""

import os

# Before mlflow is imported: nothing is sent, and concurrent writers don't wait for each other's connections.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")

from workbench.tracking.answers import Answered, read_answers
from workbench.tracking.kpis import log_kpis, log_page
from workbench.tracking.live import LiveRuns
from workbench.tracking.outcome import log_outcome
from workbench.tracking.page import render_run_page
from workbench.tracking.plots import Mark, draw_front, draw_operating_curve, draw_report
from workbench.tracking.records import DataLog, ExperimentLog, LiveRun, Look, Outcome, PromptLog, RunLog, describe_data
from workbench.tracking.registry import register_package, register_prompt
from workbench.tracking.reviews import ReviewQueue, read_reviews, send_for_review
from workbench.tracking.runs import RUNS, finish, log_experiment, log_run, read_runs
from workbench.tracking.scorers import ScorerMetric, load_scorer, metric_scorer, scorer_metric
from workbench.tracking.store import Store, open_store, ui_command
from workbench.tracking.traces import log_traces

__all__ = [
    "RUNS",
    "Answered",
    "DataLog",
    "ExperimentLog",
    "LiveRun",
    "LiveRuns",
    "Look",
    "Mark",
    "Outcome",
    "PromptLog",
    "ReviewQueue",
    "RunLog",
    "ScorerMetric",
    "Store",
    "describe_data",
    "draw_front",
    "draw_operating_curve",
    "draw_report",
    "finish",
    "load_scorer",
    "log_experiment",
    "log_kpis",
    "log_outcome",
    "log_page",
    "log_run",
    "log_traces",
    "metric_scorer",
    "open_store",
    "read_answers",
    "read_reviews",
    "read_runs",
    "register_package",
    "register_prompt",
    "render_run_page",
    "scorer_metric",
    "send_for_review",
    "ui_command",
]
