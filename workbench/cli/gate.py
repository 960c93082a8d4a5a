"""`workbench gate`: what a gate decided, and what its rules ask."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

app = noun("Read verdicts, and the rules behind them.")
File = Annotated[Path, typer.Argument(help="An experiment file.")]

WORDS = """
PASS          every rule is met, with the uncertainty counted against it
FAIL          the whole interval lies on the wrong side: it is shown not to be met
INCONCLUSIVE  the cases can't tell: the interval lies on both sides; more cases may
UNMEASURED    too little was scored; silence is not a pass
A verdict is as bad as its worst rule, and only PASS promotes."""


@app.command("show")
def show_verdict(
    experiment: Annotated[str | None, typer.Argument(help="An experiment; else the last.")] = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Show a verdict with its reasons; ends with 1 if it is not PASS."""
    from pipelines.outcomes import kept_outcome
    from workbench.cli.render import show
    from workbench.gates import render_verdict

    verdict = kept_outcome(workspace, experiment).verdict
    show(render_verdict(verdict), verdict, as_json=as_json)
    raise typer.Exit(0 if verdict.passed else 1)


@app.command()
def check(file: File, workspace: Workspace = WORKSPACE, as_json: Json = False) -> None:
    """Check the last verdict against its evidence, and the gate against what was agreed; ends with 1 if it fails."""
    from pipelines.outcomes import kept_outcome
    from workbench.cli.render import show
    from workbench.gates import render_alarms, render_verdict
    from workbench.lab.guarding import check_release

    outcome = kept_outcome(workspace, file.stem)
    verdict = outcome.verdict
    found = check_release(file, verdict, workspace, report=outcome.winner, today=_today())
    hint = "" if found.agreed else f"nobody agreed to this gate yet: uv run workbench gate agree {file} --owner ...\n"
    show(f"{render_verdict(verdict)}{render_alarms(found.alarms)}{hint}", found, as_json=as_json)
    raise typer.Exit(0 if found.holds else 1)


@app.command()
def agree(
    file: File,
    owner: Annotated[str, typer.Option(help="Who answers for it.")],
    reason: Annotated[str, typer.Option(help="Why this gate is strong enough.")],
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Write down the gate as it stands, so that whatever weakens it later is noticed."""
    from pipelines.outcomes import kept_outcome
    from workbench.cli.render import show
    from workbench.lab.guarding import agree_gate

    verdict = kept_outcome(workspace, file.stem).verdict
    path = agree_gate(file, verdict, workspace, owner=owner, reason=reason, today=_today())
    show(f"{path}: keep it under version control; next: uv run workbench gate check {file}", None, as_json=as_json)


def _today() -> date:
    return datetime.now(tz=UTC).date()


@app.command()
def explain(
    file: File,
    as_json: Json = False,
) -> None:
    """Say in words what the rules of an experiment ask, and what a verdict's words mean."""
    from workbench.cli.render import show
    from workbench.gates import describe
    from workbench.lab import read_experiment

    rules = [describe(rule) for rule in read_experiment(file).gate]
    show("\n".join((*rules, WORDS)), [*rules], as_json=as_json)
