"""`workbench index tune`: search an index's knobs against judged queries, and say on others what that is worth."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Json

Folder = Annotated[Path, typer.Argument(help="The folder of an index.")]
Judged = Annotated[Path, typer.Option("--judgments", help="Judgments as JSON Lines, or qrels beside --queries.")]
Queries = Annotated[Path | None, typer.Option(help='The texts of qrels: JSON Lines with "_id" and "text".')]
Out = Annotated[Path | None, typer.Option(help="Where to write the tuned index, if it is better.")]
Share = Annotated[float, typer.Option(min=0.05, max=0.9, help="Share of the queries held out to judge the outcome.")]
Tries = Annotated[int | None, typer.Option(min=1, help="The most specs to try. Without it: enough for all knobs.")]
Encoder = Annotated[
    Path | None,
    typer.Option(help="A folder with a cross-encoder's model.onnx and tokenizer.json, to be tried after all else."),
]


def tune(  # noqa: PLR0913 - each is an option of the command
    index: Folder,
    *,
    judgments: Judged,
    queries: Queries = None,
    out: Out = None,
    held_out: Share = 0.3,
    tries: Tries = None,
    cross_encoder: Encoder = None,
    seed: Annotated[int, typer.Option(help="Draws what is held out.")] = 0,
    as_json: Json = False,
) -> None:
    """Tune an index on judged queries; "no better" is a normal end, and writes nothing."""
    from workbench.cli.render import show
    from workbench.optimize import Growth, TuneRequest, render_tuned, tune_folder
    from workbench.retrieval import read_judgments

    request = TuneRequest(ranker=Growth(), seed=seed)
    if tries is not None:
        request = replace(request, tries=tries)
    judged = read_judgments(judgments, queries)
    found = tune_folder(index, judged, request=request, held_out=held_out, out=out, cross_encoder=cross_encoder)
    show(render_tuned(found), found, as_json=as_json)
