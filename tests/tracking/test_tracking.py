"""What a lead looks for is in the store, once, and nothing is there that must not be."""

import json
import threading
from pathlib import Path

import pytest
import weather

from workbench.core import Case, EvalSet, GateNotPassed, Run, TrackingError, Usage
from workbench.tracking import (
    ExperimentLog,
    PromptLog,
    RunLog,
    Store,
    finish,
    log_experiment,
    log_outcome,
    log_run,
    log_traces,
    open_store,
    read_runs,
    register_package,
    register_prompt,
)

CANARY = 'canary/"key"+0123456789é'


def _log_everything(store: Store, experiment: ExperimentLog, cases: tuple[Case, ...], run: Run) -> tuple[str, str]:
    parent = log_experiment(store, experiment)
    log_run(store, parent, weather.make_runlog("baseline", "baseline", 0.30))
    log_run(store, parent, weather.make_runlog("candidate-001", "candidate", 0.41))
    winner = log_run(store, parent, weather.make_runlog("winner", "winner", 0.52))
    log_traces(store, winner, cases, run, model="embedded")
    log_outcome(store, (parent, winner), weather.make_outcome())
    prompt = PromptLog(
        name="fill", template="Request:{{request}}", agent_digest="d" * 64, verdict=weather.make_verdict()
    )
    register_prompt(store, winner, prompt)
    finish(store, parent)
    return parent, winner


def test_a_run_shows_scores_with_intervals_costs_with_units_and_the_ledger(
    store: Store, experiment: ExperimentLog
) -> None:
    """The column names a lead reads; a price that is unknown is no metric and a tag says so."""
    parent = log_experiment(store, experiment)
    run_id = log_run(store, parent, weather.make_runlog("winner", "winner", 0.52))

    data = store.client.get_run(run_id).data
    expected = {
        "test/exact_call": 0.52,
        "test/exact_call_low": 0.44,
        "test/exact_call_high": 0.60,
        "test/exact_call_coverage": 0.95,
        "val/exact_call": 0.52,
        "test/tokens_per_case": 430.0,
        "test/tokens_per_case_low": 410.0,
        "test/model_ms_p50": 645.0,
        "test/cases": 100,
        "ledger_calls": 180,
        "ledger_cached_calls": 20,
        "ledger_prompt_tokens": 70_000,
        "ledger_completion_tokens": 3_000,
    }
    assert pytest.approx(expected) == {name: data.metrics[name] for name in expected}
    assert {"ledger_usd", "test/usd_per_case"} & data.metrics.keys() == set()
    assert data.tags["ledger_usd"] == "unknown"
    assert data.tags["unmeasured.test.usd_per_case"] == "the price of this model is unknown"
    assert data.params == {
        "pattern": "tool_call",
        "k": "5",
        "retriever.kind": "rrf",
        "retriever.lexical": "bm25",
        "demos": "4",
    }
    assert data.tags["mlflow.parentRunId"] == parent


def test_a_known_price_is_a_metric(store: Store, experiment: ExperimentLog) -> None:
    """Zero dollars of an embedded model are known, and are not "unknown"."""
    log = weather.make_runlog("winner", "winner", 0.52).model_copy(update={"usage": Usage(calls=1, usd=0.0)})
    data = store.client.get_run(log_run(store, log_experiment(store, experiment), log)).data

    assert data.metrics["ledger_usd"] == 0.0
    assert "ledger_usd" not in data.tags


def test_an_execution_shows_question_settings_and_data_with_digests(store: Store, experiment: ExperimentLog) -> None:
    """Each split is a data set input of its own, in the context of its name."""
    run = store.client.get_run(log_experiment(store, experiment))
    assert run.inputs is not None

    assert run.data.tags["mlflow.note.content"] == "Which tool, with which arguments?"
    assert run.data.params["budget.calls"] == "3000"
    assert run.data.params["seed"] == "7"
    inputs = {item.tags[0].value: item.dataset for item in run.inputs.dataset_inputs}
    expected = {item.split: item.cases_digest[:12] for item in experiment.data}
    assert expected == {split: data.digest for split, data in inputs.items()}


