"""After the gate: everything into MLflow, and a passing winner out as a package."""

import shutil
import subprocess
from pathlib import Path

from pydantic import JsonValue

from workbench.core import PackageError, read_run, short, write_record
from workbench.datasets import load_registry
from workbench.evals import JUDGING, summarize
from workbench.lab.bench import Bench
from workbench.lab.deciding import final, verdict_of
from workbench.lab.live import read_uris
from workbench.lab.outcome import Folders
from workbench.lab.searching import found, search_run
from workbench.lab.workspace import Shipped
from workbench.lms import EMBEDDED, record, totals
from workbench.packaging import (
    DataSource,
    LiveReference,
    PackageParts,
    Provenance,
    RecordedCase,
    export_package,
    self_test,
    verify_package,
)
from workbench.retrieval import digest_generation
from workbench.serving import answer_without_lab

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
        # MLflow takes seconds to import: a run whose tracking is done need not wait for it.
        from workbench.lab.logbook import log_all  # noqa: PLC0415

        write_record(folder / "tracked.json", log_all(bench, folders))

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
        package = export_package(bench.workspace.folder / "packages", package_parts(bench, folders))
        info = verify_package(package)
        failed = [line for line in self_test(package) if not line.passed]
        if failed:
            raise PackageError(f"package {package.name!r}: self-test {failed[0].name!r}: {failed[0].detail}")
        case = bench.evalset(folders.evalset).test[0]
        answer_without_lab(package, case.request, timeout_seconds=120)
        from workbench.lab.logbook import log_release  # noqa: PLC0415 - as above

        log_release(bench, package, info.package_digest, mlflow_run=mlflow_run, verdict=verdict)
        write_record(folder / "exported.json", Shipped(mlflow_run=mlflow_run, package=package))

    return Shipped.read(bench.workspace.once("export", inputs, make) / "exported.json").package


def package_parts(bench: Bench, folders: Folders) -> PackageParts:
    """What the winner's package is made from."""
    spec = final(folders.winner).spec
    run = read_run(folders.winner / "test")
    cases = {case.case_id: case for case in bench.evalset(folders.evalset).test}
    kept = [episode for episode in run.episodes if episode.prediction is not None][:RECORDED_CASES]
    recorded = tuple(
        RecordedCase(
            case=cases[one.case_id],
            prediction=one.prediction.model_copy(update={"steps": ()}),
            principals=bench.experiment.view.principals,
        )
        for one in kept
        if one.prediction is not None
    )
    ids = [one.case_id for one in kept]
    ledger = bench.store.frame(folders.winner.name)
    ledger = ledger.filter(~ledger["module"].str.starts_with(JUDGING))  # what judges were asked is no business of users
    ledger = ledger.filter(ledger["kind"] == "lm")
    keys = [key for key, case_id in zip(ledger["key"], ledger["case_id"], strict=True) if case_id in ids]
    return PackageParts(
        name=bench.experiment.name,
        version=f"{VERSION}-{short(verdict_of(folders.gate).agent_digest)}",
        spec=spec,
        index=bench.searched(spec.index, folders.indexes),
        live=_reference(bench, folders.indexes),
        uris={} if bench.experiment.live is None else read_uris(bench.live.folder),
        verdict=verdict_of(folders.gate),
        report=summarize(run),
        cases=recorded,
        recordings=record(bench.store, keys),
        provenance=_provenance(bench, folders),
    )


def _reference(bench: Bench, indexes: Path) -> LiveReference | None:
    """What a package says of the live index that it refers to; None if it ships a copy."""
    live = bench.experiment.live
    if live is None or live.ship == "copy":
        return None
    pinned = bench.pinned(indexes)
    generation = pinned.current()
    return LiveReference(
        name=live.name,
        location=str(bench.live.folder.resolve()),
        identity=pinned.digest,
        content=digest_generation(generation),
        generation=generation.manifest.generation,
    )


def _own_cases(bench: Bench) -> tuple[DataSource, ...]:
    """The experiment's own file of cases, if it has one."""
    own = bench.experiment.data.cases
    if own is None:
        return ()
    return (DataSource(name=own.stem, sha256=bench.data_digest, licence="not said", source=own.name),)


def _provenance(bench: Bench, folders: Folders) -> Provenance:
    sets = [] if bench.experiment.data.cases is not None else [bench.experiment.data.set]
    entries = [load_registry().entry(name) for name in (*sets, "minilm_tokenizer")]
    best = found(folders.optimized).trials[final(folders.winner).trial]
    spend = totals(bench.store.frame(search_run(folders.optimized))).plus(
        totals(bench.store.frame(folders.winner.name))
    )
    return Provenance(
        data=(
            *_own_cases(bench),
            *(
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
