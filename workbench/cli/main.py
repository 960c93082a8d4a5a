"""The `workbench` command: every noun in one place, and how errors end."""

import sys

import click
import typer
from typer.core import TyperGroup

import pipelines  # noqa: F401 - its switches keep every room offline; nothing else is imported by it
from workbench import __version__
from workbench.core.errors import WorkbenchError

INTERRUPTED = 130


class Workbench(TyperGroup):
    """Ends an error that a person can put right with one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except WorkbenchError as error:
            from workbench.safety import Redactor, environment_secrets  # noqa: PLC0415

            sys.stderr.write(f"error: {Redactor(environment_secrets()).text(str(error))}\n")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            again = " ".join(sys.argv[1:])
            sys.stderr.write(f"stopped; what is done is kept. To go on, type: uv run workbench {again}\n")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(cls=Workbench, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback(help="Make an agent measurably better, and prove it before it ships.")
def workbench(
    version: bool = typer.Option(False, "--version", help="Say the version.", is_eager=True),
) -> None:
    """Say the version if that is asked."""
    if version:
        sys.stdout.write(f"workbench {__version__}\n")
        raise typer.Exit
