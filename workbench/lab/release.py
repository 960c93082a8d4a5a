"""After the gate: everything into MLflow, and a passing winner out as a package."""

import shutil
import subprocess
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from workbench.agents import prompt_template
from workbench.core import PackageError, Report, Usage, read_run, short, write_record
from workbench.datasets import load_registry
from workbench.evals import compare, render_comparison, render_report, summarize
from workbench.gates import render_verdict
from workbench.lab.bench import Bench
from workbench.lab.outcome import Folders
from workbench.lab.stages import CHALLENGER, found, runs_of, verdict_of
from workbench.lab.workspace import Shipped
from workbench.lms import EMBEDDED, record, totals
from workbench.optimize import Optimized, knobs
from workbench.packaging import (
    DataSource,
    PackageParts,
    Provenance,
    RecordedCase,
    export_package,
    self_test,
    verify_package,
)
from workbench.serving import answer_without_lab
from workbench.tracking import (
    ExperimentLog,
    Outcome,
    PromptLog,
    RunLog,
    Store,
    describe_data,
    finish,
    log_experiment,
    log_outcome,
    log_run,
    log_traces,
    open_store,
    register_package,
    register_prompt,
)

RECORDED_CASES = 12
"""Cases a package carries with what the agent answered."""
VERSION = "0.1.0"


def track(bench: Bench, folders: Folders) -> str:
    """Log the whole experiment to MLflow; the id of its run. Logging the same thing again changes nothing.

    Raises: TrackingError if the store refuses.
    """
    inputs: dict[str, JsonValue] = {
        "gate": folders.gate.name,
        "optimized": folders.optimized.name,
        "experiment": bench.experiment.digest,
    }

    def make(folder: Path) -> None:
        store = open_store(bench.workspace.folder)
        parent = log_experiment(store, _experiment_log(bench, folders))
        runs = _log_runs(bench, folders, store, parent)
        log_outcome(store, (parent, runs[CHALLENGER]), _outcome(bench, folders))
        _log_prompt(bench, folders, store, runs[CHALLENGER])
        cases = bench.evalset(folders.evalset).test
        for name, run in zip(("baseline", CHALLENGER), runs_of(folders.baseline, folders.winner), strict=True):
            log_traces(store, runs[name], cases, run, model=bench.experiment.lm.model, limit=bench.experiment.traces)
        finish(store, parent)
        write_record(folder / "tracked.json", Shipped(mlflow_run=parent, winner_run=runs[CHALLENGER]))

    return Shipped.read(bench.workspace.once("track", inputs, make) / "tracked.json").mlflow_run


def export(bench: Bench, folders: Folders, mlflow_run: str) -> Path | None:
    """Write, verify and self-test the winner's package, ask it one thing, register it; None if the gate said no.

    The one question goes over HTTP to a fresh process in which the lab can't be imported.
    Raises: PackageError if the package does not hold what it promises; nothing is then registered.
    """
    verdict = verdict_of(folders.gate)
    if not verdict.passed:
        return None
    inputs: dict[str, JsonValue] = {"gate": folders.gate.name, "verdict": verdict.digest, "version": VERSION}

    def make(folder: Path) -> None:
        package = export_package(bench.workspace.folder / "packages", _parts(bench, folders))
        info = verify_package(package)
        failed = [line for line in self_test(package) if not line.passed]
        if failed:
            raise PackageError(f"package {package.name!r}: self-test {failed[0].name!r}: {failed[0].detail}")
        case = bench.evalset(folders.evalset).test[0]
        answer_without_lab(package, case.request, timeout_seconds=120)
        store = open_store(bench.workspace.folder)
        digest = info.package_digest
        register_package(store, mlflow_run, package, name=bench.experiment.name, digest=digest, verdict=verdict)
        write_record(folder / "exported.json", Shipped(mlflow_run=mlflow_run, package=package))

    return Shipped.read(bench.workspace.once("export", inputs, make) / "exported.json").package


def _parts(bench: Bench, folders: Folders) -> PackageParts:
    spec = found(folders.optimized).winner
    run = read_run(folders.winner / "test")
    cases = {case.case_id: case for case in bench.evalset(folders.evalset).test}
    kept = [episode for episode in run.episodes if episode.prediction is not None][:RECORDED_CASES]
    recorded = tuple(
        RecordedCase(case=cases[one.case_id], prediction=one.prediction.model_copy(update={"steps": ()}))
        for one in kept
        if one.prediction is not None
    )
    ids = [one.case_id for one in kept]
    ledger = bench.store.frame(folders.winner.name)
    keys = [key for key, case_id in zip(ledger["key"], ledger["case_id"], strict=True) if case_id in ids]
    return PackageParts(
        name=bench.experiment.name,
        version=f"{VERSION}-{short(verdict_of(folders.gate).agent_digest)}",
        spec=spec,
        index=bench.index(spec.index, folders.indexes),
        verdict=verdict_of(folders.gate),
        report=summarize(run),
        cases=recorded,
        recordings=record(bench.store, keys),
        provenance=_provenance(bench, folders),
    )


