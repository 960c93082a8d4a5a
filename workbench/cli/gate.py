"""`workbench gate`: what a gate decided, and what its rules ask."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

app = noun("Read verdicts, and the rules behind them.")

WORDS = """
PASS          every rule is met, with the uncertainty counted against it
FAIL          the whole interval lies on the wrong side: it is shown not to be met
INCONCLUSIVE  the cases can't tell: the interval lies on both sides; more cases may
UNMEASURED    too little was scored; silence is not a pass
A verdict is as bad as its worst rule, and only PASS promotes."""


@app.command("show")
def show_verdict(
    experiment: Annotated[str | None, typer.Argument(help="An experiment; else the last.")] = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Show a verdict with its reasons; ends with 1 if it is not PASS."""
    from pipelines.outcomes import kept_outcome
    from workbench.cli.render import show
    from workbench.gates import render_verdict

    verdict = kept_outcome(workspace, experiment).verdict
    show(render_verdict(verdict), verdict, as_json=as_json)
    raise typer.Exit(0 if verdict.passed else 1)


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="An experiment file.")],
    as_json: Json = False,
) -> None:
    """Say in words what the rules of an experiment ask, and what a verdict's words mean."""
    from workbench.cli.render import show
    from workbench.gates import describe
    from workbench.lab import read_experiment

    rules = [describe(rule) for rule in read_experiment(file).gate]
    show("\n".join((*rules, WORDS)), [*rules], as_json=as_json)
