"""The report as one HTML page that needs nothing beside it."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence

from workbench.core import Comparison, Finding, Line, short
from workbench.tracking.records import Outcome, RunLog

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #111827; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2.2rem } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid #e5e7eb; vertical-align: top }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap } img { max-width: 100% }
.PASS { color: #047857 } .FAIL { color: #b91c1c } .INCONCLUSIVE, .UNMEASURED { color: #b45309 } small { color: #6b7280 }
"""


def render(outcome: Outcome, images: Mapping[str, bytes]) -> str:
    """Verdict and its findings, baseline and winner side by side, comparisons, plots."""
    verdict = outcome.verdict
    baseline, winner = outcome.baseline, outcome.winner
    rows = (_pair(line.name, baseline.line(line.name), line) for line in winner.lines)
    body = (
        f'<h1 class="{verdict.status}">{verdict.status}</h1><p>{_text(reason(outcome))}</p>'
        f"<p><small>agent {short(verdict.agent_digest)} against {short(verdict.champion_digest)}, "
        f"eval set {short(verdict.evalset_digest)}, split {_text(winner.split)}, seed {verdict.seed}</small></p>",
        "<h2>Rules</h2>",
        _table(("rule", "outcome", "estimate", "threshold", "why"), map(_finding, verdict.findings)),
        f"<h2>Baseline and winner on {_text(winner.split)}</h2>",
        _table((" ", f"baseline: {baseline.agent}", f"winner: {winner.agent}", "cases scored", "remark"), rows),
        "<h2>Differences on the same cases</h2>" if outcome.comparisons else "",
        _table(("metric", "winner minus baseline", "p", "better", "worse"), map(_comparison, outcome.comparisons))
        if outcome.comparisons
        else "",
        *(_image(name, data) for name, data in images.items()),
    )
    title = f"{verdict.status}: {winner.agent}"
    head = f'<meta charset="utf-8"><title>{_text(title)}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(body)}</body></html>\n"


def note(outcome: Outcome) -> str:
    """The outcome as Markdown, for the description of a run: what a lead reads first."""
    winner = outcome.winner
    rows = [(line.name, _measure(outcome.baseline.line(line.name)), _measure(line)) for line in winner.lines]
    return (
        f"**{outcome.verdict.status}**: {reason(outcome)}\n\n"
        + _markdown((f"on {winner.split}, 95 % intervals", "baseline", "winner"), rows)
        + "\nThe whole report with plots: Artifacts, report.html.\n"
    )


def note_run(log: RunLog) -> str:
    """What was measured of one agent as Markdown: a table for each split, scores and costs with intervals."""
    return "\n".join(
        _markdown(
            (f"on {report.split}, 95 % intervals", log.name), [(line.name, _measure(line)) for line in report.lines]
        )
        for report in log.reports
    )


def reason(outcome: Outcome) -> str:
    """Why the verdict is what it is: the rules that did not pass, or all of them.

    In words and in one line, as a tag shows it.
    """
    findings = outcome.verdict.findings
    decisive = [finding for finding in findings if finding.status != "PASS"] or list(findings)
    return "; ".join(f"{finding.rule}: {finding.reason}" for finding in decisive) or "no rules were checked"


def number(value: float | None) -> str:
    """A number for a person: three decimals below ten, thousands separated above a hundred.

    >>> number(0.123456), number(1234.5), number(None)
    ('0.123', '1,234', 'unknown')
    """
    if value is None:
        return "unknown"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def _measure(line: Line | None) -> str:
    if line is None or line.estimate is None:
        return "unmeasured"
    unit = "" if line.unit == "1" else f" {line.unit}"
    if line.low is None or line.high is None:
        return f"{number(line.estimate)}{unit}"
    return f"{number(line.estimate)}{unit} [{number(line.low)}, {number(line.high)}]"


def _pair(name: str, before: Line | None, after: Line) -> Sequence[str]:
    total = after.cases + after.unscored
    return name, _measure(before), _measure(after), f"{after.cases} of {total}", after.reason


def _finding(finding: Finding) -> Sequence[str]:
    bounds = "" if finding.low is None else f" [{number(finding.low)}, {number(finding.high)}]"
    threshold = number(finding.threshold)
    return finding.rule, finding.status, f"{number(finding.estimate)}{bounds}", threshold, finding.reason


def _comparison(item: Comparison) -> Sequence[str]:
    bounds = "" if item.low is None else f" [{number(item.low)}, {number(item.high)}]"
    p_value = "" if item.p_value is None else f"{item.p_value:.4f}"
    return item.metric, f"{number(item.difference)}{bounds}", p_value, str(item.better), str(item.worse)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{_text(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _cell(text: str) -> str:
    kind = " class=n" if len(text) <= 32 else ""  # numbers stay on one line, sentences wrap
    return f"<td{kind}>{_text(text)}</td>"


def _image(name: str, data: bytes) -> str:
    title = name.removesuffix(".png").capitalize()
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return f'<h2>{_text(title)}</h2><img alt="{_text(title)}" src="{source}">'


def _text(text: str) -> str:
    return html.escape(text)
