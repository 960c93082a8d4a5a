"""The way through as Prefect flows: each wraps stages of the lab, and run_experiment is all of them in order."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from prefect import Task, flow
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from pipelines.order import Order
from pipelines.outcomes import keep_outcome
from pipelines.surroundings import began, bench
from workbench.core import WorkbenchError
from workbench.lab import Bench, deciding, release, searching, stages
from workbench.lab.outcome import Folders, Outcome, conclude

P = ParamSpec("P")
R = TypeVar("R")


def is_infrastructure(_task: Task[P, R], _run: TaskRun, state: State[R]) -> bool:
    """True for what may work on a second try: not for an error that a person has to put right."""
    return not isinstance(state.result(raise_on_failure=False), WorkbenchError)


def staged(stage: Callable[Concatenate[Bench, P], R], at: Bench) -> Task[P, R]:
    """A stage at a bench as a task. Prefect keeps no result of it: the stage's own folder is that."""

    def work(*args: P.args, **kwargs: P.kwargs) -> R:
        return stage(at, *args, **kwargs)

    return Task(
        work,
        name=stage.__name__,
        task_run_name=stage.__name__,
        retries=2,
        retry_delay_seconds=[1, 5],
        retry_condition_fn=is_infrastructure,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


@flow
def build_index(order: Order) -> Path:
    """Index the catalogue of tools; the folder."""
    return staged(stages.index, bench(order))()


@flow
def build_evalset(order: Order) -> Path:
    """Draw and check the eval set; the folder."""
    return staged(stages.evalset, bench(order))()


@flow
def optimize_agent(order: Order, indexes: Path, evalset: Path) -> Folders:
    """Try the baseline, search for a better agent, try that on the test, and decide; every stage's folder."""
    at = bench(order)
    baseline = staged(stages.baseline, at)(indexes, evalset)
    optimized = staged(searching.search, at)(indexes, evalset)
    winner = staged(deciding.winner, at)(indexes, evalset, baseline, optimized)
    suites = staged(deciding.try_suites, at)(indexes, winner)
    gate = staged(deciding.gate, at)(baseline, winner, suites)
    sought = {"indexes": indexes, "evalset": evalset, "baseline": baseline, "optimized": optimized}
    return Folders(**sought, winner=winner, suites=suites, gate=gate)


@flow
def release_agent(order: Order, folders: Folders) -> tuple[str, Path | None]:
    """Track everything, and export a winner that passed; the MLflow run and the package."""
    at = bench(order)
    mlflow_run = staged(release.track, at)(folders)
    return mlflow_run, staged(release.export, at)(folders, mlflow_run)


@flow
def run_experiment(order: Order) -> Outcome:
    """The whole way from an experiment file to a package: what `workbench run` executes."""
    start = began()
    staged(stages.greet_models, bench(order))()
    folders = optimize_agent(order, build_index(order), build_evalset(order))
    mlflow_run, package = release_agent(order, folders)
    seconds = time.monotonic() - start
    return keep_outcome(conclude(bench(order), folders, package=package, mlflow_run=mlflow_run, seconds=seconds))
