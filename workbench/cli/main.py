"""The `workbench` command: every noun in one place, and how errors end."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

import pipelines  # noqa: F401 - its switches keep every room offline; it imports nothing else
from workbench import __version__
from workbench.cli import (
    approvals,
    audit,
    callers,
    calls,
    corpus,
    data,
    evaluation,
    experiment,
    gate,
    index,
    judgments,
    kpi,
    optimize,
    package,
    policy,
    report,
    review,
    runs,
    suite,
    tools,
)
from workbench.cli.doctor import doctor
from workbench.cli.run import run
from workbench.cli.serve import serve
from workbench.cli.ui import ui

if TYPE_CHECKING:
    from typer._click.core import Context  # typer carries its own copy of click

INTERRUPTED = 130


class Workbench(TyperGroup):
    """Ends an error that a person can put right with one line and exit code 2."""

    def invoke(self, ctx: "Context") -> object:
        """Run the command."""
        # jsonschema compiles a grammar of web addresses when it finds this package: as slow as all of dspy besides.
        sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
        from workbench.core import WorkbenchError

        try:
            return super().invoke(ctx)
        except WorkbenchError as error:
            from workbench.safety import Redactor, environment_secrets

            sys.stderr.write(f"error: {Redactor(environment_secrets()).text(str(error))}\n")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            again = " ".join(sys.argv[1:])
            sys.stderr.write(f"stopped; what is done is kept. To go on, type: uv run workbench {again}\n")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(name="workbench", cls=Workbench, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"workbench {__version__}")
        raise typer.Exit


@app.callback(help="Make an agent measurably better, and prove it before it ships.")
def workbench(
    _version: Annotated[
        bool, typer.Option("--version", help="Say the version.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    """Hold the commands."""


app.command()(run)
app.add_typer(optimize.app, name="optimize")
app.add_typer(report.app, name="report")
app.add_typer(experiment.app, name="experiment")
app.add_typer(suite.app, name="suite")
app.add_typer(evaluation.app, name="eval")
app.add_typer(review.app, name="review")
app.add_typer(judgments.app, name="judgments")
app.add_typer(kpi.app, name="kpi")
app.add_typer(data.app, name="data")
app.add_typer(corpus.app, name="corpus")
app.add_typer(index.app, name="index")
app.add_typer(gate.app, name="gate")
app.add_typer(package.app, name="package")
app.command()(serve)
app.add_typer(callers.app, name="callers")
app.add_typer(tools.app, name="tools")
app.add_typer(policy.app, name="policy")
app.add_typer(approvals.app, name="approvals")
app.add_typer(audit.app, name="audit")
app.add_typer(runs.app, name="runs")
app.add_typer(calls.app, name="calls")
app.command()(ui)
app.command()(doctor)
