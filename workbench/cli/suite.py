"""`workbench suite`: cases that people write, checked, covered and compared."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Json, noun

app = noun("Check, cover and compare suites of cases.")
Suites = Annotated[list[Path], typer.Argument(help="Suites' folders, or folders of suites.")]
Version = Annotated[Path, typer.Argument(help="A suite's folder, or the evalset.json that a run on it kept.")]


@app.command()
def check(suites: Suites, as_json: Json = False) -> None:
    """Check that suites can be trusted; nothing is asked of a model. Ends with 2 if something must be put right."""
    from workbench.cli.render import show
    from workbench.datasets import read_suites
    from workbench.evals import check_suites, known_worlds

    read = [suite for path in suites for suite in read_suites(path)]
    problems = check_suites(read, known_worlds())
    fine = [f"{suite.folder}: {len(suite.cases)} cases, {suite.card.kind}" for suite in read]
    text = "\n".join(f"{found.check}: {found.message}" for found in problems) or "\n".join([*fine, "all fine"])
    show(text, list(problems), as_json=as_json)
    raise typer.Exit(2 if problems else 0)


@app.command()
def coverage(suites: Suites, as_json: Json = False) -> None:
    """Show which intents, tools, policies and failure modes are covered, and name what is not."""
    from workbench.cli.render import show, table
    from workbench.datasets import cover, read_suites, render_gaps

    found = cover([suite for path in suites for suite in read_suites(path)])
    rows = [(line.aspect, line.name, str(line.cases), "yes" if line.declared else "no") for line in found.lines]
    text = table(("covers", "name", "cases", "must be covered"), rows)
    show(f"{text}\n\n{render_gaps(found)}", found, as_json=as_json)


@app.command()
def diff(before: Version, after: Version, as_json: Json = False) -> None:
    """Show what changed between two versions of a suite, and what runs on the first need to be worth anything."""
    from workbench.cli.render import show
    from workbench.datasets import diff_suites, read_version, render_diff

    found = diff_suites(read_version(before), read_version(after))
    show(render_diff(found), found, as_json=as_json)
