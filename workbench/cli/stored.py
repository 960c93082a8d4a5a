"""What a workspace holds, found by the names that people type."""

from pathlib import Path

import polars as pl
from pydantic import JsonValue

from workbench.core import DataError
from workbench.lms import CallStore


def find_page(workspace: Path, mlflow_run: str) -> Path:
    """The page that was logged with an MLflow run.

    Raises: DataError if there is none.
    """
    page = next((workspace / "artifacts").glob(f"*/{mlflow_run}/artifacts/report.html"), None)
    if page is None:
        raise DataError(f"run {mlflow_run!r} ({workspace}): has no page; run its experiment again")
    return page


def tracked(workspace: Path) -> Path:
    """The workspace, if it holds a tracking store.

    Raises: DataError if nothing was ever tracked there.
    """
    if not (workspace / "mlflow.db").exists():
        raise DataError(f"workspace {str(workspace)!r}: holds no tracking store; run an experiment first")
    return workspace


def open_calls(workspace: Path) -> CallStore:
    """The workspace's call store.

    Raises: DataError if nothing was ever called.
    """
    path = workspace / "calls.db"
    if not path.exists():
        raise DataError(f"workspace {str(workspace)!r}: holds no calls; run an experiment first")
    return CallStore(path)


def sum_calls(calls: pl.DataFrame) -> list[dict[str, JsonValue]]:
    """The ledger's totals by run, module and model, and over all; dollars are null where a price is unknown."""
    paid = ~pl.col("cached")
    tokens = pl.col("prompt_tokens") + pl.col("completion_tokens")
    unknown = (paid & pl.col("usd").is_null()).any()
    sums = (
        paid.sum().alias("paid"),
        pl.col("cached").sum(),
        tokens.filter(paid).sum().alias("tokens"),
        (pl.col("milliseconds").filter(paid).sum() / 1000).round(3).alias("seconds"),
        pl.when(unknown).then(None).otherwise(pl.col("usd").filter(paid).sum()).alias("usd"),
    )
    names = ("run", "module", "model")
    groups = calls.group_by(names, maintain_order=True).agg(sums)
    total = calls.select(*(pl.lit("all").alias(name) for name in names), *sums)
    return [*groups.to_dicts(), *total.to_dicts()]


def sum_misses(misses: pl.DataFrame) -> list[dict[str, JsonValue]]:
    """The attempts that got no answer, by run, module, model and kind of error; `last` is the latest's beginning."""
    names = ("run", "module", "model", "error")
    sums = (
        pl.len().alias("attempts"),
        (pl.col("milliseconds").sum() / 1000).round(3).alias("seconds"),
        pl.col("started").max().alias("last"),
    )
    return misses.group_by(names, maintain_order=True).agg(sums).to_dicts()
