"""`workbench doctor`: what this machine has, lacks and can reach."""

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace


def doctor(workspace: Workspace = WORKSPACE, as_json: Json = False) -> None:
    """Say what is installed, what is missing, and what can be reached; ends with 2 if the runtime is incomplete."""
    from workbench.cli.checkup import examine
    from workbench.cli.render import show, table

    findings = examine(workspace)
    rows = [(found.state, found.area, found.name, found.detail) for found in findings]
    show(table(("", "area", "what", "found"), rows), list(findings), as_json=as_json)
    broken = any(found.state == "missing" and found.area == "runtime" for found in findings)
    raise typer.Exit(2 if broken else 0)
