"""Plots as PNG: scores with intervals, candidates by score and cost, slices, what escalation buys."""

import io
from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from workbench.core import Line, Record, Report
from workbench.evals import Operating
from workbench.tracking.records import Outcome, RunLog

_BASELINE = "#6b7280"
_WINNER = "#1d4ed8"
_CANDIDATE = "#9ca3af"
_MOST_SLICES = 20  # more would not be readable; the report has all of them

Row = tuple[str, Line | None, Line | None]
"""Name, baseline, and the agent that is looked at."""


class Mark(Record):
    """A candidate of a search, as the plot of its front shows it."""

    label: str
    """Its name for people, for instance its number; surely beaten ones are shown without."""
    quality: Line
    cost: Line
    standing: Literal["on", "perhaps", "off"]
    """On the front, perhaps beaten, surely beaten."""


def draw(outcome: Outcome) -> dict[str, bytes]:
    """Every plot that the outcome has data for: file name to PNG."""
    drawn = {
        "scores.png": draw_scores(outcome),
        "candidates.png": draw_candidates(outcome),
        "slices.png": draw_slices(outcome),
    }
    return {name: image for name, image in drawn.items() if image is not None}


def draw_report(report: Report) -> dict[str, bytes]:
    """Every plot that a run without a gate has data for: its scores, and its first score by slice."""
    scores: list[Row] = [(line.name, None, line) for line in report.lines if line.kind == "score"]
    first = scores[0][0] if scores else ""
    found = _slices(report, first)
    slices: list[Row] = [(f"{tag} (n={found[tag].cases})", None, found[tag]) for tag in _largest(found)]
    drawn = {
        "scores.png": _intervals(f"Scores on {report.split}", scores),
        "slices.png": _intervals(f"{first} on {report.split}, by slice", slices),
    }
    return {name: image for name, image in drawn.items() if image is not None}


def draw_scores(outcome: Outcome) -> bytes | None:
    """Each score of winner and baseline with its interval, on the split that decides; None without scores."""
    names = [line.name for line in outcome.winner.lines if line.kind == "score"]
    rows: list[Row] = [(name, outcome.baseline.line(name), outcome.winner.line(name)) for name in names]
    return _intervals(f"Scores on {outcome.winner.split}: winner against baseline", rows)


def draw_slices(outcome: Outcome) -> bytes | None:
    """The deciding score on each slice of the cases; None if the report has no slices."""
    before, after = (_slices(report, outcome.metric) for report in (outcome.baseline, outcome.winner))
    rows: list[Row] = [(f"{tag} (n={after[tag].cases})", before.get(tag), after[tag]) for tag in _largest(after)]
    return _intervals(f"{outcome.metric} on {outcome.winner.split}, by slice", rows)


def draw_candidates(outcome: Outcome) -> bytes | None:
    """The deciding score on val against tokens, one point for each candidate; None without such points."""
    known: dict[str, tuple[Line, float]] = {}
    for run in outcome.candidates:
        point = _point(run, outcome.metric)
        # An agent that was tried on few cases first, and on more later, is one point: the one that rests on most.
        if point and (run.agent_digest not in known or known[run.agent_digest][0].cases <= point[0].cases):
            known[run.agent_digest] = point
    if not known:
        return None
    figure, axes = _figure(6.0)
    names = {outcome.verdict.champion_digest: "baseline", outcome.verdict.agent_digest: "winner"}
    colors = {"baseline": _BASELINE, "winner": _WINNER}
    for digest, (score, tokens) in sorted(known.items(), key=lambda item: item[0] in names):  # the named ones on top
        name, at = names.get(digest, ""), (tokens, score.estimate or 0.0)
        _errorbar(axes, at, score, colors.get(name, _CANDIDATE), vertical=True)
        if name:
            axes.annotate(name, at, xytext=(8, 6), textcoords="offset points", color=colors[name], weight="bold")
    axes.set_title(f"{outcome.metric} against tokens on val: {len(known)} agents measured")
    axes.set_xlabel("tokens per case (lower is better)")
    axes.set_ylabel(f"{outcome.metric} (higher is better; bars: 95 % interval)")
    axes.margins(x=0.15)
    return _png(figure)


def draw_front(marks: Sequence[Mark], *, title: str) -> bytes:
    """Quality against one cost with both intervals, and as a stair what can be had for how much; one mark at least."""
    figure, axes = _figure(6.0)
    colors = {"on": _WINNER, "perhaps": _BASELINE, "off": _CANDIDATE}
    for mark in sorted(marks, key=lambda mark: ("off", "perhaps", "on").index(mark.standing)):  # the front on top
        at, color = (mark.cost.estimate or 0.0, mark.quality.estimate or 0.0), colors[mark.standing]
        _errorbar(axes, at, mark.cost, color, vertical=False)
        _errorbar(axes, at, mark.quality, color, vertical=True)
        if mark.standing != "off":
            axes.annotate(mark.label, at, xytext=(8, 6), textcoords="offset points", color=color)
    best = _stair([(mark.cost.estimate or 0.0, mark.quality.estimate or 0.0) for mark in marks])
    axes.step([cost for cost, _ in best], [quality for _, quality in best], where="post", color=_WINNER, alpha=0.4)
    for standing, label in (("on", "on the front"), ("perhaps", "perhaps beaten"), ("off", "surely beaten")):
        axes.plot([], [], "o", color=colors[standing], label=label)
    axes.legend(loc="lower right", frameon=False)
    axes.set_title(title)
    axes.set_xlabel(f"{marks[0].cost.name} per case, {marks[0].cost.unit} (lower is better; bars: 95 % interval)")
    axes.set_ylabel(f"{marks[0].quality.name} (higher is better; bars: 95 % interval)")
    return _png(figure)


