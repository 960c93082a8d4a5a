"""The logbook: everything an experiment has to show, into MLflow.

Apart from `release`, since importing MLflow takes as long as a whole run that has nothing left to do.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from workbench.agents import prompt_template
from workbench.core import Case, EvalSet, Report, Run, Verdict, read_run, short
from workbench.evals import Evidence, KpiLine, compare, measure_kpis, render_comparison, render_report, summarize, worst
from workbench.gates import render_verdict
from workbench.lab.bench import Bench
from workbench.lab.candidate_log import candidate_logs, experiment_log, ledger_usage
from workbench.lab.deciding import CHALLENGER, final, runs_of, suite_runs, verdict_of
from workbench.lab.experiment import CHAMPION
from workbench.lab.outcome import Folders
from workbench.lab.searching import found, search_run
from workbench.lab.stored import StoredRun, find_run
from workbench.lab.suite_run import track_suite
from workbench.lab.workspace import Shipped
from workbench.optimize import knobs
from workbench.tracking import (
    ExperimentLog,
    Outcome,
    PromptLog,
    RunLog,
    Store,
    describe_data,
    draw_report,
    finish,
    log_experiment,
    log_kpis,
    log_outcome,
    log_page,
    log_run,
    log_traces,
    open_store,
    register_package,
    register_prompt,
    render_run_page,
)

WORST = 10
"""Episodes that a report shows with everything that happened in them."""


def log_all(bench: Bench, folders: Folders) -> Shipped:
    """Log the execution, its runs, outcome, prompt and traces; the runs in the store.

    Raises: TrackingError if the store refuses.
    """
    store = open_store(bench.workspace.folder)
    parent = log_experiment(store, experiment_log(bench, folders.evalset))
    runs = _log_runs(bench, folders, store, parent)
    log_outcome(store, (parent, runs[CHALLENGER]), _outcome(bench, folders))
    _log_prompt(bench, folders, store, runs[CHALLENGER])
    cases = bench.evalset(folders.evalset).test
    for name, run in zip((CHAMPION, CHALLENGER), runs_of(folders.baseline, folders.winner), strict=True):
        log_traces(store, runs[name], cases, run, model=bench.experiment.lm.model, limit=bench.experiment.traces)
    finish(store, parent)
    for name in suite_runs(folders.suites):
        track_suite(bench.workspace, find_run(bench.workspace.folder, name))
    return Shipped(mlflow_run=parent, baseline_run=runs[CHAMPION], winner_run=runs[CHALLENGER])


def log_release(bench: Bench, package: Path, digest: str, *, mlflow_run: str, verdict: Verdict) -> None:
    """Register a package as the model's champion.

    Raises: GateNotPassed without a passing verdict; TrackingError if the store refuses.
    """
    store = open_store(bench.workspace.folder)
    register_package(store, mlflow_run, package, name=bench.experiment.name, digest=digest, verdict=verdict)


def log_suite_run(workspace: Path, stored: StoredRun, cases: EvalSet, *, model: str) -> Shipped:
    """Log a run on a suite beside the others on that suite: scores, KPIs, page and traces; the run in the store.

    Logging the same run again changes nothing. Raises: TrackingError if the store refuses.
    """
    store, run, report = open_store(workspace), stored.run, summarize(stored.run)
    kpis = measure_kpis(Evidence(runs=(run,)))
    data = describe_data(cases)
    suite = ExperimentLog(
        name=f"suite {cases.name}", question=f"How well do agents do on {cases.name}?", seed=0, lm=model, data=data
    )
    parent = log_experiment(store, suite)
    log = RunLog(
        name=run.header.agent,
        role="candidate",
        agent_digest=run.header.agent_digest,
        params={"suite": short(cases.digest), "source": run.header.source},
        reports=(report,),
        data=data,
    )
    run_id = log_run(store, parent, log)
    log_kpis(store, run_id, kpis, run)
    log_traces(store, run_id, cases.test, run, model=model, limit=None)
    log_page(store, run_id, _page(run, cases.test, report, kpis))
    finish(store, parent)
    return Shipped(mlflow_run=run_id)


def run_page(stored: StoredRun, cases: Sequence[Case]) -> str:
    """One page of a run that needs nothing beside it: lines, slices, KPIs, plots and the worst episodes."""
    return _page(stored.run, cases, summarize(stored.run), measure_kpis(Evidence(runs=(stored.run,))))


def _page(run: Run, cases: Sequence[Case], report: Report, kpis: Sequence[KpiLine]) -> str:
    shown = worst(run, WORST, cases=cases)
    return render_run_page(report, shown, draw_report(report), source=run.header.source, kpis=kpis)


def _log_runs(bench: Bench, folders: Folders, store: Store, parent: str) -> dict[str, str]:
    """Log baseline, candidates and winner; the id of each run by name."""
    champion, challenger = runs_of(folders.baseline, folders.winner)
    data = describe_data(bench.evalset(folders.evalset))
    logs = [
        RunLog(
            name=CHAMPION,
            role="baseline",
            agent_digest=champion.header.agent_digest,
            params=knobs(bench.experiment.start),
            reports=(summarize(read_run(folders.baseline / "val")), summarize(champion)),
            usage=ledger_usage(bench.store.frame(folders.baseline.name)),
            data=data,
        ),
        *_candidates(bench, folders),
        RunLog(
            name=CHALLENGER,
            role="winner",
            agent_digest=challenger.header.agent_digest,
            params=knobs(final(folders.winner).spec),
            reports=(summarize(challenger),),
            usage=ledger_usage(bench.store.frame(folders.winner.name)),
            data=data,
        ),
    ]
    return {log.name: log_run(store, parent, log) for log in logs}


def _candidates(bench: Bench, folders: Folders) -> tuple[RunLog, ...]:
    calls = bench.store.frame(search_run(folders.optimized))
    return candidate_logs(bench, folders.indexes, found(folders.optimized), calls)


def _outcome(bench: Bench, folders: Folders) -> Outcome:
    champion, challenger = runs_of(folders.baseline, folders.winner)
    verdict = verdict_of(folders.gate)
    comparisons = tuple(compare(champion, challenger, metric) for metric in bench.experiment.metrics)
    ledgers = (folders.baseline.name, search_run(folders.optimized), folders.winner.name)
    calls = [bench.store.frame(run) for run in ledgers]
    reports: dict[str, Report] = {"baseline": summarize(champion), "winner": summarize(challenger)}
    return Outcome(
        verdict=verdict,
        baseline=reports["baseline"],
        winner=reports["winner"],
        comparisons=comparisons,
        metric=bench.experiment.gate[0].metric,
        candidates=_candidates(bench, folders),
        usage=ledger_usage(pl.concat(calls)),
        worst=worst(challenger, WORST, cases=bench.evalset(folders.evalset).test),
        kpis=measure_kpis(Evidence(runs=(challenger,), baseline=(champion,))),
        source=challenger.header.source,
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
    spec = final(folders.winner).spec
    agent = bench.agent(spec, folders.indexes)
    template = prompt_template(agent)
    log = PromptLog(
        name=f"{bench.experiment.name}_prompt", template=template, agent_digest=agent.digest, verdict=verdict
    )
    register_prompt(store, run_id, log)
