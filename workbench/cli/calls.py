"""`workbench calls`: the ledger of every question that was put to a language model, and of attempts without answer."""

from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

Run = Annotated[str | None, typer.Option(help="Only what this stage's folder asked.")]
app = noun("Account for calls of language models.")


@app.command("show")
def show_calls(
    run: Run = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Show what each stage and module asked, what was paid, and what the store answered."""
    from workbench.cli.render import show, table
    from workbench.cli.stored import open_calls, sum_calls

    lines = sum_calls(open_calls(workspace).frame(run))
    heads = ("run", "module", "model", "paid", "cached", "tokens", "seconds", "usd")
    rows = [["unknown" if line[head] is None else str(line[head]) for head in heads] for line in lines]
    show(table(heads, rows), lines, as_json=as_json)


@app.command("misses")
def show_misses(
    run: Run = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Show which models failed to answer, how, how often, and how long that took."""
    from workbench.cli.render import show, table
    from workbench.cli.stored import open_calls, sum_misses

    lines = sum_misses(open_calls(workspace).misses(run))
    heads = ("run", "module", "model", "error", "attempts", "seconds", "last")
    show(table(heads, [[str(line[head]) for head in heads] for line in lines]), lines, as_json=as_json)
