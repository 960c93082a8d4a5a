"""`workbench experiment`: check files before anything is spent, and say what may stand in them."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Json, noun

app = noun("Check experiment files, and see what may stand in them.")


@app.command()
def check(files: Annotated[list[Path], typer.Argument(help="Experiment files.")], as_json: Json = False) -> None:
    """Check files; nothing is fetched, loaded or paid. The first one that is wrong ends it with 2."""
    from workbench.cli.render import show
    from workbench.lab import read_experiment

    found = [read_experiment(file) for file in files]
    lines = (f"{file}: fine; {one.question}" for file, one in zip(files, found, strict=True))
    show("\n".join(lines), found, as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of an experiment file, with every field described."""
    from workbench.cli.render import show
    from workbench.lab import Experiment

    show("", Experiment.model_json_schema(), as_json=True)
