"""`workbench report`: what experiments found."""

from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

app = noun("Read reports, and compare runs.")
Name = Annotated[
    str | None, typer.Argument(help="An experiment, as tool_calling or tool_calling-seed7; else the last.")
]
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
def html(experiment: Name = None, workspace: Workspace = WORKSPACE, as_json: Json = False) -> None:
    """Say where the report with its plots lies, as a page for a browser."""
    from pipelines.outcomes import kept_outcome
    from workbench.cli.render import show
    from workbench.cli.stored import find_page

    page = str(find_page(workspace, kept_outcome(workspace, experiment).mlflow_run))
    show(page, {"page": page}, as_json=as_json)
