"""`workbench report`: what experiments found."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

app = noun("Read reports, and compare runs.")
Name = Annotated[
    str | None, typer.Argument(help="An experiment, as tool_calling or tool_calling-seed7; else the last.")
]


class Form(StrEnum):
    """What a run can be written as."""

    JUNIT = "junit"
    SARIF = "sarif"


Run = Annotated[str, typer.Argument(help="A run: the name of its stage's folder, or how it begins.")]


@app.command("show")
def show_report(experiment: Name = None, workspace: Workspace = WORKSPACE, as_json: Json = False) -> None:
    """Show baseline and winner with intervals, slices and costs, what differs, and the verdict."""
    from pipelines.outcomes import kept_outcome
    from workbench.cli.render import show
    from workbench.evals import render_comparison, render_report
    from workbench.lab.outcome import render_outcome

    outcome = kept_outcome(workspace, experiment)
    reports = [render_report(report) for report in (outcome.baseline, outcome.winner)]
    differences = [render_comparison(comparison) for comparison in outcome.comparisons]
    show("\n".join((*reports, "".join(differences), render_outcome(outcome))), outcome, as_json=as_json)


@app.command()
def compare(champion: Run, challenger: Run, workspace: Workspace = WORKSPACE, as_json: Json = False) -> None:
    """Compare two runs on the same cases: the paired difference of each metric, with its interval."""
    from workbench.cli.render import show
    from workbench.evals import compare, render_comparison
    from workbench.lab.stored import find_run

    first, second = find_run(workspace, champion).run, find_run(workspace, challenger).run
    shared = [metric for metric in first.header.metrics if metric in second.header.metrics]
    found = [compare(first, second, metric) for metric in shared]
    show("".join(map(render_comparison, found)), found, as_json=as_json)


@app.command()
def page(
    run: Run,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("report.html"),
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Write one page of a run that needs nothing beside it: scores, KPIs, plots, the worst episodes step by step."""
    from workbench.cli.render import show
    from workbench.core import write_bytes
    from workbench.lab.logbook import run_page
    from workbench.lab.stored import find_run, known_cases

    stored = find_run(workspace, run)
    write_bytes(out, run_page(stored, known_cases(workspace, stored)).encode())
    show(str(out), {"page": str(out)}, as_json=as_json)


@app.command()
def export(
    run: Run,
    form: Annotated[Form, typer.Option("--format", help="For whom.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Write a run for other tools: JUnit XML for CI servers, SARIF for code hosts."""
    from workbench.cli.render import show
    from workbench.core import write_bytes
    from workbench.evals import junit_xml, sarif, summarize
    from workbench.lab.stored import find_run

    found = find_run(workspace, run).run
    write_bytes(out, (junit_xml(found, summarize(found)) if form is Form.JUNIT else sarif(found)).encode())
    show(str(out), {"file": str(out)}, as_json=as_json)


@app.command()
def html(experiment: Name = None, workspace: Workspace = WORKSPACE, as_json: Json = False) -> None:
    """Say where the report with its plots lies, as a page for a browser."""
    from pipelines.outcomes import kept_outcome
    from workbench.cli.render import show
    from workbench.cli.stored import find_page

    page = str(find_page(workspace, kept_outcome(workspace, experiment).mlflow_run))
    show(page, {"page": page}, as_json=as_json)
