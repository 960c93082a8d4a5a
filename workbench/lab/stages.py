"""The stages of the way through, each a plain function; the folder it leaves is found again if nothing changed."""

from pathlib import Path

from pydantic import JsonValue

from workbench.agents import AgentSpec
from workbench.core import (
    Case,
    Record,
    Run,
    Split,
    short,
    write_record,
    write_run,
)
from workbench.datasets import EvalSetReport, Problem, Sizes, build_evalset, check_evalset
from workbench.evals import METRICS, EvaluationRequest, Guarded, bind_metrics, evaluate, selfcheck
from workbench.lab.bench import Bench
from workbench.lab.experiment import CHAMPION
from workbench.lab.live import pin
from workbench.lab.scoring import examine
from workbench.lms import EMBEDDED, greet, identity, scope
from workbench.retrieval import IndexSpec, digest_generation


class EvalSetCheck(Record):
    """What was found when the eval set was made."""

    report: EvalSetReport
    problems: tuple[Problem, ...]
    contradictions: tuple[str, ...]
    """Test cases whose published answer is not right by the published rules; they stay in and count as wrong."""


def greet_models(bench: Bench) -> None:
    """Ask each model that is not embedded one short question before anything else is done.

    Judges that may not judge are named, and not asked.

    Raises: LMError if one does not answer: an unknown model, a refused key, a wrong address.
    """
    judges = {name: examine(name, scorer) for name, scorer in bench.experiment.scored.items()}
    for name, judge in judges.items():
        if judge.objection:
            bench.workspace.progress.note(f"scorer {name!r} will score nothing: {judge.objection}")
    asked = [judge.asks for judge in judges.values() if not judge.objection]
    for spec in (bench.experiment.lm, bench.experiment.proposer, *asked):
        if spec is not None and spec.model != EMBEDDED:
            greet(bench.model(spec))


def index(bench: Bench) -> Path:
    """Build the catalogue's index with vectors, which every retriever of the search shares; or pin the live index that
    the experiment names, so that all is measured on one generation.

    Raises: DataError if the data set can't be had; RetrievalError if it can't be indexed.
    """
    spec = widest(bench)
    if bench.experiment.live is not None:
        return _pinned(bench, spec)
    inputs: dict[str, JsonValue] = {
        "data": bench.data_digest,
        "parts": [*bench.experiment.data.parts],
        "spec": spec.digest,
    }

    def make(folder: Path) -> None:
        bench.index(spec, folder)

    return bench.workspace.once("index", inputs, make)


def _pinned(bench: Bench, spec: IndexSpec) -> Path:
    live = bench.experiment.live
    assert live is not None, "only a live index is pinned"
    content = digest_generation(bench.live.current())
    inputs: dict[str, JsonValue] = {"live": live.model_dump(mode="json"), "content": content, "spec": spec.digest}
    if live.ship == "reference":
        inputs["index"] = bench.live.digest  # one that was made anew in its place is not the one to refer to

    def make(folder: Path) -> None:
        pin(bench.live, folder, content)
        if live.ship == "copy":
            bench.index(spec, folder)

    return bench.workspace.once("index", inputs, make)


def widest(bench: Bench) -> IndexSpec:
    """The start's index, with vectors if the search may want them."""
    spec = bench.experiment.start.index
    wanted = bench.experiment.optimize.space.get("index.retriever", ())
    return spec.model_copy(update={"retriever": "hybrid"}) if {"dense", "hybrid"} & {*wanted} else spec


def evalset(bench: Bench) -> Path:
    """Draw train, val and test by the experiment's seed, and check what was drawn.

    Raises: DataError if the data set is too small for the sizes, or a split leaks into another.
    """
    data = bench.experiment.data
    inputs: dict[str, JsonValue] = {
        "data": bench.data_digest,
        "draw": data.model_dump(mode="json"),
        "seed": bench.experiment.seed,
    }

    def make(folder: Path) -> None:
        drawn, report = build_evalset(
            data.name,
            bench.cases,
            sizes=Sizes(train=data.train, val=data.val, test=data.test),
            abstention_share=data.abstention,
            seed=bench.experiment.seed,
            sources=(bench.data_digest,),
        )
        # By our own metrics: what another scorer says of an ideal answer does not make the published one wrong.
        lines = selfcheck(drawn.test, [name for name in bench.experiment.metrics if name in METRICS])
        wrong = sorted({found.case_id for line in lines for found in line.contradictions})
        problems = check_evalset(drawn, bench.tools)
        write_record(folder / "check.json", EvalSetCheck(report=report, problems=problems, contradictions=tuple(wrong)))
        write_record(folder / "evalset.json", drawn)

    return bench.workspace.once("evalset", inputs, make)


def baseline(bench: Bench, indexes: Path, evalset: Path) -> Path:
    """Try the agent the experiment begins with, unoptimized, on val and test."""
    cases = bench.evalset(evalset)

    def make(folder: Path) -> None:
        _check_scorers(bench, cases.test)
        try_agent(bench, (bench.experiment.start, CHAMPION), folder / "val", indexes, (cases.val, "val", cases.digest))
        try_agent(
            bench, (bench.experiment.start, CHAMPION), folder / "test", indexes, (cases.test, "test", cases.digest)
        )

    return bench.workspace.once(CHAMPION, agent_inputs(bench, bench.experiment.start, indexes, cases.digest), make)


def agent_inputs(bench: Bench, spec: AgentSpec, indexes: Path, cases: str) -> dict[str, JsonValue]:
    """What decides how an agent does on an eval set of this digest."""
    return {
        "agent": spec.digest,
        "model": identity(spec.lm),
        "indexes": indexes.name,
        "evalset": cases,
        "metrics": {
            grader.name: grader.digest for grader in bind_metrics(bench.experiment.metrics, None, extra=bench.scorers)
        },
    }


def _check_scorers(bench: Bench, cases: tuple[Case, ...]) -> None:
    """Say which scorers of code do not judge like a metric, while nothing is spent yet; judges have their admission."""
    code = {name: scorer for name, scorer in bench.scorers.items() if not isinstance(scorer, Guarded)}
    for line in selfcheck(cases, [*code], extra=code):
        if not line.cases:
            bench.workspace.progress.note(f"scorer {line.metric!r}: judges no ideal answer to a test case")
        elif not line.trusted:
            flaws = (
                f"{len(line.contradictions)} of {line.cases} ideal answers less than 1, {len(line.rewarded)} silences"
            )
            bench.workspace.progress.note(f"scorer {line.metric!r}: gives {flaws} more than 0")


def try_agent(
    bench: Bench, named: tuple[AgentSpec, str], folder: Path, indexes: Path, cases: tuple[tuple[Case, ...], Split, str]
) -> Run:
    """An agent, by its spec and name, on cases of a split; the run is written into the folder."""
    spec, name = named
    chosen, split, evalset_digest = cases
    agent = bench.agent(spec, indexes)
    request = EvaluationRequest(
        agent=name,
        agent_digest=agent.digest,
        evalset_digest=evalset_digest,
        split=split,
        metrics=bench.experiment.metrics,
        workers=bench.experiment.workers,
        source=bench.experiment.lm.model,
    )
    with scope(run=folder.parent.name, candidate=short(agent.digest)):
        run = evaluate(
            agent,
            chosen,
            request=request,
            graders=bind_metrics(request.metrics, bench.tools, extra=bench.scorers),
            journal=folder / "journal",
            on_case=bench.workspace.progress.advance,
        )
    write_run(folder, run)
    return run
