"""What the search found is decided on held-out cases: finalists on the test, the winner on suites, and the gate."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, JsonValue

from workbench.agents import AgentSpec
from workbench.core import Record, Run, Verdict, read_record, read_run, write_record, write_run
from workbench.gates import Match, Terms, batches, check, ends, look, may_stop, on_test
from workbench.lab.bench import Bench
from workbench.lab.experiment import CHAMPION, Experiment, trusted_suite
from workbench.lab.searching import found
from workbench.lab.stages import agent_inputs, try_agent
from workbench.lab.suite_run import candidate_of, try_suite
from workbench.lab.workspace import Workspace
from workbench.lms import identity
from workbench.optimize import finalists

CHALLENGER = "winner"


class Final(Record):
    """The finalist that stands for the search on the test."""

    spec: AgentSpec
    """Whole, with its program."""
    trial: int
    """Its number in the search."""
    place: int = Field(ge=0)
    """Its place by validation; 0 is the best."""
    tried: int
    """How many finalists were tried on the test."""
    of: int
    """How many could have been."""


class SuiteRuns(Record):
    """The names of the runs on one suite."""

    champion: str
    challenger: str


class Tried(Record):
    """What was tried besides the test."""

    suites: dict[str, SuiteRuns]


def winner(bench: Bench, indexes: Path, evalset: Path, baseline: Path, optimized: Path) -> Path:
    """Try what the search found on the test: each finalist once, until one meets the gate's rules about the test.

    Each is tried up to the first look at which the gate needs no more of it. If none meets the rules it is the best one
    by validation. Which one it was is found by `final`.
    """
    experiment, cases = bench.experiment, bench.evalset(evalset)
    outcome = found(optimized)
    contenders = finalists(outcome, experiment.optimize.finalists)
    inputs = agent_inputs(bench, outcome.winner, indexes, cases.digest)
    if may_stop(experiment.gate) or len(contenders) > 1:
        inputs |= {"baseline": baseline.name, **_gate_inputs(experiment)}
        inputs["finalists"] = [trial.agent_digest for trial in contenders]

    def make(folder: Path) -> None:
        champion, chosen, tried = read_run(baseline / "test"), 0, 0
        for place, trial in enumerate(contenders):
            into = folder / f"finalist-{place}"
            run = _on_test(bench, outcome.spec(trial), into, indexes, evalset, champion)
            tried += 1
            if len(contenders) > 1 and _holds(experiment, run, champion):
                chosen = place
                break
        trial = contenders[chosen]
        write_run(folder / "test", read_run(folder / f"finalist-{chosen}"))
        last = Final(spec=outcome.spec(trial), trial=trial.number, place=chosen, tried=tried, of=len(contenders))
        write_record(folder / "final.json", last)

    return bench.workspace.once(CHALLENGER, inputs, make)


def _on_test(bench: Bench, spec: AgentSpec, folder: Path, indexes: Path, evalset: Path, champion: Run) -> Run:
    """An agent on the test, up to the first look at which the gate needs no more of it."""
    experiment, cases, terms = bench.experiment, bench.evalset(evalset), _terms(bench.experiment)
    for batch in batches(experiment.gate, champion, seed=experiment.seed):
        part = tuple(case for case in cases.test if case.case_id in {*batch})
        run = try_agent(bench, (spec, CHALLENGER), folder, indexes, (part, "test", cases.digest))
        early = look(experiment.gate, challenger=run, champion=champion, seed=experiment.seed, alpha=terms.alpha)
        if ends(experiment.gate, early, terms):
            break
    if early.note:
        bench.workspace.progress.note(early.note)
    return run


def _holds(experiment: Experiment, challenger: Run, champion: Run) -> bool:
    """Whether a finalist meets the rules that are decided on the test; those about suites come later."""
    terms, seed = _terms(experiment), experiment.seed
    findings = on_test(experiment.gate, challenger=challenger, champion=champion, seed=seed, terms=terms)
    return all(finding.holds for finding in findings)


def try_suites(bench: Bench, indexes: Path, winner: Path) -> Path | None:
    """Try baseline and winner on every suite of the experiment; the folder says where their runs lie, if it names any.

    Raises: DataError if a suite fails its check.
    """
    if not bench.experiment.suites:
        return None
    suites = [*map(trusted_suite, bench.experiment.suites)]
    specs = {CHALLENGER: final(winner).spec, CHAMPION: bench.experiment.start}
    inputs: dict[str, JsonValue] = {
        "suites": [suite.digest for suite in suites],
        "indexes": indexes.name,
        "scorers": {name: scorer.digest for name, scorer in bench.scorers.items()},
        **{name: [spec.digest, identity(spec.lm)] for name, spec in specs.items()},
    }

    def make(folder: Path) -> None:
        tried: dict[str, SuiteRuns] = {}
        for suite in suites:
            runs = {
                name: try_suite(suite, candidate_of(bench, name, bench.agent(spec, indexes)), bench.workspace).name
                for name, spec in specs.items()
            }
            tried[suite.name] = SuiteRuns(champion=runs[CHAMPION], challenger=runs[CHALLENGER])
        write_record(folder / "suites.json", Tried(suites=tried))

    return bench.workspace.once("suites", inputs, make)


def gate(bench: Bench, baseline: Path, winner: Path, suites: Path | None = None) -> Path:
    """Decide by the experiment's rules whether the winner may be promoted."""
    experiment = bench.experiment
    inputs: dict[str, JsonValue] = {"baseline": baseline.name, "winner": winner.name, **_gate_inputs(experiment)}
    if suites is not None:
        inputs["suites"] = suites.name

    def make(folder: Path) -> None:
        verdict = check(
            experiment.gate,
            challenger=read_run(winner / "test"),
            champion=read_run(baseline / "test"),
            seed=experiment.seed,
            terms=_terms(experiment),
            suites=matches(bench.workspace, suites),
        )
        write_record(folder / "verdict.json", verdict)

    return bench.workspace.once("gate", inputs, make)


def matches(workspace: Workspace, suites: Path | None) -> dict[str, Match]:
    """The runs of baseline and winner on each suite that was tried."""
    if suites is None:
        return {}
    held = workspace.folder / "runs"
    return {
        name: Match(champion=read_run(held / runs.champion), challenger=read_run(held / runs.challenger))
        for name, runs in read_record(suites / "suites.json", Tried).suites.items()
    }


def suite_runs(suites: Path | None) -> tuple[str, ...]:
    """The names of the runs on suites, which are those that the ledger knows their calls by."""
    if suites is None:
        return ()
    tried = read_record(suites / "suites.json", Tried).suites.values()
    return tuple(name for runs in tried for name in (runs.champion, runs.challenger))


def final(winner: Path) -> Final:
    """Who won: what the test's stage left."""
    return read_record(winner / "final.json", Final)


def verdict_of(gate: Path) -> Verdict:
    """The verdict that the gate's stage left."""
    return read_record(gate / "verdict.json", Verdict)


def runs_of(baseline: Path, winner: Path) -> tuple[Run, Run]:
    """The champion's and the challenger's run on the test, over the cases that both tried."""
    challenger = read_run(winner / "test")
    return read_run(baseline / "test").on(challenger.clusters), challenger


def _terms(experiment: Experiment) -> Terms:
    return experiment.terms(datetime.now(tz=UTC).date())


def _gate_inputs(experiment: Experiment) -> dict[str, JsonValue]:
    return {
        "rules": [rule.model_dump(mode="json") for rule in experiment.gate],
        "terms": _terms(experiment).digest,
        "seed": experiment.seed,
    }
