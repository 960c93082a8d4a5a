"""`workbench ui`: MLflow's pages over what a workspace recorded."""

import subprocess
from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Workspace


def ui(
    workspace: Workspace = WORKSPACE,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Show the workspace in MLflow's UI until it is stopped."""
    from workbench.cli.stored import tracked
    from workbench.tracking import ui_command

    command = ui_command(tracked(workspace), host=host, port=port)
    typer.echo(f"MLflow shows {workspace} at http://{host}:{port}; stop it with Ctrl-C", err=True)
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603
