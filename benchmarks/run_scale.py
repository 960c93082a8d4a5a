"""Scale: thousands of recorded runs read, scored on all KPIs and written to MLflow; evaluations killed 50 times.

    python -m benchmarks.run_scale [--quick] [--json FILE]

Rules:

- The data are recorded runs (AgentDyn, shopping suite; a configuration is what the run files' paths tell apart). All
  figures are of one process on this machine, from the first byte read to the last row stored.
- Scored means: every KPI of the catalogue that the recording can tell, with its 95 % interval by user task, and the
  report of every configuration. What it can't tell is unmeasured with the reason, which is stored, too.
- Written to MLflow means: a run for each configuration with report, KPIs, intervals and reasons; the score of every
  episode as a table beside it (scores.csv); and the 20 worst episodes of each as traces with every step. What was
  written is read back from the store and counted. MLflow's first migration of an empty store, about ten seconds once
  in its life, comes before and is shown apart.
- Memory is the peak of the whole process, imports included.
- The killed evaluations are those of `benchmarks.kill_nine`: scripted agents, 2,000 cases, 50 kills each.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.shared_data import shared
from workbench.core import Case, DataError, ExpectedAnswer, Record, Run
from workbench.datasets import Recorded, read_recorded
from workbench.evals import number, render_table, summarize
from workbench.evals.kpi import KpiLine, measure_kpis
from workbench.evals.kpi_evidence import Evidence
from workbench.tracking import (
    ExperimentLog,
    RunLog,
    Store,
    finish,
    log_experiment,
    log_kpis,
    log_run,
    log_traces,
    open_store,
)

TARGET_SECONDS = 60.0
TARGET_BYTES = 1.5e9
EPISODES = 15_545
TRACES = 20
"""Traces of each configuration, worst first; the scores of all others are in its scores.csv."""
EXPERIMENT = "agentdyn_shopping"


class Size(Record):
    """How much is written and killed; everything is read and scored in any case."""

    configurations: int | None
    kills: int
    cases: int


FULL = Size(configurations=None, kills=50, cases=2_000)
QUICK = Size(configurations=15, kills=4, cases=200)


class Stored(Record):
    """What stands in the store afterwards, as read back from it."""

    runs: int
    episodes: int
    """Whose scores are in a table."""
    kpis: int
    """Estimates with an interval."""
    unmeasured: int
    """Reasons why there is none."""
    traces: int


class Scale(Record):
    """What was measured."""

    configurations: int
    episodes: int
    steps: int
    seconds: dict[str, float]
    """Of each part, in order."""
    migration_seconds: float
    peak_bytes: int
    stored: Stored
    written: int
    """Configurations that had to be written."""
    due: int
    """Episodes of those."""
    label: str

    @property
    def total_seconds(self) -> float:
        """From the first byte read to the last row stored."""
        return sum(self.seconds.values())

    @property
    def met(self) -> bool:
        """Everything read, everything written, in time and memory."""
        whole = self.episodes == EPISODES and (self.stored.runs, self.stored.episodes) == (self.written, self.due)
        return whole and self.total_seconds <= TARGET_SECONDS and self.peak_bytes <= TARGET_BYTES


def measure(size: Size, path: Path, folder: Path) -> tuple[Scale, list[tuple[KpiLine, ...]]]:
    """Read, score, write, and count what was written; with the KPIs of each configuration."""
    started = time.perf_counter()
    store = open_store(folder)
    opened = time.perf_counter()
    recorded = read_recorded(path, kind="agentdojo")
    read = time.perf_counter()
    kpis = [measure_kpis(Evidence(runs=(run,))) for run in recorded.runs]
    scored = time.perf_counter()
    chosen = recorded.runs[: size.configurations]
    _write(store, recorded, chosen, kpis)
    written = time.perf_counter()
    scale = Scale(
        configurations=len(recorded.runs),
        episodes=sum(len(run.episodes) for run in recorded.runs),
        steps=sum(len(e.prediction.steps) for run in recorded.runs for e in run.episodes if e.prediction),
        seconds={"read": read - opened, "KPIs": scored - read, "reports and MLflow": written - scored},
        migration_seconds=opened - started,
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        stored=_stored(store),
        written=len(chosen),
        due=sum(len(run.episodes) for run in chosen),
        label=f"{recorded.source}; {recorded.licence}, {recorded.attribution}",
    )
    return scale, kpis


def _write(store: Store, recorded: Recorded, runs: Sequence[Run], kpis: Sequence[tuple[KpiLine, ...]]) -> None:
    log = ExperimentLog(
        name=EXPERIMENT,
        question="What do recorded agents under attack reach?",
        seed=0,
        lm="recorded",
        params={"source": recorded.source, "licence": recorded.licence, "attribution": recorded.attribution},
    )
    parent = log_experiment(store, log)
    for run, lines in zip(runs, kpis, strict=False):
        report = summarize(run)
        name, digest = run.header.agent, run.header.agent_digest
        params = {"agent": name, "source": run.header.source}
        entry = RunLog(name=name, role="candidate", agent_digest=digest, params=params, reports=(report,))
        run_id = log_run(store, parent, entry)
        log_kpis(store, run_id, lines, run)
        log_traces(store, run_id, _cases(recorded, run), run, model=name, limit=TRACES)
    finish(store, parent)


def _cases(recorded: Recorded, run: Run) -> tuple[Case, ...]:
    """The recording says what was asked, and not what would have been right."""
    return tuple(
        Case(
            case_id=case_id,
            request=recorded.requests[case_id] or "not recorded",
            expected=ExpectedAnswer(answers=("not recorded",)),
            cluster=cluster,
            tags=run.tags[case_id],
        )
        for case_id, cluster in run.clusters.items()
    )


def _stored(store: Store) -> Stored:
    """Counted through MLflow's own client and from the files it names."""
    experiment = store.client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None, "it was written just now"
    runs = store.client.search_runs([experiment.experiment_id], max_results=1000)
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    tables = [Path(run.info.artifact_uri.removeprefix("file://"), "scores.csv") for run in children]
    metrics = [name for run in children for name in run.data.metrics if name.startswith("kpi/")]
    return Stored(
        runs=sum(run.info.status == "FINISHED" for run in children),
        episodes=sum(_episodes(table) for table in tables if table.exists()),
        kpis=sum(name.endswith("_low") for name in metrics),
        unmeasured=sum(name.startswith("unmeasured.kpi.") for run in children for name in run.data.tags),
        traces=_traces(store, experiment.experiment_id),
    )


