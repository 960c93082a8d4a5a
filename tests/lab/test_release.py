"""A gate that says no lets nothing out; one that says yes lets out a package that needs nothing of the lab."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from provider import Heard, provider
from rehearsal import TEXT, Rehearsal, answer, bench_in, judge

from workbench.lab import Bench, Workspace, read_experiment
from workbench.lab.outcome import Folders, Outcome, conclude, render_outcome
from workbench.lab.release import export, track
from workbench.packaging import self_test, verify_package
from workbench.tracking import open_store

KEY = "acme-live-4f9c21b7d60e"
PRICE = "{prompt_usd: 0.15, completion_usd: 0.6, date: 2026-01-01}"


def test_a_gate_that_says_no_lets_nothing_out(folder: Path, tracking_template: Path) -> None:
    """No package, no model, no prompt that is champion; the reason is told in words, and the run is tracked."""
    shutil.copytree(tracking_template, folder / "work", dirs_exist_ok=True)
    bench = bench_in(folder, Rehearsal(), text=TEXT.replace("at_least: 0.05", "at_least: 0.99"))
    folders = judge(bench)
    run = track(bench, folders)
    outcome = conclude(bench, folders, package=export(bench, folders, run), mlflow_run=run, seconds=1.0)

    client = open_store(bench.workspace.folder).client
    assert (None, False) == (outcome.package, outcome.promoted)
    assert [] == list(client.search_registered_models())
    assert [] == list(bench.workspace.folder.glob("packages/*"))
    assert "FAIL" == client.get_run(run).data.tags["verdict"] == outcome.status
    assert "nothing is promoted, registered or exported" in render_outcome(outcome)


@dataclass(frozen=True)
class Released:
    """A release over a provider with a key, and what the provider heard."""

    bench: Bench
    folders: Folders
    heard: Heard
    outcome: Outcome


@pytest.fixture(scope="module")
def released(cases: Path, tracking_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """The small experiment with another model in its one line, from the data to the registered package."""
    folder = tmp_path_factory.mktemp("released")
    shutil.copytree(tracking_template, folder / "work")
    with pytest.MonkeyPatch.context() as environment, provider(answer) as heard:
        environment.setenv("ACME_API_KEY", KEY)
        line = f"{{model: openai/acme-small, base_url: '{heard.url}', key_env: ACME_API_KEY, timeout_seconds: 5,"
        (folder / "acme.yaml").write_text(
            TEXT.replace("{model: embedded, timeout_seconds: 5", f"{line} price: {PRICE}")
        )
        bench = Bench(read_experiment(folder / "acme.yaml"), Workspace(folder / "work"))
        folders = judge(bench)
        run = track(bench, folders)
        package = export(bench, folders, run)
        yield Released(bench, folders, heard, conclude(bench, folders, package=package, mlflow_run=run, seconds=1.0))


def test_a_passing_winner_is_a_package_that_stands_alone(released: Released) -> None:
    """Verified, and it tests itself; the one question over HTTP came from a process of its own."""
    package = released.outcome.package
    assert package is not None

    assert released.outcome.promoted
    assert verify_package(package).name == "acme"
    assert [] == [line for line in self_test(package) if not line.passed]
    ledger = released.bench.store.frame()
    served = len(released.heard.prompts) - (~ledger["cached"]).sum()
    assert 1 == served


def test_it_is_registered_as_champion(released: Released) -> None:
    """With its prompt, on the run of the winner's execution."""
    client = open_store(released.bench.workspace.folder).client
    package = released.outcome.package
    assert package is not None

    version = client.get_model_version_by_alias("acme", "champion")
    assert released.outcome.mlflow_run == version.run_id
    assert verify_package(package).package_digest in {*version.tags.values()}
    assert "{{request}}" in str(client.get_prompt_version_by_alias("acme_prompt", "champion").template)
    assert "PASS" == client.get_run(released.outcome.mlflow_run).data.tags["verdict"]


def test_every_candidate_is_a_run_with_its_prompt(released: Released) -> None:
    """Nested in the experiment's, with what differs from the prompt the search began with."""
    client = open_store(released.bench.workspace.folder).client
    place = client.get_run(released.outcome.mlflow_run).info.experiment_id
    runs = client.search_runs([place], "tags.role = 'candidate'")
    prompts = [mlflow_text(client, run.info.run_id, "prompt.txt") for run in runs]
    diffs = [mlflow_text(client, run.info.run_id, "prompt.diff") for run in runs]

    assert released.outcome.trials == len(runs)
    assert all("Request" in prompt for prompt in prompts)
    assert any("+" in diff for diff in diffs)
    assert "" in diffs  # the start's


def mlflow_text(client: MlflowClient, run: str, name: str) -> str:
    """A text that lies beside a run."""
    return Path(client.download_artifacts(run, name)).read_text(encoding="utf-8")


def test_money_is_counted_to_the_token(released: Released) -> None:
    """By the price the file gives, from the tokens that the provider counted."""
    ledger = released.bench.store.frame()
    paid = ledger.filter(~ledger["cached"])
    expected = (0.15 * sum(paid["prompt_tokens"]) + 0.6 * sum(paid["completion_tokens"])) / 1e6

    assert pytest.approx(expected) == released.outcome.paid.usd
    assert paid.height == released.outcome.paid.calls


def test_the_providers_key_is_in_no_byte_of_the_workspace(released: Released) -> None:
    """It was used for each call; no database, journal, artifact, trace or package holds it, plain or in a zip."""
    files = [path for path in released.bench.workspace.folder.parent.rglob("*") if path.is_file()]

    assert {f"Bearer {KEY}"} == released.heard.keys
    assert len(files) > 50
    assert any(b"ACME_API_KEY" in path.read_bytes() for path in files)
    assert [] == [path for path in files if KEY.encode() in path.read_bytes()]
    assert [] == [path for path in files if path.suffix == ".zip" and KEY in _unzipped(path)]


def test_releasing_again_changes_nothing(released: Released) -> None:
    """Same run, same package, one version."""
    bench = Bench(released.bench.experiment, released.bench.workspace)
    run = track(bench, released.folders)

    assert released.outcome.mlflow_run == run
    assert released.outcome.package == export(bench, released.folders, run)
    client = open_store(bench.workspace.folder).client
    assert 1 == len(client.search_model_versions("name = 'acme'"))


def _unzipped(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return json.dumps([archive.read(name).decode(errors="replace") for name in archive.namelist()])
