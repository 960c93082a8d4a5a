"""KPIs of an agent, every one of the catalogue: measured with its interval, or unmeasured with the reason.

`measure_kpis(evidence)` gives a line for each; `render_kpis` shows them. Nothing here is a judgement: whether a
number is good enough is a gate's question.
"""

import textwrap
from collections.abc import Sequence

from pydantic import Field

from workbench.core import Record
from workbench.evals.kpi_catalogue import CATALOGUE, Direction, Kpi
from workbench.evals.kpi_evidence import Evidence
from workbench.evals.kpi_grounded import ungrounded
from workbench.evals.kpi_records import RECORDED
from workbench.evals.kpi_runs import FORMULAS, sides
from workbench.evals.kpi_trials import Measured
from workbench.evals.table import WIDTH, number, render_table


class KpiLine(Record):
    """One KPI as it was measured."""

    name: str
    unit: str
    direction: Direction
    estimate: float | None = Field(allow_inf_nan=False)
    """None is unmeasured, and `reason` says why."""
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    """Bounds of the 95 % interval; None where there is none."""
    n: int = Field(ge=0)
    """Episodes, steps, calls or records that it is computed from."""
    clusters: int = Field(ge=0)
    coverage: float | None = Field(default=None, ge=0, le=1)
    """Share of what should have been measured that was; None where nothing should."""
    reason: str = ""
    """Why it is unmeasured, has no interval, or is not covered whole."""
    source: str = ""
    """How the evidence came about: must stand beside the figure."""


def measure_kpis(evidence: Evidence) -> tuple[KpiLine, ...]:
    """A line for each KPI, in the order of the catalogue.

    Raises: EvaluationError if the runs, or those of the baseline, are of several agents.
    """
    given = sides(evidence.runs, evidence.baseline)
    ran = bool(given.own.episodes)
    label = ", ".join(dict.fromkeys(run.header.source or "not stated" for run in evidence.runs))
    lines = []
    for entry in CATALOGUE.values():
        if entry.name in RECORDED:
            measured, source = RECORDED[entry.name](evidence), f"records of {entry.origin}"
        elif not ran:
            measured, source = Measured(None, reason="there is no run"), ""
        elif entry.name in FORMULAS:
            measured, source = FORMULAS[entry.name](given), label
        else:
            measured, source = ungrounded(given.own, evidence.ratings), label
        lines.append(_line(entry, measured, source))
    return tuple(lines)


def render_kpis(lines: Sequence[KpiLine]) -> str:
    """The measured KPIs as a table, at most 100 columns wide, then why the others are not; ends with a line break."""
    told = [line for line in lines if line.estimate is not None]
    heads = ("KPI", "estimate", "95 % interval", "unit", "better", "n", "clusters", "coverage")
    shown = [render_table(heads, [_cells(line) for line in told]) if told else "no KPI is measured"]
    shown += [_note(line) for line in told if line.reason]
    missing = [_note(line) for line in lines if line.estimate is None]
    shown += ["unmeasured:", *missing] if missing else []
    labels = dict.fromkeys(line.source for line in told)
    shown += [f"evidence: {', '.join(labels)}"] if told else []
    return "\n".join(shown) + "\n"


def _note(line: KpiLine) -> str:
    text = f"{line.name}: {' '.join(line.reason.split())}"
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _line(entry: Kpi, measured: Measured, source: str) -> KpiLine:
    due = measured.n + measured.gaps
    return KpiLine(
        name=entry.name,
        unit=entry.unit,
        direction=entry.direction,
        estimate=measured.estimate,
        low=measured.low,
        high=measured.high,
        n=measured.n,
        clusters=measured.clusters,
        coverage=(0.0 if measured.estimate is None else measured.n / due) if due else None,
        reason=measured.reason,
        source=source,
    )


def _cells(line: KpiLine) -> tuple[str, ...]:
    estimate = "" if line.estimate is None else number(line.estimate)
    bounds = "-" if line.low is None or line.high is None else f"{number(line.low)} - {number(line.high)}"
    coverage = "-" if line.coverage is None else f"{line.coverage:.1%}"
    return line.name, estimate, bounds, line.unit, line.direction, str(line.n), str(line.clusters), coverage
