"""`workbench eval`: try an agent on cases that are not an experiment's own."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

app = noun("Try agents on suites.")


@app.command("run")
def run_suite(
    suite: Annotated[Path, typer.Argument(help="A suite's folder, or a folder of suites.")],
    package: Annotated[Path | None, typer.Option(help="The package whose agent is tried.")] = None,
    experiment: Annotated[Path | None, typer.Option(help="The experiment file whose first agent is tried.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Tries of each case.")] = 1,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Try an agent on a suite and show the report; the run stays in the workspace, and goes on if interrupted."""
    from workbench.cli.progress import Terminal
    from workbench.cli.render import show
    from workbench.evals import render_report, summarize
    from workbench.lab import Workspace as Folder
    from workbench.lab.suite_run import open_candidate, try_suite

    with Terminal() as progress:
        folder = Folder(workspace, progress)
        with open_candidate(folder, package=package, experiment=experiment) as candidate:
            tried = try_suite(suite, candidate, folder, repeats=repeats)
    report = summarize(tried.run)
    again = f"next: uv run workbench report compare {tried.folder.name} <another run on this suite>"
    show(f"{render_report(report)}\nkept in {tried.folder}\n{again}", report, as_json=as_json)
