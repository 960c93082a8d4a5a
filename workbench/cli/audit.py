"""`workbench audit`: the log of what agents did."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Json, noun

app = noun("Verify and read the log of what agents did.")

Folder = Annotated[Path, typer.Argument(help="The folder that holds the log.")]
Keys = Annotated[Path, typer.Option(help="The folder of the log's keys.")]
Tenant = Annotated[str | None, typer.Option(help="Only the entries of this tenant.")]


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
    before: Annotated[str | None, typer.Option(help='Only those of months before this one, such as "2026-03".')] = None,
    anchor: Annotated[Path | None, typer.Option(help="The file in which the last checkpoint is kept.")] = None,
) -> None:
    """Destroy the keys of a tenant's entries: nobody can read them again, and the log still verifies."""
    from workbench.tools import ChainedLog, open_keys

    log = ChainedLog(folder, open_keys(keys), anchor=anchor)
    destroyed = log.erase(tenant, before=before)
    log.close()
    sys.stdout.write(f"{destroyed} keys were destroyed\n")
