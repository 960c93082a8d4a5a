"""Options that several commands share, and how a command ends."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Workspace = Annotated[Path, typer.Option(help="The folder that keeps stages, calls and the tracking store.")]
WORKSPACE = Path("mlruns")


def noun(text: str) -> typer.Typer:
    """The commands of one noun."""
    return typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None)
