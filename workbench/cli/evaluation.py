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
    from workbench.lab.experiment import trusted_suite
    from workbench.lab.suite_run import open_candidate, track_suite, try_suite

    with Terminal() as progress:
        folder = Folder(workspace, progress)
        with open_candidate(folder, package=package, experiment=experiment) as candidate:
            tried = try_suite(trusted_suite(suite), candidate, folder, repeats=repeats)
        folder.progress.stage("track", skipped=False)
        track_suite(folder, tried)
    report = summarize(tried.run)
    following = f"report page {tried.name}, report compare {tried.name} OTHER, review sample {tried.name} --metric ..."
    show(f"{render_report(report)}\nkept in {tried.folder}\nnext: {following}", report, as_json=as_json)


@app.command("import")
def take(
    file: Annotated[Path, typer.Argument(help="A file of recorded runs.")],
    kind: Annotated[str, typer.Option(help="agentdojo, inspect, lines, otel, promptfoo or tau-bench.")],
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Take in runs that were recorded elsewhere: they are compared, gated and reviewed like any other."""
    from workbench.cli.render import show, table
    from workbench.lab.recordings import import_recording

    recorded, kept = import_recording(file, kind, workspace)
    lacking = recorded.lacking()
    rows = [
        (one.folder.name, str(len(one.run.episodes)), str(len(lacking.get(one.run.header.agent, ())))) for one in kept
    ]
    origin = (
        f"{recorded.source}; licence: {recorded.licence or 'not stated'}; {recorded.attribution or 'no attribution'}"
    )
    text = f"{table(('run', 'episodes', 'cases it lacks'), rows)}\n\n{origin}"
    show(text, [one.folder.name for one in kept], as_json=as_json)
