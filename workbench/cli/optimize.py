"""`workbench optimize`: plan a search, run it, watch it, resume it with more, look at it again, replay it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import WORKSPACE, Json, Workspace, noun

if TYPE_CHECKING:
    from workbench.lab import Bench

app = noun("Plan, run, watch, resume, explain and replay searches for a better agent.")
File = Annotated[Path, typer.Argument(help="The experiment file.")]
Seed = Annotated[int | None, typer.Option(help="Use this seed instead of the file's.")]
Mirror = Annotated[Path | None, typer.Option(help="A folder of wheels to fetch data sets from.")]


@app.command()
def plan(
    experiment: File,
    workspace: Workspace = WORKSPACE,
    seed: Seed = None,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """Say what a search will take, with 90 % intervals, before anything is spent; which optimizers can work, and why.

    No model is connected. The data set is fetched if this machine has not got it yet.
    """
    from workbench.cli.render import show

    with _bench(experiment, workspace, seed, mirror) as bench:
        from workbench.lab.planning import plan_search, render_plan

        found = plan_search(bench)
    following = f"next: uv run workbench optimize run {_words(experiment, workspace)}"
    show(f"{render_plan(found)}\n{following}", found, as_json=as_json)


@app.command()
def run(
    experiment: File,
    workspace: Workspace = WORKSPACE,
    seed: Seed = None,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """Search for a better agent within the budget, on train and validation cases; no test case is touched.

    What is done already is not done again; interrupted, the same command goes on.
    """
    with _bench(experiment, workspace, seed, mirror) as bench:
        from workbench.lab.searching import run_search

        folder = run_search(bench)
    _close(experiment, workspace, folder, as_json=as_json)


@app.command()
def resume(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    experiment: File,
    calls: Annotated[int | None, typer.Option(min=1, help="The new limit of calls, in all.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="The new limit of tokens, in all.")] = None,
    usd: Annotated[float | None, typer.Option(min=0, help="The new limit of US dollars, in all.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="The new limit of model time, in all.")] = None,
    workspace: Workspace = WORKSPACE,
    seed: Seed = None,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """Raise limits of the last search, and go on where it stopped: nothing is paid twice.

    A limit is the total, not what is added: to type the same again raises nothing again.
    """
    from workbench.core import Budget

    raised = Budget(calls=calls, tokens=tokens, usd=usd, seconds=seconds)
    with _bench(experiment, workspace, seed, mirror) as bench:
        from workbench.lab.searching import resume_search

        folder = resume_search(bench, raised)
    _close(experiment, workspace, folder, as_json=as_json)


@app.command("show")
def show_searches(
    experiment: Annotated[
        str | None, typer.Argument(help="An experiment, as tool_calling or tool_calling-seed7: each of its searches.")
    ] = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Show the trials of a workspace's last search, or of each search of an experiment, running ones too."""
    from workbench.cli.render import show
    from workbench.lab.trials import find_searches, render_search

    found = find_searches(workspace, _name(experiment))
    data = [{"folder": one.folder.name, "begun": one.begun, "tried": one.tried, "best": one.best} for one in found]
    show("\n".join(map(render_search, found)), data, as_json=as_json)


@app.command()
def front(
    experiment: Annotated[str | None, typer.Argument(help="An experiment: its last search; else the last.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it there, as PNG.")] = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Show which trials nothing beats in quality, tokens and time at once, with intervals."""
    from workbench.cli.render import show
    from workbench.lab.trials import find_searches
    from workbench.optimize import pareto_front, render_front

    search = find_searches(workspace, _name(experiment))[-1]
    found = pareto_front(search.trials)
    if plot is not None:
        from workbench.lab.front_plot import plot_front

        plot.write_bytes(plot_front(found, title=search.begun.experiment))
    show(render_front(found), found, as_json=as_json)


@app.command()
def explain(
    experiment: File,
    workspace: Workspace = WORKSPACE,
    seed: Seed = None,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """Say why the last search's winner wins: which cases flipped, which edits carry the gain, and the fewest that do.

    New variants are asked and paid, from a budget as large as the search's.
    """
    from workbench.cli.render import show

    with _bench(experiment, workspace, seed, mirror) as bench:
        from workbench.lab.searching import explain_search
        from workbench.optimize import render_explanation

        found = explain_search(bench)
    show(render_explanation(found), found, as_json=as_json)


@app.command()
def replay(
    experiment: File,
    workspace: Workspace = WORKSPACE,
    seed: Seed = None,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """Make the last search again from the call store alone, without a model: does it end at the same winner?

    Ends with 1 if anything is not as recorded.
    """
    from workbench.cli.render import show

    with _bench(experiment, workspace, seed, mirror) as bench:
        from workbench.lab.replaying import render_replayed, replay_search

        found = replay_search(bench)
    show(render_replayed(found), found, as_json=as_json)
    raise typer.Exit(0 if found.same else 1)


@contextmanager
def _bench(experiment: Path, workspace: Path, seed: int | None, mirror: Path | None) -> Iterator["Bench"]:
    """The experiment at work in its workspace, watched from this terminal."""
    from pipelines.order import Order
    from pipelines.surroundings import bench, surrounded, watched_by
    from workbench.cli.progress import Terminal

    mirrored = None if mirror is None else str(mirror)
    order = Order(path=str(experiment), workspace=str(workspace), seed=seed, mirror=mirrored)
    with Terminal() as progress, surrounded(watched_by(progress)):
        yield bench(order)


def _name(experiment: str | None) -> str | None:
    """The name of an experiment, also where its file was typed."""
    return Path(experiment).stem if experiment is not None and experiment.endswith((".yaml", ".yml")) else experiment


def _close(experiment: Path, workspace: Path, folder: Path, *, as_json: bool) -> None:
    """The closing table of a search, and what to type next."""
    from workbench.cli.render import show
    from workbench.lab.trials import find_searches, following, render_search

    found = next(one for one in find_searches(workspace, None, every=True) if one.folder.name == folder.name)
    text = f"{render_search(found)}{following(found, _words(experiment, workspace))}"
    show(text, {"folder": folder.name, "begun": found.begun, "outcome": found.outcome}, as_json=as_json)


def _words(experiment: Path, workspace: Path) -> str:
    """How an experiment in a workspace is named to a command."""
    return f"{experiment}" if workspace == WORKSPACE else f"{experiment} --workspace {workspace}"
