"""`workbench package`: what ships, checked and shown."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Json, noun

app = noun("Verify, test and show packages.")
Package = Annotated[Path, typer.Argument(help="A package: its folder, or its zip.")]


@app.command()
def verify(
    path: Package,
    digest: Annotated[str | None, typer.Option(help="Accept only the package of this digest.")] = None,
    as_json: Json = False,
) -> None:
    """Check every file of a package against its manifest."""
    from workbench.cli.render import show
    from workbench.packaging import verify_package

    info = verify_package(path, digest=digest)
    show(
        f"{info.name} {info.version}: {info.files} files are sound, digest {info.package_digest}", info, as_json=as_json
    )


@app.command()
def selftest(path: Package, as_json: Json = False) -> None:
    """Try a package offline, without its language model; ends with 1 if anything fails."""
    from workbench.cli.render import show, table
    from workbench.packaging import self_test

    lines = self_test(path)
    rows = [("passed" if line.passed else "FAILED", line.name, line.detail) for line in lines]
    show(table(("", "test", "found"), rows), list(lines), as_json=as_json)
    raise typer.Exit(0 if all(line.passed for line in lines) else 1)


@app.command("show")
def show_package(path: Package, as_json: Json = False) -> None:
    """Show what a package is, what it needs, and why it was allowed out."""
    from workbench.cli.render import show
    from workbench.gates import render_verdict
    from workbench.packaging import verify_package

    info = verify_package(path)
    head = f"{info.name} {info.version}, digest {info.package_digest}\nmodel {info.model}"
    needs = f"needs {', '.join(info.secrets) or 'no secret'}; {info.files} files, {info.size_bytes:,} bytes"
    show(f"{head}\n{needs}\n{render_verdict(info.verdict)}", info, as_json=as_json)
