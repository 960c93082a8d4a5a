"""`workbench index tune`: search an index's knobs against judged queries, and say on others what that is worth."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace

if TYPE_CHECKING:
    from workbench.optimize import Tuned, TuneRequest
    from workbench.retrieval import Judgment

Index = Annotated[str, typer.Argument(help="The folder of an index, or the name of a live one in the workspace.")]
Judged = Annotated[Path, typer.Option("--judgments", help="Judgments as JSON Lines, or qrels beside --queries.")]
Queries = Annotated[Path | None, typer.Option(help='The texts of qrels: JSON Lines with "_id" and "text".')]
OUT = """Where to write what was found, if it is better: the folder of the tuned index; of a live one a file with its
spec, for `index build --spec`."""
Out = Annotated[Path | None, typer.Option(help=OUT)]
Share = Annotated[float, typer.Option(min=0.05, max=0.9, help="Share of the queries held out to judge the outcome.")]
Tries = Annotated[int | None, typer.Option(min=1, help="The most specs to try. Without it: enough for all knobs.")]
Encoder = Annotated[
    Path | None,
    typer.Option(help="A folder with a cross-encoder's model.onnx and tokenizer.json, to be tried after all else."),
]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", help="As whom a live index is asked: a group besides everyone; repeatable."),
]


def tune(  # noqa: PLR0913 - each is an option of the command
    index: Index,
    *,
    judgments: Judged,
    queries: Queries = None,
    out: Out = None,
    held_out: Share = 0.3,
    tries: Tries = None,
    cross_encoder: Encoder = None,
    group: Groups = None,
    seed: Annotated[int, typer.Option(help="Draws what is held out.")] = 0,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Tune an index on judged queries; "no better" is a normal end, and writes nothing."""
    from workbench.cli.render import show
    from workbench.core import ConfigError, write_record
    from workbench.optimize import Growth, TuneRequest, render_tuned, tune_folder
    from workbench.retrieval import read_judgments

    request = TuneRequest(ranker=Growth(), seed=seed, cross_encoder=cross_encoder)
    if tries is not None:
        request = replace(request, tries=tries)
    judged = read_judgments(judgments, queries)
    if not Path(index).is_dir():
        found = _tune_live(workspace, index, judged, request, held_out=held_out, groups=group or ())
        if out is not None and found.held_out.better:
            write_record(out, found.spec)
    elif group:
        raise ConfigError(f"index {index!r}: --group asks a live index; leave it out for an index in a folder")
    else:
        found = tune_folder(Path(index), judged, request=request, held_out=held_out, out=out)
    show(render_tuned(found), found, as_json=as_json)


def _tune_live(
    workspace: Path,
    name: str,
    judged: "Sequence[Judgment]",
    request: "TuneRequest",
    *,
    held_out: float,
    groups: Sequence[str],
) -> "Tuned":
    from workbench.cli.index_view import read_view
    from workbench.cli.progress import Terminal
    from workbench.lab import Workspace as Folder
    from workbench.lab.index_tuning import tune_index

    view = read_view(None, groups, ())
    with Terminal() as terminal:
        return tune_index(Folder(workspace, terminal), name, judged, request=request, held_out=held_out, view=view)
