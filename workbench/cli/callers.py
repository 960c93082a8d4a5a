"""`workbench callers`: who may ask a server, known by a key."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import noun

app = noun("Give callers of a server keys of their own.")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="The file of callers; made where it is new.")],
    principal: Annotated[str, typer.Argument(help="Who: the name by which documents are opened to readers.")],
    group: Annotated[list[str] | None, typer.Option(help="A group that the caller belongs to; repeatable.")] = None,
) -> None:
    """Add a caller, or give one a new key. The key is shown once and kept nowhere; running servers know it at once."""
    from workbench.serving import add_caller

    key = add_caller(file, principal, group or ())
    typer.echo(key)
    typer.echo(f"next: uv run workbench serve PACKAGE --callers {file}", err=True)