def draw_operating_curve(curve: Sequence[Operating], *, title: str) -> bytes:
    """The share of wrong answers among those given, and the cost of a case, against the share escalated."""
    figure, axes = _figure(4.2)
    given = [point for point in curve if point.error is not None]
    shares = [100 * point.escalated for point in given]
    axes.plot(shares, [100 * (point.error or 0.0) for point in given], color=_WINNER)
    low, high = _error_bounds(given)
    axes.fill_between(shares, low, high, color=_WINNER, alpha=0.15, linewidth=0)
    axes.set_title(title)
    axes.set_xlabel("cases escalated, %")
    axes.set_ylabel("wrong among answered, % (95 %)", color=_WINNER)
    # Of the last few answers nothing is known: their band would take all the room.
    axes.set_ylim(0, 1.1 * max((high[place] for place, share in enumerate(shares) if share <= 90), default=100))
    costs = axes.twinx()
    costs.plot([100 * point.escalated for point in curve], [point.cost for point in curve], color=_BASELINE)
    least = min(curve, key=lambda point: point.cost)
    costs.plot(100 * least.escalated, least.cost, "o", color=_BASELINE)
    costs.annotate("cheapest", (100 * least.escalated, least.cost), xytext=(0, -14), textcoords="offset points")
    costs.set_ylabel("cost of a case, in the unit of the price", color=_BASELINE)
    costs.set_ylim(bottom=0)
    return _png(figure)


def _stair(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that are better than every cheaper one, cheapest first."""
    found: list[tuple[float, float]] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not found or quality > found[-1][1]:
            found.append((cost, quality))
    return found


def _error_bounds(points: Sequence[Operating]) -> tuple[list[float], list[float]]:
    """In percent; an error without an interval may be anything."""
    lows = [0.0 if point.error_low is None else 100 * point.error_low for point in points]
    return lows, [100.0 if point.error_high is None else 100 * point.error_high for point in points]


def _point(run: RunLog, metric: str) -> tuple[Line, float] | None:
    report = next((report for report in run.reports if report.split == "val"), None)
    score = report.line(metric) if report else None
    if report is None or score is None or score.estimate is None:
        return None
    tokens = (line.estimate for line in report.lines if line.kind == "cost" and line.unit == "tokens")
    spent = next((estimate for estimate in tokens if estimate is not None), None)
    return None if spent is None else (score, spent)


def _slices(report: Report, metric: str) -> dict[str, Line]:
    return {part.tag: part.line for part in report.slices if part.line.name == metric}


def _largest(slices: Mapping[str, Line]) -> list[str]:
    return sorted(slices, key=lambda tag: (-slices[tag].cases, tag))[:_MOST_SLICES]


def _intervals(title: str, rows: Sequence[Row]) -> bytes | None:
    if not rows:
        return None
    paired = any(before is not None for _, before, _ in rows)
    figure, axes = _figure(1.8 + (0.62 if paired else 0.4) * len(rows))
    apart = 0.16 if paired else 0.0
    for place, (_, before, after) in enumerate(rows):
        for line, offset, color in ((before, apart, _BASELINE), (after, -apart, _WINNER)):
            if line is not None and line.estimate is not None:
                _errorbar(axes, (line.estimate, place + offset), line, color, vertical=False)
                axes.annotate(
                    f"{line.estimate:.3f}", (1.04, place + offset), va="center", color=color, annotation_clip=False
                )
    if paired:
        for label, color in (("winner", _WINNER), ("baseline", _BASELINE)):
            axes.plot([], [], "o", color=color, label=label)
        axes.legend(loc="upper left", bbox_to_anchor=(1.1, 1.0), frameon=False)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)  # room for a point at either end
    axes.set_xlabel("score (0 to 1, higher is better; bars: 95 % interval)")
    axes.set_title(title)
    return _png(figure)


def _errorbar(axes: Axes, at: tuple[float, float], line: Line, color: str, *, vertical: bool) -> None:
    estimate = line.estimate or 0.0
    low, high = (estimate if bound is None else bound for bound in (line.low, line.high))
    # Bounds of a bootstrap can lie on the wrong side of the estimate by rounding; a bar can't.
    bars = [[max(0.0, estimate - low)], [max(0.0, high - estimate)]]
    x, y = at
    if vertical:
        axes.errorbar(x, y, yerr=bars, fmt="o", color=color, capsize=3, linewidth=1.4)
    else:
        axes.errorbar(x, y, xerr=bars, fmt="o", color=color, capsize=3, linewidth=1.8)


def _figure(height: float) -> tuple[Figure, Axes]:
    # Not pyplot: it keeps every figure in a global list and is not safe under threads.
    figure = Figure(figsize=(9.0, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(visible=True, color="#e5e7eb")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # so that the same outcome gives the same bytes
    return buffer.getvalue()
