"""`workbench kpi`: what an agent reaches and costs, as far as it was measured."""

from datetime import datetime
from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

app = noun("Show KPIs, and what each of them means.")


@app.command("show")
def show_kpis(
    what: Annotated[
        str | None, typer.Argument(help="An experiment, a run's folder, or a package; else the last experiment.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Only records of use from this time on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only records of use before this time (UTC).")] = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Show every KPI with its interval, or why it is unmeasured; with only a window, those of use in that time.

    Records of use are releases.jsonl, incidents.jsonl, usage.jsonl and ratings.jsonl in the workspace.
    """
    from workbench.cli.kpi_evidence import Window, gather
    from workbench.cli.render import show
    from workbench.evals import measure_kpis, render_kpis

    lines = measure_kpis(gather(workspace, what, Window.of(since, until)))
    show(render_kpis(lines), list(lines), as_json=as_json)


@app.command("list")
def list_kpis(as_json: Json = False) -> None:
    """Say what each KPI is, in which unit, which way is better, and how it is estimated."""
    from workbench.cli.render import show
    from workbench.evals import CATALOGUE

    entries = [*CATALOGUE.values()]
    words = (
        f"{one.name} [{one.unit}], {one.direction} is better\n  {one.definition}\n"
        f"  from {one.origin}: {one.estimation}\n  {one.source}"
        for one in entries
    )
    show("\n".join(words), entries, as_json=as_json)
