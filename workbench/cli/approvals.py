"""`workbench approvals`: what agents ask a person to allow, and the person's word."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import Json, noun

if TYPE_CHECKING:
    from workbench.tools import Approval, Approvals

app = noun("List, grant and deny what agents ask a person to allow.")
File = Annotated[Path, typer.Argument(help="The state file of the gate.")]
Id = Annotated[str, typer.Argument(help="An approval's id; see the list.")]
Tenant = Annotated[str, typer.Option(help="Whose.")]
Approver = Annotated[str, typer.Option(help="Who decides.")]


@app.command("list")
def list_approvals(file: File, tenant: Tenant, as_json: Json = False) -> None:
    """List a tenant's approvals, those that can still be decided first."""
    from workbench.cli.render import show, table

    found = _approvals(file).list(tenant)
    rows = [(one.approval_id, one.stand, *_told(one), one.approver) for one in found]
    heads = ("approval", "stands", "tool", "for", "arguments", "why", "approver")
    show(table(heads, rows) if rows else f"tenant {tenant!r}: nothing was asked", [*found], as_json=as_json)


@app.command()
def grant(approval: Id, file: File, tenant: Tenant, approver: Approver, as_json: Json = False) -> None:
    """Let just this call be done, once."""
    from workbench.cli.render import show

    decided = _approvals(file).grant(approval, approver=approver, tenant=tenant)
    show(f"{approval}: granted by {approver}; the agent may call it once", decided, as_json=as_json)


@app.command()
def deny(approval: Id, file: File, tenant: Tenant, approver: Approver, as_json: Json = False) -> None:
    """Don't let this call be done."""
    from workbench.cli.render import show

    decided = _approvals(file).deny(approval, approver=approver, tenant=tenant)
    show(f"{approval}: denied by {approver}", decided, as_json=as_json)


def _approvals(file: Path) -> "Approvals":
    from workbench.core import DataError
    from workbench.tools import Approvals, State

    if not file.exists():
        raise DataError(f"tool state {str(file)!r}: is not there; name the file that the gate was opened with")
    return Approvals(State(file))


def _told(approval: "Approval") -> tuple[str, ...]:
    """All of what would be done. In ASCII: no letter that looks like another, or turns the line, hides what it is."""
    import json

    asked = approval.question
    return asked.tool, ascii(asked.principal), json.dumps(asked.arguments, sort_keys=True), asked.reason
