"""`workbench audit`: the log of what agents did."""

import sys
from collections.abc import Callable, Collection, Container
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.gate_state import STATE
from workbench.cli.options import Json, noun

app = noun("Verify, read and forget the log of what agents did.")

Folder = Annotated[Path, typer.Argument(help="The folder that holds the log.")]
Keys = Annotated[Path, typer.Option(help="The folder of the log's keys.")]
Tenant = Annotated[str | None, typer.Option(help="Only the entries of this tenant.")]
Anchor = Annotated[Path | None, typer.Option(help="The file in which the last checkpoint is kept.")]
State = Annotated[str | None, typer.Option(help=STATE)]


@app.command("verify")
def verify_log(
    folder: Folder,
    public_key: Annotated[
        str | None, typer.Option(help="The key of its checkpoints, as it was kept elsewhere.")
    ] = None,
    anchor: Annotated[
        Path | None, typer.Option(help="The file in which its last checkpoint was kept elsewhere.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that nothing in a log was changed, removed, added or moved, and say what can't be known."""
    from workbench.cli.render import show
    from workbench.tools import verify

    found = verify(folder, public_key=public_key, anchor=anchor)
    told = f"{found.lines} lines, {found.records} records, {found.checkpoints} checkpoints: nothing was touched"
    show("\n".join([told, *(f"not known: {doubt}" for doubt in found.doubts)]), found, as_json=as_json)


@app.command("show")
def show_log(
    folder: Folder,
    keys: Keys,
    tenant: Tenant = None,
    call: Annotated[str | None, typer.Option(help="Only the entries of this call.")] = None,
    last: Annotated[int, typer.Option(min=1, help="Only so many, the last ones.")] = 50,
    as_json: Json = False,
) -> None:
    """Show who did what, what was decided and what came of it."""
    from collections import deque

    from workbench.cli.render import show, table
    from workbench.tools import open_keys, read

    lines = deque((line for line in read(folder, open_keys(keys)) if line.concerns(tenant, call)), maxlen=last)
    heads = ("line", "at", "kind", "tenant", "principal", "tool", "decision", "result", "call_id")
    rows = [
        [str(line.line), *(str(getattr(line.entry, head)) if line.entry else line.state for head in heads[1:])]
        for line in lines
    ]
    show(table(heads, rows), list(lines), as_json=as_json)


@app.command("export")
def export_log(folder: Folder, keys: Keys, tenant: Tenant = None) -> None:
    """Write the entries to standard output, a JSON object a line; what was erased is named as erased."""
    from workbench.tools import open_keys, read

    for line in read(folder, open_keys(keys)):
        if line.concerns(tenant, None):
            sys.stdout.write(f"{line.model_dump_json()}\n")


@app.command("erase")
def erase_log(
    folder: Folder,
    keys: Keys,
    tenant: Annotated[str, typer.Option(help="Whose entries.")],
    before: Annotated[
        str | None,
        typer.Option(help='Only those of days before this one, "2026-03-15", or before this month, "2026-03".'),
    ] = None,
    anchor: Anchor = None,
    state: State = None,
) -> None:
    """Destroy the keys of a tenant's entries: nobody can read them again, and the log still verifies.

    With a state, what was answered to the tenant and what a person was asked goes as well; what was done stays done.
    """
    from workbench.cli.gate_state import open_state
    from workbench.tools import ChainedLog, forget, open_keys

    log = ChainedLog(folder, open_keys(keys), anchor=anchor)
    try:
        found = forget(tenant, log=log, state=open_state(state) if state is not None else None, before=before)
    finally:
        log.close()
    rows = f", {found.results} results and {found.approvals} approvals erased" if state is not None else ""
    sys.stdout.write(f"{found.keys} keys were destroyed{rows}\n")
    if state is None:
        sys.stderr.write("the state of the gate still holds its answers and questions; name it with --state\n")


@app.command("retain")
def retain_log(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    folder: Folder,
    keys: Keys,
    days: Annotated[int, typer.Option(min=1, help="Keep so many whole days; what is older goes.")],
    other: Annotated[list[str] | None, typer.Option("--for", help="TENANT=DAYS for one tenant; repeatable.")] = None,
    anchor: Anchor = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Erase what is older than so many days, as `erase` does; to be run each day. Days are those of UTC."""
    from datetime import UTC, datetime

    from workbench.cli.gate_state import open_state
    from workbench.cli.render import show, table
    from workbench.tools import ChainedLog, kept_tenants, open_keys, read_schedule, retain

    schedule = read_schedule(days, other or ())
    log = ChainedLog(folder, open_keys(keys), anchor=anchor)
    try:
        opened = open_state(state) if state is not None else None
        _name_strangers(schedule.tenants, lambda: kept_tenants(log=log, state=opened))
        found = retain(schedule, log=log, state=opened, today=datetime.now(UTC).date())
    finally:
        log.close()
    heads = ("tenant", "before", "keys", "results", "approvals")
    rows = [[ascii(getattr(one, head)).strip("'") for head in heads] for one in found]
    show(table(heads, rows) if rows else "nothing is older", [*found], as_json=as_json)


def _name_strangers(tenants: Collection[str], kept: Callable[[], Container[str]]) -> None:
    """Who is kept is looked up only if somebody is named."""
    known = kept() if tenants else ()
    for tenant in tenants:
        if tenant not in known:
            sys.stderr.write(f"nothing is kept of tenant {tenant!r}: its --for changes nothing\n")
