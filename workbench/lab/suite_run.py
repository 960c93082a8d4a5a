"""An agent on a suite: from a package or an experiment file to a run that stays in the workspace."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import dspy

from workbench.agents import Agent
from workbench.core import (
    Case,
    ConfigError,
    EvalSet,
    ExpectedState,
    Persona,
    digest_json,
    read_record,
    short,
    write_record,
    write_run,
)
from workbench.evals import (
    EvaluationRequest,
    InWorld,
    Metric,
    applicable,
    bind_metrics,
    evaluate,
    known_worlds,
)
from workbench.lab import stages
from workbench.lab.bench import Bench, Connect
from workbench.lab.experiment import read_experiment
from workbench.lab.stored import StoredRun
from workbench.lab.workspace import Shipped, Workspace
from workbench.lms import CallStore, LMSpec, connect, scope
from workbench.packaging import load_package
from workbench.retrieval import LiveIndex

USER_TOKENS = 256
"""Most tokens of what a simulated user says at once."""


class Candidate(NamedTuple):
    """An agent that is tried."""

    name: str
    agent: Agent
    store: CallStore
    connect: Connect = connect
    """How the models that play users are reached."""
    scorers: Mapping[str, Metric] = MappingProxyType({})
    """Metrics besides those of the workbench, by name."""


def candidate_of(bench: Bench, name: str, agent: Agent) -> Candidate:
    """An agent of an experiment, with the experiment's models and scorers."""
    return Candidate(name, agent, bench.store, bench.connect, bench.scorers)


@contextmanager
def open_candidate(workspace: Workspace, *, package: Path | None, experiment: Path | None) -> Iterator[Candidate]:
    """The agent of a package, or the one that an experiment begins with; exactly one of them is given.

    Raises: ConfigError if none or both are given; whatever is wrong with the package or the experiment file.
    """
    if (package is None) == (experiment is None):
        raise ConfigError("eval run: give the agent, either with --package or with --experiment")
    if package is not None:
        store = CallStore(workspace.calls)
        loaded = load_package(package, store=store)
        candidate = Candidate(loaded.info.name, loaded.agent, store)
    else:
        assert experiment is not None, "one of the two is given"
        bench = Bench(read_experiment(experiment), workspace)
        agent = bench.agent(bench.experiment.start, stages.index(bench))
        candidate = candidate_of(bench, bench.experiment.name, agent)
    try:
        yield candidate
    finally:
        candidate.store.close()


def try_suite(evalset: EvalSet, candidate: Candidate, workspace: Workspace, *, repeats: int = 1) -> StoredRun:
    """Try the agent on every case of a suite, by every metric that applies, each case in its world.

    The suite is one that `trusted_suite` read. The run lies in `runs/<suite>-<digest>` beside the eval set it was made
    on; an interrupted one goes on.
    """
    agent = candidate.agent
    catalogue = None if isinstance(agent.index, LiveIndex) or agent.spec.pattern == "answer" else agent.index.corpus
    request = EvaluationRequest(
        agent=candidate.name,
        agent_digest=agent.digest,
        evalset_digest=evalset.digest,
        split="test",
        metrics=(*applicable(evalset.test), *candidate.scorers),
        repeats=repeats,
        source=_source(agent, evalset.test),
    )
    graders = bind_metrics(request.metrics, catalogue, extra=candidate.scorers)
    header = request.header(graders)
    folder = workspace.folder / "runs" / f"{evalset.name}-{short(digest_json([header.digest, repeats]))}"

    def user(model: str) -> dspy.LM:
        return candidate.connect(LMSpec(model=model, max_tokens=USER_TOKENS), store=candidate.store)

    workspace.progress.stage("evaluate", skipped=False)
    with scope(run=folder.name, candidate=short(agent.digest)):
        run = evaluate(
            InWorld(agent, evalset.test, worlds=known_worlds(), connect=user),
            evalset.test,
            request=request,
            graders=graders,
            journal=folder / "journal",
            on_case=workspace.progress.advance,
        )
    write_record(folder / "evalset.json", evalset)
    write_run(folder, run)
    return StoredRun(folder.name, folder, run)


def track_suite(workspace: Workspace, stored: StoredRun) -> str:
    """Log a run on a suite to MLflow, once; the id of its run there.

    Raises: TrackingError if the store refuses.
    """
    path = stored.folder / "tracked.json"
    if not path.exists():
        # MLflow takes seconds to import: who only looks at a run need not wait for it.
        from workbench.lab.logbook import log_suite_run  # noqa: PLC0415

        evalset = read_record(stored.folder / "evalset.json", EvalSet)
        write_record(path, log_suite_run(workspace.folder, stored, evalset, model=stored.run.header.source))
    return Shipped.read(path).mlflow_run


def _source(agent: Agent, cases: Sequence[Case]) -> str:
    """The models behind the figures: the agent's, and those that play users."""
    users = [case.task.user for case in cases if isinstance(case.task, ExpectedState)]
    played = sorted({user.model for user in users if isinstance(user, Persona)})
    return f"{agent.spec.lm.model}, users simulated by {', '.join(played)}" if played else agent.spec.lm.model
