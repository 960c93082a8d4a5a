"""`workbench serve`: a package's agent over HTTP."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    package: Annotated[Path, typer.Argument(help="A package's folder.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    callers: Annotated[
        Path | None, typer.Option(help="A file of callers with their groups; without it nobody is known.")
    ] = None,
    index: Annotated[
        Path | None, typer.Option(help="Where the live index lies that the package refers to, if it has moved.")
    ] = None,
) -> None:
    """Serve a package until it is stopped; only one with a passing verdict is served."""
    from workbench.serving import Access, serve

    def announce(url: str) -> None:
        ask = f"curl -s {url}/v1/runs -H 'Content-Type: application/json' -d '{{\"request\": \"...\"}}'"
        typer.echo(f"{package.name} answers at {url}; stop it with Ctrl-C\ntry:  {ask}", err=True)

    serve(package, host=host, port=port, announce=announce, access=Access(callers, index))
