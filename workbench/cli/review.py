"""`workbench review`: people look at episodes, and what they say counts."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

app = noun("Send episodes to people, and take in what they say.")
Run = Annotated[str, typer.Argument(help="A run: the name of its folder, or how it begins.")]
Adjudicator = Annotated[str, typer.Option(help="The reviewer whose word decides.")]

HOW = """Each review is one line of JSON: {"run_digest": ..., "case_id": ..., "repeat": 0, "reviewer": "ann", "opinion":
"right", "wrong" or "unsure", "failure": "its failure mode", "comment": ...}"""


@app.command()
def sample(
    run: Run,
    metric: Annotated[str, typer.Option(help="Whose outcomes make the strata, and whose doubt is looked for.")],
    count: Annotated[int, typer.Option(min=1, help="Episodes to review.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Draw episodes for review: half where doubt is greatest, half at random by outcome and tag."""
    from workbench.cli.render import show, table
    from workbench.evals import ReviewRequest
    from workbench.lab.reviewing import draw_sample

    path, items = draw_sample(workspace, run, ReviewRequest(metric=metric, count=count, seed=seed))
    strata = {name: [item for item in items if item.stratum == name] for name in sorted({i.stratum for i in items})}
    rows = [(name, str(len(own)), f"{sum(1 / item.chance for item in own):.0f}") for name, own in strata.items()]
    following = f"next: uv run workbench review import {run} FILE, or first review queue {run} NAME for MLflow's UI"
    text = f"{table(('stratum', 'drawn', 'stands for'), rows)}\n\n{path}\n{HOW}\n{following}"
    show(text, list(items), as_json=as_json)


@app.command()
def queue(
    run: Run,
    name: Annotated[str, typer.Argument(help="The queue's name in MLflow.")],
    reviewer: Annotated[list[str] | None, typer.Option(help="Whom MLflow shows it to; may be repeated.")] = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Put the drawn sample of a tracked run into a review queue of MLflow, as traces with three questions."""
    from workbench.cli.render import show
    from workbench.lab.reviewing import send_queue

    made = send_queue(workspace, run, queue=name, reviewers=reviewer or ())
    show(f"queue {name!r} ({made}): see Review in workbench ui", {"queue": made}, as_json=as_json)


@app.command("import")
def take(
    run: Run,
    file: Annotated[Path | None, typer.Argument(help="Reviews; without it, those of MLflow's queues.")] = None,
    adjudicator: Adjudicator = "",
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Take in reviews; show how far people agree, what they decided, and what it says of the whole run."""
    from workbench.cli.render import show
    from workbench.core import read_records
    from workbench.evals import Review
    from workbench.lab.reviewing import render_summary, sum_up, take_queue, take_reviews

    new = take_queue(workspace, run) if file is None else take_reviews(workspace, run, read_records(file, Review))
    summary = sum_up(workspace, run, adjudicator=adjudicator)
    show(f"{new} new reviews\n{render_summary(summary)}", summary, as_json=as_json)


@app.command()
def cases(
    run: Run,
    suite: Annotated[Path, typer.Argument(help="The suite's folder.")],
    fixed: Annotated[str, typer.Option(help="The day the bugs were fixed, for a suite of regressions.")] = "",
    adjudicator: Adjudicator = "",
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Add the cases that were found wrong to a suite."""
    from workbench.cli.render import show
    from workbench.datasets import grow_suite
    from workbench.lab.reviewing import lessons, sum_up

    found = lessons(workspace, run, sum_up(workspace, run, adjudicator=adjudicator))
    grown = grow_suite(suite, found, fixed=_day(fixed))
    text = f"{suite}: {len(grown.cases)} cases now\nnext: uv run workbench suite check {suite}"
    show(text, list(found), as_json=as_json)


def _day(text: str) -> date | None:
    from workbench.core import ConfigError

    try:
        return date.fromisoformat(text) if text else None
    except ValueError as cause:
        raise ConfigError(f"--fixed {text!r}: is no day; write it as 2026-11-22") from cause