def _episodes(table: Path) -> int:
    rows = table.read_text(encoding="utf-8").splitlines()[1:]
    return len({tuple(row.split(",")[:2]) for row in rows})


def _traces(store: Store, experiment_id: str) -> int:
    found, token = 0, None
    while True:
        page = store.client.search_traces(
            locations=[experiment_id], max_results=500, page_token=token, include_spans=False
        )
        found, token = found + len(page), page.token
        if not token:
            return found


def render(scale: Scale, kpis: Sequence[tuple[KpiLine, ...]]) -> str:
    """Figures beside their targets, the KPIs over the configurations, and what is in the store."""
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in scale.seconds.items())
    gigabytes = f"{scale.peak_bytes / 1e9:.2f} GB"
    rows = [
        ("episodes read and scored", f"{scale.episodes:,}", f"{EPISODES:,}"),
        ("wall time", f"{scale.total_seconds:.1f} s", f"at most {TARGET_SECONDS:g} s"),
        ("peak memory", gigabytes, f"at most {TARGET_BYTES / 1e9:g} GB"),
        ("runs in MLflow", str(scale.stored.runs), str(scale.written)),
        ("episodes with scores in MLflow", f"{scale.stored.episodes:,}", f"{scale.due:,}"),
    ]
    told = [
        (name, f"{len(found)} of {len(kpis)}", number(min(found)), number(median(found)), number(max(found)), unit)
        for name, unit, found in _by_name(kpis)
        if found
    ]
    silent = [name for name, _, found in _by_name(kpis) if not found]
    return "\n".join(
        (
            f"{scale.configurations} configurations, {scale.steps:,} steps; {scale.label}",
            render_table(("figure", "measured", "target"), rows),
            f"of which {parts}; before, MLflow's migration took {scale.migration_seconds:.1f} s",
            f"in MLflow besides: {scale.stored.kpis:,} KPIs with an interval, {scale.stored.unmeasured:,} reasons "
            f"why one is unmeasured, {scale.stored.traces:,} traces (worst first)",
            "",
            render_table(("KPI", "configurations", "lowest", "median", "highest", "unit"), told),
            f"unmeasured by this recording: {', '.join(silent)}",
        )
    )


def _by_name(kpis: Sequence[tuple[KpiLine, ...]]) -> list[tuple[str, str, list[float]]]:
    columns = zip(*kpis, strict=True)
    return [(c[0].name, c[0].unit, [line.estimate for line in c if line.estimate is not None]) for c in columns]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run_scale", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="fewer configurations written, fewer kills; under a minute"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    try:
        path = shared("agentdyn/shopping_runs.jsonl.zst")
    except DataError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        scale, kpis = measure(size, path, Path(folder, "store"))
        print(render(scale, kpis))
        from benchmarks import kill_nine  # noqa: PLC0415 - it loads a language-model library, which is not measured here

        report = kill_nine.kills(Path(folder, "kills"), kills=size.kills, cases=size.cases)
        print(kill_nine.render(report))
    print(f"scale: target {'met' if scale.met else 'MISSED'}; kill -9: target {'met' if report.met else 'MISSED'}")
    met = scale.met and report.met
    if options.json is not None:
        figures = {
            "met": met,
            "scale": scale.model_dump(mode="json") | {"total_seconds": scale.total_seconds, "met": scale.met},
            "targets": {"seconds": TARGET_SECONDS, "bytes": TARGET_BYTES, "episodes": EPISODES},
            "kill_nine": report.model_dump(mode="json") | {"met": report.met},
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
