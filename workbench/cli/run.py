"""`workbench run`: an experiment from its file to a verdict, and to a package if the gate passes."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace


def run(
    experiment: Annotated[Path, typer.Argument(help="The experiment file.")],
    workspace: Workspace = WORKSPACE,
    seed: Annotated[int | None, typer.Option(help="Use this seed instead of the file's.")] = None,
    mirror: Annotated[Path | None, typer.Option(help="A folder of wheels to fetch data sets from.")] = None,
    as_json: Json = False,
) -> None:
    """Run an experiment: index, eval set, baseline, search, test, gate, tracking, package.

    What is done already is not done again. Ends with 1 if the gate says no.
    """
    from pipelines.launch import launch
    from pipelines.order import Order
    from workbench.cli.progress import Terminal
    from workbench.cli.render import show

    mirrored = None if mirror is None else str(mirror)
    order = Order(path=str(experiment), workspace=str(workspace), seed=seed, mirror=mirrored)
    with Terminal() as progress:
        outcome = launch(order, progress)
    from workbench.lab.outcome import render_outcome

    show(render_outcome(outcome), outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.promoted else 1)
