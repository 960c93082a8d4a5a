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
    from workbench.core import TrackingError
    from workbench.tracking import ui_command

    if not (workspace / "mlflow.db").exists():
        raise TrackingError(f"workspace {str(workspace)!r}: holds no tracking store; run an experiment first")
    typer.echo(f"MLflow shows {workspace} at http://{host}:{port}; stop it with Ctrl-C", err=True)
    raise typer.Exit(subprocess.run(ui_command(workspace, host=host, port=port), check=False).returncode)  # noqa: S603
