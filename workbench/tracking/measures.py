"""Reports, spending and specs in MLflow's words: metrics, parameters, tags."""

import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from workbench.core import Comparison, Line, Report, Usage, canonical_json, digest_json, short
from workbench.evals import KpiLine

_ALLOWED = re.compile(r"[^\w./: -]")
_LONGEST = 400  # characters of a parameter: what a table's cell can show; the whole spec is in spec.json
_UNITS = {"USD": "usd", "tokens": "tokens", "ms": "ms", "calls": "calls"}


def key(name: str) -> str:
    """A name that MLflow takes for metrics and parameters: letters, digits and _ . / : - only.

    >>> key("recall@5")
    'recall_5'
    """
    return _ALLOWED.sub("_", name)[:250]


def metric_name(line: Line, split: str) -> str:
    """The metric of a line: split, name and, for a cost, its unit.

    >>> metric_name(Line(name="latency", kind="cost", unit="ms", estimate=1.0, cases=1, unscored=0, clusters=1), "test")
    'test/latency_ms'
    """
    unit = _UNITS.get(line.unit, line.unit) if line.kind == "cost" else ""
    shown = not unit or unit in line.name.split("_")
    return key(f"{split}/{line.name if shown else f'{line.name}_{unit}'}")


def report_metrics(report: Report) -> dict[str, float]:
    """Estimate, interval and coverage of every line that was measured, and how many cases and clusters there were.

    Scores come first: MLflow shows columns in the order they were logged.
    """
    metrics: dict[str, float] = {}
    for line in sorted(report.lines, key=lambda line: line.kind, reverse=True):
        metrics |= _bounded(metric_name(line, report.split), line.estimate, line.low, line.high)
    for line in report.lines:
        metrics[f"{metric_name(line, report.split)}_coverage"] = line.coverage
    metrics[f"{report.split}/cases"] = max((line.cases + line.unscored for line in report.lines), default=0)
    metrics[f"{report.split}/clusters"] = max((line.clusters for line in report.lines), default=0)
    return metrics


def kpi_metrics(lines: Sequence[KpiLine]) -> dict[str, float]:
    """Estimate, interval and coverage of every KPI that was measured."""
    metrics: dict[str, float] = {}
    for line in lines:
        metrics |= _bounded(f"kpi/{key(line.name)}", line.estimate, line.low, line.high)
    for line in lines:
        if line.estimate is not None and line.coverage is not None:
            metrics[f"kpi/{key(line.name)}_coverage"] = line.coverage
    return metrics


def kpi_tags(lines: Sequence[KpiLine]) -> dict[str, str]:
    """Why a KPI was not measured: a missing metric alone could be an oversight."""
    return {f"unmeasured.kpi.{key(line.name)}": line.reason for line in lines if line.estimate is None}


def comparison_metrics(comparison: Comparison) -> dict[str, float]:
    """The difference between challenger and champion, with its interval and p value."""
    name = key(comparison.metric)
    metrics = _bounded(f"difference/{name}", comparison.difference, comparison.low, comparison.high)
    return metrics if comparison.p_value is None else metrics | {f"p_value/{name}": comparison.p_value}


def _bounded(name: str, estimate: float | None, low: float | None, high: float | None) -> dict[str, float]:
    values = {name: estimate, f"{name}_low": low, f"{name}_high": high}
    # Nine digits: MLflow shows every digit, and 0.38999999999999996 can't be read.
    return {name: float(f"{value:.9g}") for name, value in values.items() if value is not None}


def report_tags(report: Report) -> dict[str, str]:
    """The digests a report rests on, its failures, and for each line that was not measured the reason."""
    tags = {f"run_digest.{report.split}": report.run_digest, "evalset_digest": report.evalset_digest}
    for line in report.lines:
        if line.estimate is None:
            tags[key(f"unmeasured.{report.split}.{line.name}")] = line.reason or "no reason given"
    for kind, count in sorted(report.failures.items()):
        tags[key(f"failures.{report.split}.{kind}")] = str(count)
    return tags


def ledger_metrics(usage: Usage) -> dict[str, float]:
    """What the ledger counted; without `ledger_usd` where a price is unknown."""
    metrics: dict[str, float] = {
        "ledger_calls": usage.calls,
        "ledger_cached_calls": usage.cached_calls,
        "ledger_prompt_tokens": usage.prompt_tokens,
        "ledger_completion_tokens": usage.completion_tokens,
        "ledger_saved_tokens": usage.saved_tokens,
        "ledger_model_ms": usage.model_milliseconds,
    }
    return metrics if usage.usd is None else metrics | {"ledger_usd": usage.usd}


def ledger_tags(usage: Usage) -> dict[str, str]:
    """Says that the money is unknown, where it is: a missing metric alone could be an oversight."""
    return {"ledger_usd": "unknown"} if usage.usd is None else {}


def flatten(params: Mapping[str, JsonValue]) -> dict[str, str]:
    """Nested fields as parameters with dotted names; lists as JSON; what is long cut, with its digest.

    >>> flatten({"retriever": {"k": 5, "fuse": True}, "demos": [1, 2], "lm": None})
    {'retriever.k': '5', 'retriever.fuse': 'true', 'demos': '[1,2]', 'lm': 'null'}
    """
    return {key(name): _shown(value) for name, value in _leaves(params, "")}


def _leaves(params: Mapping[str, JsonValue], prefix: str) -> Iterator[tuple[str, JsonValue]]:
    for name, value in params.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: JsonValue) -> str:
    text = value if isinstance(value, str) else canonical_json(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… (digest {short(digest_json(value))})"
