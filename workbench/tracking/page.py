"""The report as one HTML page that needs nothing beside it: of an experiment's outcome, or of a single run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from workbench.core import Comparison, Finding, Line, Record, Report, Usage, short
from workbench.evals import KpiLine, Worst
from workbench.safety import Redactor, environment_secrets
from workbench.tracking.page_case import render_cases
from workbench.tracking.page_table import bounds, coverage, document, image, measure, number, section, table, text
from workbench.tracking.records import Outcome, RunLog

R = TypeVar("R", bound=Record)

_PLACED = ("scores.png", "slices.png")
_KPIS = ("", "estimate, 95 % interval", "better", "n", "coverage", "remark", "evidence")
_LINES = ("", "estimate, 95 % interval", "cases scored", "clusters", "remark")


def render(outcome: Outcome, images: Mapping[str, bytes]) -> str:
    """Verdict and findings, scores and costs of baseline and winner, differences, plots, slices, failures, worst cases.

    Texts are redacted.
    """
    outcome = _clean(outcome)
    verdict, baseline, winner = outcome.verdict, outcome.baseline, outcome.winner
    sides = (_side("baseline", baseline.agent), _side("winner", winner.agent))
    head = (" ", *sides, "cases scored", "remark")
    slices = table(("slice", "metric", *sides, "cases scored"), _sliced_pairs(baseline, winner))
    body = (
        f'<h1 class="{verdict.status}">{verdict.words}</h1><p>{text(reason(outcome))}</p>',
        _label(outcome.source),
        f"<p><small>agent {short(verdict.agent_digest)} against {short(verdict.champion_digest)}, "
        f"eval set {short(verdict.evalset_digest)}, split {text(winner.split)}, seed {verdict.seed}</small></p>",
        section("Rules", table(("rule", "outcome", "estimate", "threshold", "why"), map(_finding, verdict.findings))),
        section(f"Scores on {winner.split}", table(head, _pairs(outcome, "score")) + _plot(images, "scores.png")),
        section(f"Costs on {winner.split}", table(head, _pairs(outcome, "cost"))),
        _spent(outcome.usage),
        section("KPIs of the winner", table(_KPIS, map(_kpi, outcome.kpis))),
        section(
            "Differences on the same cases",
            table(("metric", "winner minus baseline", "p", "better", "worse"), map(_comparison, outcome.comparisons)),
        ),
        *_other_plots(images),
        section("Slices", _plot(images, "slices.png") + slices),
        section("Failed episodes", table(("blame", "kind", "baseline", "winner"), _failures(baseline, winner))),
        section("Worst cases of the winner", render_cases(outcome.worst)),
    )
    return document(f"{verdict.words}: {winner.agent}", body)


def render_run_page(
    report: Report,
    worst: Sequence[Worst],
    images: Mapping[str, bytes],
    *,
    source: str = "",
    kpis: Sequence[KpiLine] = (),
) -> str:
    """One run without a gate: scores, costs, KPIs, plots, slices, failures, worst cases.

    `source` is the label of the run's header, which stands beside the figures. Texts are redacted.
    """
    report = _clean(report)
    digests = f"run {short(report.run_digest)}, eval set {short(report.evalset_digest)}, split {text(report.split)}"
    parts = ((part.tag, part.line.name, measure(part.line), coverage(part.line)) for part in report.slices)
    slices = table(("slice", "metric", "estimate, 95 % interval", "cases scored"), parts)
    body = (
        f"<h1>{text(report.agent)}</h1>",
        _label(source),
        f"<p><small>{digests}; no gate has decided on it</small></p>",
        section("Scores", table(_LINES, _rows(report, "score")) + _plot(images, "scores.png")),
        section("Costs", table(_LINES, _rows(report, "cost"))),
        section("KPIs", table(_KPIS, map(_kpi, map(_clean, kpis)))),
        *_other_plots(images),
        section("Slices", _plot(images, "slices.png") + slices),
        section("Failed episodes", table(("blame", "kind", "episodes"), _failures(report))),
        section("Worst cases", render_cases(map(_clean, worst))),
    )
    return document(f"{report.agent} on {report.split}", body)


def note(outcome: Outcome) -> str:
    """The outcome as Markdown, for the description of a run: what a lead reads first."""
    winner = outcome.winner
    rows = [(line.name, measure(outcome.baseline.line(line.name)), measure(line)) for line in winner.lines]
    return (
        f"**{outcome.verdict.words}**: {reason(outcome)}\n\n"
        + _markdown((f"on {winner.split}, 95 % intervals", "baseline", "winner"), rows)
        + "\nThe whole report with plots: Artifacts, report.html.\n"
    )


def note_run(log: RunLog) -> str:
    """What was measured of one agent as Markdown: a table for each split, scores and costs with intervals."""
    return "\n".join(
        _markdown(
            (f"on {report.split}, 95 % intervals", log.name), [(line.name, measure(line)) for line in report.lines]
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


def _clean(record: R) -> R:
    """The record without secrets and personal data; what was redacted before stays as it is."""
    redactor = Redactor(environment_secrets())
    return type(record).model_validate(redactor.json(record.model_dump(mode="json")))


def _side(role: str, agent: str) -> str:
    return role if agent == role else f"{role}: {agent}"


def _plot(images: Mapping[str, bytes], name: str) -> str:
    """The plot that belongs to a table; nothing if it was not drawn."""
    return image(name, images[name]) if name in images else ""


def _other_plots(images: Mapping[str, bytes]) -> Iterable[str]:
    """Plots that belong to no table, under their names."""
    names = (name for name in images if name not in _PLACED)
    return (section(name.removesuffix(".png").capitalize(), image(name, images[name])) for name in names)


def _label(source: str) -> str:
    return f"<p>How the figures came about: <b>{text(source)}</b></p>" if source else ""


def _rows(report: Report, kind: str) -> Iterable[Sequence[str]]:
    lines = (line for line in report.lines if line.kind == kind)
    return ((line.name, measure(line), coverage(line), str(line.clusters), line.reason) for line in lines)


def _kpi(line: KpiLine) -> Sequence[str]:
    unit = "" if line.unit == "1" else f" {line.unit}"
    shown = "unmeasured" if line.estimate is None else f"{number(line.estimate)}{unit}{bounds(line.low, line.high)}"
    covered = "" if line.coverage is None else f"{100 * line.coverage:.3g} %"
    return line.name, shown, line.direction, str(line.n), covered, line.reason, line.source


def _pairs(outcome: Outcome, kind: str) -> Iterable[Sequence[str]]:
    lines = (line for line in outcome.winner.lines if line.kind == kind)
    return (_pair(outcome.baseline.line(line.name), line) for line in lines)


def _pair(before: Line | None, after: Line) -> Sequence[str]:
    return after.name, measure(before), measure(after), coverage(after), after.reason


def _sliced_pairs(baseline: Report, winner: Report) -> Iterable[Sequence[str]]:
    before = {(part.tag, part.line.name): part.line for part in baseline.slices}
    for part in winner.slices:
        name, line = part.line.name, part.line
        yield part.tag, name, measure(before.get((part.tag, name))), measure(line), coverage(line)


def _failures(*reports: Report) -> Iterable[Sequence[str]]:
    """A row for each blame and kind, with the count in each report."""
    for key in sorted({key for report in reports for key in report.failures}):
        blame, _colon, kind = key.partition(":")
        yield blame, kind, *(str(report.failures.get(key, 0)) for report in reports)


def _spent(usage: Usage | None) -> str:
    """What the whole execution cost, from the ledger."""
    if usage is None:
        return ""
    usd = "unknown dollars" if usage.usd is None else f"{number(usage.usd)} USD"
    tokens = usage.prompt_tokens + usage.completion_tokens
    paid = (
        f"{usage.calls:,} paid calls, {tokens:,} tokens, {usd}, {usage.model_milliseconds / 1000:,.0f} s of model time"
    )
    return f"<p><small>The whole execution: {paid}; {usage.cached_calls:,} calls from the store.</small></p>"


def _finding(finding: Finding) -> Sequence[str]:
    estimate = f"{number(finding.estimate)}{bounds(finding.low, finding.high)}"
    return finding.rule, finding.words, estimate, number(finding.threshold), finding.reason


def _comparison(item: Comparison) -> Sequence[str]:
    p_value = "" if item.p_value is None else f"{item.p_value:.4f}"
    difference = f"{number(item.difference)}{bounds(item.low, item.high)}"
    return item.metric, difference, p_value, str(item.better), str(item.worse)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
