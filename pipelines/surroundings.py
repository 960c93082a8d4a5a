"""What a flow's parameters can't say: who watches, and how models are reached. Flows run inside share their benches."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipelines.order import Order
from workbench.lab import Bench, Experiment, Progress, Quiet, Workspace, read_experiment
from workbench.lab.bench import Connect
from workbench.lab.watching import Watched, Watcher
from workbench.lms import connect


@dataclass(frozen=True)
class Surroundings:
    """What flows find around them."""

    progress: Progress = field(default_factory=Quiet)
    connect: Connect = connect
    benches: dict[Order, Bench] = field(default_factory=dict)
    began: float | None = None
    """When a person began to wait, by the monotonic clock; None where nobody does."""


_HERE: ContextVar[Surroundings | None] = ContextVar("surroundings", default=None)


def watched_by(progress: Progress, *, began: float | None = None) -> Surroundings:
    """What is around here now, watched by someone else, who may have begun to wait before."""
    return replace(_HERE.get() or Surroundings(), progress=progress, began=began)


def began() -> float:
    """When this run began, by the monotonic clock: with the person's wait, or now."""
    here = _HERE.get()
    return time.monotonic() if here is None or here.began is None else here.began


@contextmanager
def surrounded(surroundings: Surroundings) -> Iterator[None]:
    """Let flows that run inside be watched and connected so."""
    token = _HERE.set(surroundings)
    try:
        yield
    finally:
        _HERE.reset(token)


def bench(order: Order) -> Bench:
    """The bench of an order; flows of one surrounding share it, so that data and index are read once.

    Raises: ConfigError with file, line and field if the experiment file is wrong.
    """
    here = _HERE.get() or Surroundings()
    if order not in here.benches:
        workspace = Workspace(Path(order.workspace), here.progress)
        mirror = None if order.mirror is None else Path(order.mirror)
        here.benches[order] = Bench(experiment(order), workspace, mirror, here.connect, watch=_in_mlflow)
    return here.benches[order]


def _in_mlflow(bench: Bench, watched: Watched) -> AbstractContextManager[Watcher]:
    """Who watches a search."""
    from workbench.lab.live_log import in_mlflow  # noqa: PLC0415 - it loads mlflow, which only a search needs

    return in_mlflow(bench, watched)


def experiment(order: Order) -> Experiment:
    """The experiment that an order names, with the seed it asks for.

    Raises: ConfigError with file, line and field if the experiment file is wrong.
    """
    found = read_experiment(Path(order.path))
    return found if order.seed is None else Experiment.model_validate({**found.model_dump(), "seed": order.seed})