def test_logging_everything_twice_changes_nothing(store: Store, experiment: ExperimentLog, evalset: EvalSet) -> None:
    """A resumed run logs again what it had logged: same runs, metrics, traces, versions."""
    run = weather.make_run(evalset.test)
    first = _log_everything(store, experiment, evalset.test, run)
    before = read_runs(store, "tool_calling")

    second = _log_everything(store, experiment, evalset.test, run)

    assert first == second
    assert before.equals(read_runs(store, "tool_calling"))
    experiment_id = store.client.get_run(first[0]).info.experiment_id
    assert len(evalset.test) == len(store.client.search_traces(locations=[experiment_id]))
    assert [version.version for version in store.client.search_prompt_versions("fill")] == [1]
    assert len(store.client.get_metric_history(first[1], "test/exact_call")) == 1


def test_threads_that_log_the_same_make_one_run(store: Store, experiment: ExperimentLog) -> None:
    """Eight at once."""
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(log_experiment(store, experiment))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(found), len(set(found))) == (8, 1)


def test_no_secret_of_the_environment_is_in_any_file(
    monkeypatch: pytest.MonkeyPatch, folder: Path, experiment: ExperimentLog
) -> None:
    """In the raw bytes of database and artifacts, plain or escaped; the words around it are there."""
    monkeypatch.setenv("ACME_API_KEY", CANARY)
    store = open_store(folder)
    case = weather.make_case(1).model_copy(update={"request": f"visible words {CANARY}", "cluster": CANARY})
    run = weather.make_run((case, weather.make_case(2)))
    log = experiment.model_copy(update={"question": f"why {CANARY}?", "params": {"note": [CANARY], CANARY: 1}})
    parent, winner = _log_everything(store, log, (case, weather.make_case(2)), run)
    verdict = weather.make_verdict().model_copy(update={"findings": ()})
    outcome = weather.make_outcome().model_copy(update={"verdict": verdict, "texts": {"note.txt": f"see {CANARY}"}})
    log_outcome(store, (parent,), outcome)
    prompt = PromptLog(name="leaky", template=f"Use {CANARY}", agent_digest="d" * 64, verdict=verdict)
    register_prompt(store, winner, prompt)

    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    forms = {CANARY, json.dumps(CANARY)[1:-1], json.dumps(CANARY, ensure_ascii=False)[1:-1], "canary/", "0123456789é"}
    assert [form for form in forms for content in contents if form.encode() in content] == []
    assert any(b"visible words [secret]" in content for content in contents)


def test_the_outcome_is_in_tags_and_artifacts_of_both_runs(
    store: Store, experiment: ExperimentLog, evalset: EvalSet
) -> None:
    """Verdict where a lead filters, report and plots where a lead reads."""
    for run_id in _log_everything(store, experiment, evalset.test, weather.make_run(evalset.test)):
        tags = store.client.get_run(run_id).data.tags
        assert tags["verdict"] == "PASS"
        assert weather.make_verdict().digest == tags["verdict_digest"]
        assert "0.220 [0.090, 0.340] is above 0" in tags["verdict_reason"]
        names = {item.path for folder in ("", "plots") for item in store.client.list_artifacts(run_id, folder)}
        expected = {"report.html", "report.json", "report.txt", "comparison.json", "verdict.json", "verdict.txt"}
        expected |= {"plots/scores.png", "plots/candidates.png", "plots/slices.png"}
        assert expected <= names


