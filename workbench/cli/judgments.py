"""`workbench judgments`: which documents are right for a query, made up, confirmed by a person, and shown."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

app = noun("Judge which documents are right for a query: propose, confirm and show.")
Run = Annotated[str, typer.Argument(help="A run: the name of its folder, or how it begins.")]
Out = Annotated[Path, typer.Option(help="Where to write them, as JSON Lines.")]
MODEL = """provider/model that writes questions by Ragas's test-set generation. Without it: the most telling sentence of
each document, which asks no model and makes easier queries than people's."""
KEY = "The environment variable with the model's key; without it the provider's own."


@app.command()
def generate(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    corpus: Annotated[str, typer.Argument(help="A corpus of the folder corpora, its file, or documents as .jsonl.")],
    count: Annotated[int, typer.Option(min=1, help="Queries to propose.")] = 100,
    sample: Annotated[int, typer.Option(min=1, help="How many of them a person is to look at.")] = 40,
    model: Annotated[str, typer.Option(help=MODEL)] = "",
    base_url: Annotated[str | None, typer.Option(help="Where an OpenAI-compatible server listens.")] = None,
    key_env: Annotated[str | None, typer.Option(help=KEY)] = None,
    group: Annotated[list[str] | None, typer.Option(help="Whose documents, besides everyone's; repeatable.")] = None,
    queue: Annotated[str, typer.Option(help="Also put the sample into a review queue of MLflow, by this name.")] = "",
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Propose queries for documents, and send a sample to review; none counts before a person confirms it."""
    from workbench.cli.judgments_making import Wanted, make
    from workbench.cli.render import show

    wanted = Wanted(count=count, sample=sample, model=model, base_url=base_url, key_env=key_env, seed=seed)
    name, path, proposed = make(workspace, corpus, wanted, groups=group or (), queue=queue)
    following = f"next: uv run workbench review import {name} FILE, then judgments confirm {name} --out FILE"
    text = f"{len(proposed)} queries proposed, {min(sample, len(proposed))} to be looked at\n{path}\n{following}"
    show(text, list(proposed), as_json=as_json)


@app.command()
def confirm(
    run: Run,
    out: Out,
    adjudicator: Annotated[str, typer.Option(help="The reviewer whose word decides.")] = "",
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Keep what reviewers found right: of proposed queries, or what an agent was handed when its answer was right."""
    from workbench.cli.render import show
    from workbench.core import write_records
    from workbench.lab.judging import confirm as decide

    found = decide(workspace, run, adjudicator=adjudicator)
    write_records(out, found.judgments)
    counts = f"{len(found.judgments)} confirmed, {found.rejected} rejected, {found.undecided} undecided"
    show(f"{counts}\n{out}\nnext: uv run workbench index tune INDEX --judgments {out}", found, as_json=as_json)


@app.command()
def cases(
    suite: Annotated[Path, typer.Argument(help="A suite's folder, or a folder of suites.")],
    out: Out,
    as_json: Json = False,
) -> None:
    """Take the judgments that the cases of suites hold: the documents of an answer, the tool of a call."""
    from workbench.cli.render import show
    from workbench.core import write_records
    from workbench.datasets import read_suites
    from workbench.retrieval import judge_cases

    found = judge_cases([one.case for each in read_suites(suite) for one in each.cases])
    write_records(out, found)
    show(f"{len(found)} judgments\n{out}", list(found), as_json=as_json)


@app.command("show")
def show_judgments(
    file: Annotated[Path, typer.Argument(help="Judgments as JSON Lines, or qrels beside --queries.")],
    queries: Annotated[Path | None, typer.Option(help='The texts of qrels: JSON Lines with "_id" and "text".')] = None,
    as_json: Json = False,
) -> None:
    """Show judgments by where they come from: queries, clusters, confirmed ones, documents for a query."""
    from workbench.cli.judgments_making import count_sources
    from workbench.cli.render import show, table
    from workbench.retrieval import read_judgments

    found = read_judgments(file, queries)
    heads = ("source", "queries", "clusters", "confirmed", "relevant documents for each")
    show(table(heads, count_sources(found)), list(found), as_json=as_json)