def _provenance(bench: Bench, folders: Folders) -> Provenance:
    names = [bench.experiment.data.set, "minilm_tokenizer"]
    entries = [load_registry().entry(name) for name in names]
    best = found(folders.optimized).best
    spend = totals(bench.store.frame(folders.optimized.name)).plus(totals(bench.store.frame(folders.winner.name)))
    return Provenance(
        data=tuple(
            DataSource(
                name=entry.name,
                sha256=entry.wheel.sha256,
                licence=entry.licence,
                source=entry.source,
                attribution=entry.attribution,
                terms=entry.terms,
            )
            for entry in entries
        ),
        seed=bench.experiment.seed,
        optimizer=best.origin if best.origin != "start" else None,
        spend=spend,
        commit=_commit(),
        model_licence="Gemma Terms of Use" if bench.experiment.lm.model == EMBEDDED else None,
    )


def _commit() -> str | None:
    """The git commit of the working folder if it is one and clean; else None."""
    git = shutil.which("git")
    if git is None:
        return None
    status = subprocess.run([git, "status", "--porcelain"], capture_output=True, text=True, check=False)  # noqa: S603
    head = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S603
    clean = status.returncode == 0 and head.returncode == 0 and not status.stdout
    return head.stdout.strip() if clean else None


def _experiment_log(bench: Bench, folders: Folders) -> ExperimentLog:
    experiment = bench.experiment
    excluded = {"name", "question", "seed", "lm", "agent"}
    return ExperimentLog(
        name=experiment.name,
        question=experiment.question,
        seed=experiment.seed,
        lm=experiment.lm.model,
        params=experiment.model_dump(mode="json", exclude=excluded),
        data=describe_data(bench.evalset(folders.evalset)),
    )


def _log_runs(bench: Bench, folders: Folders, store: Store, parent: str) -> dict[str, str]:
    """Log baseline, candidates and winner; the id of each run by name."""
    optimized = found(folders.optimized)
    champion, challenger = runs_of(folders.baseline, folders.winner)
    data = describe_data(bench.evalset(folders.evalset))
    logs = [
        RunLog(
            name="baseline",
            role="baseline",
            agent_digest=champion.header.agent_digest,
            params=knobs(bench.experiment.start),
            reports=(summarize(read_run(folders.baseline / "val")), summarize(champion)),
            usage=_usage(bench.store.frame(folders.baseline.name)),
            data=data,
        ),
        *_candidates(optimized, bench.store.frame(folders.optimized.name)),
        RunLog(
            name=CHALLENGER,
            role="winner",
            agent_digest=challenger.header.agent_digest,
            params=knobs(optimized.winner),
            reports=(summarize(challenger),),
            usage=_usage(bench.store.frame(folders.winner.name)),
            data=data,
        ),
    ]
    return {log.name: log_run(store, parent, log) for log in logs}


def _candidates(optimized: Optimized, calls: pl.DataFrame) -> tuple[RunLog, ...]:
    return tuple(
        RunLog(
            name=f"candidate {trial.number:02d} {trial.origin} ({trial.cases} cases)",
            role="candidate",
            agent_digest=trial.agent_digest,
            params=knobs(trial.spec),
            reports=(trial.report,),
            usage=_usage(calls.filter(pl.col("candidate") == short(trial.agent_digest))),
        )
        for trial in optimized.trials
    )


def _usage(calls: pl.DataFrame) -> Usage:
    """What calls cost, from the ledger."""
    paid, saved = calls.filter(~pl.col("cached")), calls.filter(pl.col("cached"))
    spend = totals(calls)
    return Usage(
        calls=paid.height,
        cached_calls=saved.height,
        prompt_tokens=sum(paid["prompt_tokens"]),
        completion_tokens=sum(paid["completion_tokens"]),
        saved_tokens=sum(saved["prompt_tokens"]) + sum(saved["completion_tokens"]),
        usd=spend.usd,
        milliseconds=spend.seconds * 1000,
        model_milliseconds=sum(calls["milliseconds"]),
    )


def _outcome(bench: Bench, folders: Folders) -> Outcome:
    champion, challenger = runs_of(folders.baseline, folders.winner)
    verdict = verdict_of(folders.gate)
    comparisons = tuple(compare(champion, challenger, metric) for metric in bench.experiment.metrics)
    calls = [bench.store.frame(folder.name) for folder in (folders.baseline, folders.optimized, folders.winner)]
    reports: dict[str, Report] = {"baseline": summarize(champion), "winner": summarize(challenger)}
    return Outcome(
        verdict=verdict,
        baseline=reports["baseline"],
        winner=reports["winner"],
        comparisons=comparisons,
        metric=bench.experiment.gate[0].metric,
        candidates=_candidates(found(folders.optimized), calls[1]),
        usage=_usage(pl.concat(calls)),
        texts={
            **{f"report_{name}.txt": render_report(report) for name, report in reports.items()},
            "comparison.txt": "\n".join(render_comparison(comparison) for comparison in comparisons),
            "verdict.txt": render_verdict(verdict),
        },
    )


def _log_prompt(bench: Bench, folders: Folders, store: Store, run_id: str) -> None:
    """One version for each promoted program; a program that did not pass is none."""
    verdict = verdict_of(folders.gate)
    if not verdict.passed:
        return
    spec = found(folders.optimized).winner
    agent = bench.agent(spec, folders.indexes)
    template = prompt_template(agent)
    log = PromptLog(
        name=f"{bench.experiment.name}_prompt", template=template, agent_digest=agent.digest, verdict=verdict
    )
    register_prompt(store, run_id, log)
