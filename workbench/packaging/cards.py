"""The documents of a package, written from its facts: what is not known is not said."""

from collections.abc import Iterable

from workbench.core import Finding, Line, Report, Verdict, short
from workbench.packaging.parts import Header, Limits, Override, PackageParts, Regression


def agent_card(header: Header, parts: PackageParts, *, override: Override | None, regression: Regression) -> bytes:
    """docs/AGENT_CARD.md."""
    sections = (
        f"# {header.name} {header.version}",
        _purpose(parts),
        "## How it is configured",
        _table(("setting", "value"), _settings(header, parts)),
        "## What was measured",
        f"On the cases of split {parts.report.split!r} of eval set `{short(parts.report.evalset_digest)}`, run "
        f"`{short(parts.report.run_digest)}`.",
        _table(
            ("measure", "estimate", "95 % interval", "unit", "cases", "unscored"), map(_measured, parts.report.lines)
        ),
        _failures(parts.report),
        "## The verdict",
        _verdict(parts.verdict),
        _override(override),
        "## What is recorded",
        _recorded(regression),
        "## Limits",
        _limits(parts.limits, parts.deadline_seconds),
    )
    return _page(sections)


def data_sheet(parts: PackageParts) -> bytes:
    """docs/DATA.md."""
    held = parts.sources
    demos = sum(len(_list(state.get("demos"))) for state in parts.spec.program.predictors.values())
    sources = [
        section
        for data in sorted(parts.provenance.data, key=lambda source: source.name)
        for section in (
            f"## {data.name}",
            _table(
                ("fact", "value"),
                [
                    (name, value)
                    for name, value in (
                        ("SHA-256", data.sha256),
                        ("licence", data.licence),
                        ("source", data.source),
                        ("attribution", data.attribution),
                        ("terms", data.terms),
                    )
                    if value
                ],
            ),
        )
    ]
    return _page(
        (
            "# Data",
            f"The index holds {held.documents} documents of the corpus {held.corpus!r}, digest "
            f"`{held.corpus_digest}`. The program holds {demos} solved requests.",
            _shipped(parts),
            _sources(parts),
            *sources,
        )
    )


def _purpose(parts: PackageParts) -> str:
    count = parts.sources.documents
    if parts.spec.pattern == "tool_call":
        return (
            f"Takes a request in words, finds the tool for it among {count}, and proposes one call of it with "
            "arguments, or says that no tool fits. It executes nothing."
        )
    return f"Takes a request in words, finds passages for it among {count} documents, and answers from them."


def _shipped(parts: PackageParts) -> str:
    """Whether the index is inside."""
    if parts.live is None:
        return (
            "The package ships a copy of the index in `index/`: it answers from these documents until another version "
            "is released. What is deleted or closed to readers at the source later is still in the copy."
        )
    return (
        f"The package refers to the live index {parts.live.name!r} at `{parts.live.location}`, digest "
        f"`{parts.live.identity}`, and ships none of its documents: each answer comes from what the index holds then. "
        f"The verdict rests on its generation {parts.live.generation}, digest `{parts.live.content}`."
    )


def _sources(parts: PackageParts) -> str:
    names = ("source of the index", "documents", "read from", "digest", "licence", "trust", "readers", "fresh hours")
    return _table(
        names,
        (
            (
                card.name,
                str(card.documents),
                card.uri or "not said",
                f"`{short(card.documents_digest)}`",
                ", ".join(card.licences) or "not said",
                ", ".join(card.trust) or "ours",
                ", ".join(card.access) or "nobody",
                ", ".join(f"{hours:g}" for hours in card.fresh_hours) or "for ever",
            )
            for card in parts.sources.sources
        ),
    )


def _settings(header: Header, parts: PackageParts) -> Iterable[tuple[str, str]]:
    spec, provenance = parts.spec, parts.provenance
    yield "pattern", spec.pattern
    yield "language model", ", else ".join(one.model for one in spec.lm.models)
    yield "licence of the language model", provenance.model_licence or ""
    yield "retriever", spec.index.retriever
    yield "documents shown to the model", str(spec.k)
    yield "solved requests shown to the model", str(spec.demos)
    yield "abstains below similarity", f"{spec.abstain_below:g}" if spec.abstain_below else ""
    yield "needs the secrets", ", ".join(header.secrets)
    yield "optimizer", provenance.optimizer or ""
    yield "seed", str(provenance.seed)
    if provenance.spend is not None:
        yield "model calls paid for", str(provenance.spend.calls)
        yield "tokens paid for", str(provenance.spend.tokens)
        yield "US dollars paid", "unknown" if provenance.spend.usd is None else f"{provenance.spend.usd:g}"
    yield "commit", provenance.commit or ""


def _measured(line: Line) -> tuple[str, ...]:
    estimate = f"unmeasured: {line.reason}" if line.estimate is None else f"{line.estimate:.4g}"
    return (line.name, estimate, _interval(line.low, line.high), line.unit, str(line.cases), str(line.unscored))


def _failures(report: Report) -> str:
    found = [f"{count} of {kind}" for kind, count in sorted(report.failures.items()) if count]
    return f"Failed episodes: {', '.join(found)}." if found else ""


def _verdict(verdict: Verdict) -> str:
    names = ("rule", "status", "estimate", "95 % interval", "threshold", "cases", "clusters", "outcome")
    facts = (
        f"Status: **{verdict.words}**. Agent `{short(verdict.agent_digest)}`, champion "
        f"`{short(verdict.champion_digest)}`, rules `{short(verdict.rules_digest)}`, seed {verdict.seed}."
    )
    return f"{facts}\n\n{_table(names, map(_finding, verdict.findings))}".rstrip()


def _finding(finding: Finding) -> tuple[str, ...]:
    estimate = "" if finding.estimate is None else f"{finding.estimate:.4g}"
    interval = _interval(finding.low, finding.high)
    counts = (str(finding.cases), str(finding.clusters))
    return (finding.rule, finding.words, estimate, interval, f"{finding.threshold:.4g}", *counts, finding.reason)


def _override(override: Override | None) -> str:
    return (
        "" if override is None else f"**Released by override.** Who: {_cell(override.who)}. Why: {_cell(override.why)}."
    )


def _recorded(regression: Regression) -> str:
    left_out = len(regression.left_out)
    return (
        f"{regression.kept} cases are recorded with the answers they must give. {left_out} were left out because they "
        "or their recordings hold what looks like a secret or personal data."
    )


def _limits(limits: Limits, deadline_seconds: float) -> str:
    rows = [
        ("characters of a request", str(limits.most_request_characters)),
        ("bytes of a body", str(limits.most_body_bytes)),
        ("runs at once", str(limits.most_runs_at_once)),
        ("runs waiting", str(limits.most_runs_waiting)),
        ("seconds a caller waits", f"{deadline_seconds:g}"),
    ]
    return _table(("limit", "at most"), rows)


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.4g} to {high:.4g}"


def _table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; rows whose second cell is empty are left out, and a table without rows is nothing."""
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows if row[1]]
    return "\n".join((f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}", *lines)) if lines else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _page(sections: Iterable[str]) -> bytes:
    return ("\n\n".join(section for section in sections if section) + "\n").encode()