@pytest.mark.parametrize(("status", "aliases"), [("PASS", ["champion"]), ("FAIL", []), ("INCONCLUSIVE", [])])
def test_the_prompt_is_champion_only_if_the_gate_passed(
    store: Store, experiment: ExperimentLog, status: str, aliases: list[str]
) -> None:
    """It is registered either way: what was tried and refused is worth reading."""
    winner = log_run(store, log_experiment(store, experiment), weather.make_runlog("winner", "winner", 0.52))
    verdict = weather.make_verdict().model_copy(update={"status": status})
    register_prompt(store, winner, PromptLog(name="fill", template="x", agent_digest="d" * 64, verdict=verdict))

    prompt = store.client.get_prompt_version("fill", 1)
    assert prompt is not None
    assert ("x", status, aliases) == (prompt.template, prompt.tags["verdict"], prompt.aliases)


def test_a_package_becomes_a_model_version_that_is_not_a_pickle(
    store: Store, experiment: ExperimentLog, tmp_path: Path
) -> None:
    """With the whole directory beside the adapter, and the alias champion on the latest."""
    package = tmp_path / "weather-1.agentpkg"
    package.mkdir()
    (package / "agentpkg.json").write_text("{}")
    winner = log_run(store, log_experiment(store, experiment), weather.make_runlog("winner", "winner", 0.52))
    verdict = weather.make_verdict()

    for digest, expected in (("1" * 64, 1), ("1" * 64, 1), ("2" * 64, 2)):
        assert expected == register_package(store, winner, package, name="weather", digest=digest, verdict=verdict)
        assert expected == int(store.client.get_model_version_by_alias("weather", "champion").version)

    model = next((store.folder / "artifacts").rglob("MLmodel")).parent
    files = {str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()}
    assert {"package_model.py", "artifacts/weather-1.agentpkg/agentpkg.json"} <= files
    assert [name for name in files if name.endswith((".pkl", ".pickle", ".cloudpickle", ".joblib"))] == []


def test_a_package_without_a_passing_verdict_is_not_registered(
    store: Store, experiment: ExperimentLog, tmp_path: Path
) -> None:
    """No version, no model."""
    winner = log_run(store, log_experiment(store, experiment), weather.make_runlog("winner", "winner", 0.52))

    with pytest.raises(GateNotPassed, match="its verdict is INCONCLUSIVE; only PASS is registered"):
        register_package(
            store, winner, tmp_path, name="weather", digest="1" * 64, verdict=weather.make_verdict("INCONCLUSIVE")
        )
    assert list(store.client.search_registered_models()) == []


def test_runs_are_read_as_a_table(store: Store, experiment: ExperimentLog, evalset: EvalSet) -> None:
    """One row for each metric, with its interval beside it."""
    parent, winner = _log_everything(store, experiment, evalset.test, weather.make_run(evalset.test))
    frame = read_runs(store, "tool_calling")

    row = frame.filter(run_id=winner, metric="test/exact_call").row(0, named=True)
    expected = {"parent_id": parent, "name": "winner", "role": "winner", "verdict": "PASS", "estimate": 0.52}
    assert expected == {name: row[name] for name in expected}
    assert pytest.approx((0.44, 0.60)) == (row["low"], row["high"])
    assert {"execution", "baseline", "candidate", "winner"} == set(frame["role"])


def test_an_unknown_experiment_is_named(store: Store) -> None:
    """With where it was looked for."""
    with pytest.raises(TrackingError, match=r"experiment 'nothing' \(.*store\): was never logged; run it first"):
        read_runs(store, "nothing")


def test_long_and_nested_settings_become_readable_parameters(store: Store, experiment: ExperimentLog) -> None:
    """What is too long is cut and named by its digest; more than a hundred are all there."""
    params = {"state": "x" * 9000, "nest": {f"p{number}": number for number in range(150)}}
    log = RunLog.model_validate({"name": "c", "role": "candidate", "agent_digest": "d" * 64, "params": params})
    data = store.client.get_run(log_run(store, log_experiment(store, experiment), log)).data

    assert len(data.params) == 151
    assert data.params["state"].startswith("xxx")
    assert "… (digest " in data.params["state"]
