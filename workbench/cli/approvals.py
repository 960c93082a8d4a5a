"""`workbench approvals`: what agents ask a person to allow, and the person's word."""

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.gate_state import STATE, Seal, open_state
from workbench.cli.options import Json, noun

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.tools import Approval, Approvals

app = noun("List, grant and deny what agents ask a person to allow.")
File = Annotated[str, typer.Argument(help=STATE)]
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
def grant(
    approval: Id, file: File, tenant: Tenant, approver: Approver, seal: Seal = None, as_json: Json = False
) -> None:
    """Let just this call be done, once."""
    from workbench.cli.render import show

    decided = _approvals(file, seal).grant(approval, approver=approver, tenant=tenant)
    show(f"{approval}: granted by {approver}; the agent may call it once", decided, as_json=as_json)


@app.command()
def deny(approval: Id, file: File, tenant: Tenant, approver: Approver, as_json: Json = False) -> None:
    """Don't let this call be done."""
    from workbench.cli.render import show

    decided = _approvals(file).deny(approval, approver=approver, tenant=tenant)
    show(f"{approval}: denied by {approver}", decided, as_json=as_json)


def _approvals(file: str, seal: "Path | None" = None) -> "Approvals":
    from workbench.tools import Approvals

    return Approvals(open_state(file, seal=seal))


def _told(approval: "Approval") -> tuple[str, ...]:
    """All of what would be done. In ASCII: no letter that looks like another, or turns the line, hides what it is."""
    import json

    asked = approval.question
    return asked.tool, ascii(asked.principal), json.dumps(asked.arguments, sort_keys=True), asked.reason
