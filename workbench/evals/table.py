"""Reports and comparisons as plain text, at most 100 columns wide."""

from collections.abc import Sequence

from workbench.core import Comparison, Line, Report, short

WIDTH = 100


def render_report(report: Report) -> str:
    """A report as text: metrics, costs, metrics by tag, failures; ends with a line break."""
    parts = [
        f"{report.agent} on {report.split}, eval set {short(report.evalset_digest)}, run {short(report.run_digest)}",
        _lines([line for line in report.lines if line.kind == "score"], "metric"),
        _lines([line for line in report.lines if line.kind == "cost"], "cost"),
    ]
    if report.slices:
        heads = ("tag", "metric", "estimate", "95 % interval", "cases")
        rows = [(s.tag, s.line.name, *_numbers(s.line), str(s.line.cases)) for s in report.slices]
        parts.append(render_table(heads, rows))
    if report.failures:
        parts.append(render_table(("failed episodes", "count"), [(k, str(n)) for k, n in report.failures.items()]))
    return "\n\n".join(part for part in parts if part) + "\n"


def render_comparison(comparison: Comparison) -> str:
    """A comparison in words; ends with a line break.

    >>> same = Comparison(
    ...     metric="mrr", champion="a", challenger="b", difference=0.1, low=-0.02, high=0.22,
    ...     p_value=0.09, cases=40, clusters=12, better=6, worse=2)
    >>> print(render_comparison(same))
    mrr: b minus a is +0.100 [-0.020, +0.220], p = 0.0900
      40 cases in 12 clusters: 6 better, 2 worse, 32 equal
    <BLANKLINE>
    """
    c = comparison
    head = f"{c.metric}: {c.challenger} minus {c.champion}"
    if c.difference is None:
        return f"{head} is unmeasured: no case was measured in both runs\n"
    bounds = "" if c.low is None or c.high is None else f" [{signed(c.low)}, {signed(c.high)}]"
    tested = "" if c.p_value is None else f", p = {c.p_value:.4f}"
    equal = c.cases - c.better - c.worse
    return (
        f"{head} is {signed(c.difference)}{bounds}{tested}\n"
        f"  {c.cases} cases in {c.clusters} clusters: {c.better} better, {c.worse} worse, {equal} equal\n"
    )


def render_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under their heads, columns aligned; lines are cut at 100 columns.

    >>> print(render_table(("name", "n"), [("a", "10"), ("long", "2")]))
    name  n
    ----  --
    a     10
    long  2
    """
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = (heads, ["-" * width for width in widths], *rows)
    return "\n".join(_cut("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True))) for line in lines)


def number(value: float) -> str:
    """A number with as many digits as a person needs.

    >>> [number(value) for value in (0.5, 1234.5, 0.00021)]
    ['0.500', '1,234', '0.00021']
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if 0 < abs(value) < 0.001 else f"{value:.3f}"


def signed(value: float) -> str:
    """A difference with its sign.

    >>> signed(0.25)
    '+0.250'
    """
    return f"{'-' if value < 0 else '+'}{number(abs(value))}"


def _lines(lines: Sequence[Line], head: str) -> str:
    if not lines:
        return ""
    heads = (head, "estimate", "95 % interval", "unit", "cases", "unscored", "clusters")
    rows = [
        (line.name, *_numbers(line), line.unit, str(line.cases), str(line.unscored), str(line.clusters))
        for line in lines
    ]
    return "\n".join((render_table(heads, rows), *_notes(lines)))


def _notes(lines: Sequence[Line]) -> list[str]:
    """Each reason once, with the lines it stands for."""
    reasons: dict[str, list[str]] = {}
    for line in lines:
        if line.reason:
            reasons.setdefault(line.reason, []).append(line.name)
    every = [line.name for line in lines]
    return [
        _cut(f"  unscored ({'all' if names == every else ', '.join(names)}): {reason}")
        for reason, names in reasons.items()
    ]


def _numbers(line: Line) -> tuple[str, str]:
    estimate = "unmeasured" if line.estimate is None else number(line.estimate)
    if line.low is None or line.high is None:
        return estimate, "-"
    return estimate, f"{number(line.low)} - {number(line.high)}"


def _cut(line: str) -> str:
    line = " ".join(line.splitlines()).rstrip()
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
