"""The registries: one prompt version for each promoted program, one model version for each released package."""

import json
import tempfile
from pathlib import Path

import mlflow.pyfunc
from mlflow.entities import RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from workbench.core import GateNotPassed, TrackingError, Verdict, boundary
from workbench.tracking.records import PromptLog
from workbench.tracking.store import Store

_ADAPTER = Path(__file__).with_name("package_model.py")
CHAMPION = "champion"
"""The alias of the version that is in use."""


def register_prompt(store: Store, run_id: str, log: PromptLog) -> int:
    """Register a program's prompt and link it to its run; the version's number.

    The alias champion moves to it if its verdict passed. The same program is registered once.
    Raises: TrackingError if the store refuses, or the name belongs to a model.
    """
    clean = store.clean(log)
    with boundary(TrackingError, f"prompt {log.name!r}: can't be registered"), store.lock:
        experiment_id = store.client.get_run(run_id).info.experiment_id
        version = _known_prompt(store, clean) or _new_prompt(store, clean, experiment_id)
        if log.verdict.passed:
            store.client.set_prompt_alias(clean.name, CHAMPION, version)
        linked = json.dumps([{"name": clean.name, "version": str(version)}])
        store.client.log_batch(run_id, tags=[RunTag("mlflow.linkedPrompts", linked)])
        return version


def register_package(store: Store, run_id: str, package: Path, *, name: str, digest: str, verdict: Verdict) -> int:
    """Register a package's directory as a version of the model `name`, with the alias champion; its number.

    MLflow keeps a copy of the directory and an adapter that opens it: no pickle. `digest` is the package's.
    Raises: GateNotPassed without a passing verdict; TrackingError if the store refuses.
    """
    if not verdict.passed:
        raise GateNotPassed(f"package {package.name!r}: its verdict is {verdict.status}; only PASS is registered")
    with boundary(TrackingError, f"model {name!r}: can't be registered"), store.lock:
        name = store.redactor.text(name)
        known = [item for item in _versions(store, name) if item.tags.get("package_digest") == digest]
        version = (
            known[0]
            if known
            else _new_version(
                store,
                run_id,
                package,
                name,
                {
                    "package_digest": digest,
                    "agent_digest": verdict.agent_digest,
                    "verdict": verdict.status,
                    "verdict_digest": verdict.digest,
                },
            )
        )
        store.client.set_registered_model_alias(name, CHAMPION, version.version)
        return int(version.version)


def _known_prompt(store: Store, log: PromptLog) -> int | None:
    if store.client.get_prompt(log.name) is None:
        return None
    versions = store.client.search_prompt_versions(log.name)
    return next((int(v.version) for v in versions if v.tags.get("agent_digest") == log.agent_digest), None)


def _new_prompt(store: Store, log: PromptLog, experiment_id: str) -> int:
    # Not `register_prompt`: it links the prompt to whatever experiment is active in the process, in a thread.
    if store.client.get_prompt(log.name) is None:
        store.client.create_prompt(log.name)
    tags = {
        "agent_digest": log.agent_digest,
        "verdict": log.verdict.status,
        "verdict_digest": log.verdict.digest,
    }
    message = f"agent {log.agent_digest[:12]}, verdict {log.verdict.status}"
    version = store.client.create_prompt_version(log.name, log.template, description=message, tags=tags)
    store.client.set_prompt_tag(log.name, "_mlflow_experiment_ids", f",{experiment_id},")
    return int(version.version)


def _versions(store: Store, name: str) -> list[ModelVersion]:
    return list(store.client.search_model_versions(f"name='{name}'"))


def _new_version(store: Store, run_id: str, package: Path, name: str, tags: dict[str, str]) -> ModelVersion:
    with tempfile.TemporaryDirectory() as folder:
        mlflow.pyfunc.save_model(
            path=f"{folder}/model",
            python_model=str(_ADAPTER),
            artifacts={"package": str(package.resolve())},
            pip_requirements=["workbench"],
        )
        store.client.log_artifacts(run_id, f"{folder}/model", "model")
    try:
        store.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{store.client.get_run(run_id).info.artifact_uri}/model"
    return store.client.create_model_version(name, source, run_id=run_id, tags=tags)
