"""`workbench runs`: what was tracked."""

from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

app = noun("List what was tracked.")


@app.command("list")
def list_runs(
    experiment: Annotated[str, typer.Argument(help="An experiment's name.")] = "tool_calling",
    metric: Annotated[str, typer.Option(help="The metric to list.")] = "test/task_success",
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """List the tracked runs of an experiment by one metric, newest first."""
    from workbench.cli.render import show, table
    from workbench.cli.stored import tracked
    from workbench.tracking import open_store, read_runs

    found = read_runs(open_store(tracked(workspace)), experiment)
    rows = found.filter(found["metric"] == metric).to_dicts()
    heads = ("run_id", "name", "role", "verdict", "estimate", "low", "high")
    show(table(heads, [[_cell(row[head]) for head in heads] for row in rows]), rows, as_json=as_json)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
