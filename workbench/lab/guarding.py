"""A gate that people agreed to, kept beside its experiment file, and a release held against it."""

from datetime import date
from pathlib import Path
from typing import NamedTuple

from workbench.core import (
    Case,
    ConfigError,
    DataError,
    EvalSet,
    Record,
    Report,
    Run,
    Verdict,
    read_record,
    short,
    write_record,
)
from workbench.gates import Alarm, Match, Pact, Presented, contradictions, make_pact, weakened
from workbench.lab.experiment import Experiment, read_experiment, trusted_suite
from workbench.lab.stored import StoredRun, cases_of, runs_held


class ReleaseCheck(Record):
    """What a release rests on, checked once more."""

    verdict: Verdict
    agreed: bool
    """Whether anybody ever agreed to a gate for this experiment."""
    alarms: tuple[Alarm, ...]

    @property
    def holds(self) -> bool:
        """True if the verdict passes, follows from its evidence, and the gate is no weaker than agreed."""
        return self.verdict.passed and not self.alarms


class _Evidence(NamedTuple):
    champion: Run
    challenger: Run
    cases: tuple[Case, ...]
    matches: dict[str, Match]
    """The runs on each suite that the verdict rests on."""
    suites: dict[str, EvalSet]
    """The suites of the experiment file."""


def pact_file(experiment: Path) -> Path:
    """Where the gate of an experiment file is kept as people agreed to it: beside the file."""
    return experiment.with_suffix(".pact.json")


def agree_gate(file: Path, verdict: Verdict, workspace: Path, *, owner: str, reason: str, today: date) -> Path:
    """Write down the gate of an experiment as it stands, with who agreed and why; the file.

    Raises: ConfigError if nobody or no reason is named; DataError if the verdict's runs are not in the workspace.
    """
    if not owner.strip() or not reason.strip():
        raise ConfigError("gate agree: needs an owner who answers for it, and a reason")
    experiment = read_experiment(file)
    evidence = _evidence(workspace, verdict, experiment)
    pact = _pact(experiment, evidence, today)
    path = pact_file(file)
    write_record(path, pact.model_copy(update={"owner": owner, "reason": reason, "agreed": today}))
    return path


def check_release(file: Path, verdict: Verdict, workspace: Path, *, report: Report, today: date) -> ReleaseCheck:
    """Hold a verdict and the challenger's report against their evidence, and the gate against what was agreed.

    The rules are those of the experiment file as it is now. Where nobody agreed to anything yet, only the evidence
    is checked. Raises: DataError if the verdict's runs are not in the workspace.
    """
    experiment = read_experiment(file)
    evidence = _evidence(workspace, verdict, experiment)
    presented = Presented(
        rules=experiment.gate,
        terms=experiment.terms(verdict.today or today),
        challenger=evidence.challenger,
        champion=evidence.champion,
        suites=evidence.matches,
        verdict=verdict,
        report=report,
    )
    version = evidence.challenger.header.evalset_digest
    found = contradictions(presented, evidence.cases, evalset_digest=version, suites=evidence.suites)
    path = pact_file(file)
    if path.exists():
        now = _pact(experiment, evidence, today)
        found = (*weakened(read_record(path, Pact), now), *found)
    return ReleaseCheck(verdict=verdict, agreed=path.exists(), alarms=found)


def _pact(experiment: Experiment, evidence: _Evidence, today: date) -> Pact:
    tried = [name for name in evidence.matches if name in evidence.suites]
    return make_pact(
        experiment.gate,
        evidence.champion,
        evidence.cases,
        seed=experiment.seed,
        terms=experiment.terms(today),
        suites={name: (evidence.matches[name].champion, evidence.suites[name].test) for name in tried},
    )


def _evidence(workspace: Path, verdict: Verdict, experiment: Experiment) -> _Evidence:
    """The runs that a verdict names, the cases they are of, and the suites as they are today."""
    champion = _run(workspace, verdict.champion_digest, verdict.champion_run_digest)
    challenger = _run(workspace, verdict.agent_digest, verdict.run_digest)
    matches = {
        name: Match(
            champion=_run(workspace, verdict.champion_digest, basis.champion_run_digest).run,
            challenger=_run(workspace, verdict.agent_digest, basis.run_digest).run,
        )
        for name, basis in verdict.suites.items()
    }
    suites = {suite.name: suite for suite in map(trusted_suite, experiment.suites)}
    return _Evidence(champion.run, challenger.run, cases_of(workspace, challenger), matches, suites)


def _run(workspace: Path, agent_digest: str, run_digest: str) -> StoredRun:
    found = runs_held(workspace, agent_digest=agent_digest, run_digest=run_digest)
    if not found:
        raise DataError(
            f"run {short(run_digest)} ({workspace}): is not in the workspace, or was edited; run the experiment again"
        )
    return found[0]
