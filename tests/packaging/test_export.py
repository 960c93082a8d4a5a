"""Writing a package."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_package import CASES, make_parts, make_verdict

from workbench.core import ExpectedAbstention, GateNotPassed, PackageError, Prediction
from workbench.lms import LMSpec, Price
from workbench.packaging import (
    Override,
    PackageParts,
    RecordedCase,
    export_package,
    load_package,
    self_test,
    verify_package,
)
from workbench.safety import encodings


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_parts_give_the_same_bytes(parts: PackageParts, package: Path, tmp_path: Path) -> None:
    """Folder and zip are equal byte for byte, wherever and whenever they are written."""
    again = export_package(tmp_path, parts)

    assert contents(package) == contents(again)
    assert Path(f"{package}.zip").read_bytes() == Path(f"{again}.zip").read_bytes()


def test_writing_twice_changes_nothing(parts: PackageParts, tmp_path: Path) -> None:
    """A package that is there already stays; a lost zip comes back."""
    first = export_package(tmp_path, parts)
    Path(f"{first}.zip").unlink()

    assert first == export_package(tmp_path, parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, f"{first.name}.zip"]


def test_a_version_names_one_package(parts: PackageParts, tmp_path: Path) -> None:
    """Other parts under the same version are refused, and the first package stays."""
    first = export_package(tmp_path, parts)
    before = contents(first)

    with pytest.raises(PackageError, match="raise the version"):
        export_package(tmp_path, replace(parts, deadline_seconds=5.0))
    assert before == contents(first)


@pytest.mark.parametrize("status", ["FAIL", "INCONCLUSIVE", "UNMEASURED"])
def test_without_a_pass_nothing_is_written(parts: PackageParts, tmp_path: Path, status: str) -> None:
    """Every verdict but PASS refuses the export and leaves nothing behind."""
    failed = replace(parts, verdict=make_verdict(parts.verdict.agent_digest, status))

    with pytest.raises(GateNotPassed, match=status):
        export_package(tmp_path, failed)
    assert [] == list(tmp_path.iterdir())


def test_a_verdict_without_findings_is_no_pass(parts: PackageParts, tmp_path: Path) -> None:
    """Silence is not a pass, nor is a pass that its findings contradict."""
    silent = parts.verdict.model_copy(update={"findings": ()})
    failed = make_verdict(parts.verdict.agent_digest, "FAIL").findings
    contradicted = parts.verdict.model_copy(update={"findings": failed})

    for verdict in (silent, contradicted):
        with pytest.raises(GateNotPassed):
            export_package(tmp_path, replace(parts, verdict=verdict))


def test_a_verdict_on_another_agent_is_refused(parts: PackageParts, tmp_path: Path) -> None:
    """Nobody ships on somebody else's verdict, not even with an override."""
    foreign = replace(parts, verdict=make_verdict("f" * 64, "PASS"))

    with pytest.raises(GateNotPassed, match="verdict is on agent ffffffffffff"):
        export_package(tmp_path, foreign, override=Override(who="Ada", why="a demo"))


def test_report_and_verdict_belong_to_one_run(parts: PackageParts, tmp_path: Path) -> None:
    """A report of another run is refused."""
    foreign = replace(parts, report=parts.report.model_copy(update={"run_digest": "0" * 64}))

    with pytest.raises(PackageError, match="different runs"):
        export_package(tmp_path, foreign)


def test_an_override_is_written_and_shown(parts: PackageParts, package: Path, tmp_path: Path) -> None:
    """A person can release without a pass: who and why stand in the package; without one, no such file is there."""
    override = Override(who="Ada", why="a demo")
    failed = replace(parts, verdict=make_verdict(parts.verdict.agent_digest, "FAIL"))
    written = export_package(tmp_path, failed, override=override)

    assert override == verify_package(written).override
    assert "Who: Ada. Why: a demo." in (written / "docs" / "AGENT_CARD.md").read_text()
    assert not (package / "evals" / "override.json").exists()


def test_no_value_of_a_secret_is_inside(parts: PackageParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that the process holds appear nowhere, in no encoding; the name of the one it needs does."""
    secrets = {"OPENAI_API_KEY": "sk-canary-0123456789abcdef", "ANTHROPIC_API_KEY": "another/canary+key=42"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    hosted = make_parts(tmp_path, lm=LMSpec(model="openai/gpt-4o-mini"), cases=())
    written = export_package(tmp_path / "dist", replace(hosted, recordings=()))
    everything = Path(f"{written}.zip").read_bytes()

    assert ("OPENAI_API_KEY",) == verify_package(written).secrets
    assert [] == [form for value in secrets.values() for form in encodings(value) if form.encode() in everything]


def test_a_secret_in_a_part_stops_the_export(
    parts: PackageParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that slipped into the provenance is found, the file is named, and the value is not."""
    monkeypatch.setenv("SOME_API_KEY", "canary-0123456789")
    leaking = replace(parts, provenance=parts.provenance.model_copy(update={"commit": "canary-0123456789"}))

    with pytest.raises(PackageError, match=r"'docs/AGENT_CARD\.md' would hold the value") as refused:
        export_package(tmp_path, leaking)
    assert "canary" not in str(refused.value)
    assert [] == list(tmp_path.iterdir())


def test_cases_with_personal_data_are_left_out(tmp_path: Path) -> None:
    """A case that names an address does not ship, its recording neither, and the package says that it is missing."""
    private = CASES[3].model_copy(
        update={"case_id": "q-9", "request": "mail to jo@example.org", "expected": ExpectedAbstention()}
    )
    written = export_package(tmp_path / "dist", make_parts(tmp_path, cases=(*CASES, private)))

    assert b"jo@example.org" not in Path(f"{written}.zip").read_bytes()
    assert '"q-9"' in (written / "evals" / "regression.json").read_text()
    assert all(line.passed for line in self_test(written))


def test_a_case_must_be_answered_as_recorded(parts: PackageParts, tmp_path: Path) -> None:
    """What is recorded is what the agent answers, or the package is not written."""
    wrong = RecordedCase(case=parts.cases[0].case, prediction=Prediction(answer="something else"))

    with pytest.raises(PackageError, match="'q-1': the agent answers otherwise"):
        export_package(tmp_path, replace(parts, cases=(wrong,)))
    with pytest.raises(PackageError, match="the recordings lack an answer"):
        export_package(tmp_path, replace(parts, recordings=()))


def test_a_part_that_is_not_used_is_absent(parts: PackageParts, package: Path, tmp_path: Path) -> None:
    """No empty placeholder: prices, cassettes and cases are there only if there are some."""
    bare = export_package(tmp_path / "bare", replace(parts, cases=(), recordings=()))
    price = Price(prompt_usd=1.0, completion_usd=2.0, date="2026-01-31")
    priced = make_parts(tmp_path, lm=LMSpec(model="scripted", price=price))
    priced_package = export_package(tmp_path / "priced", priced)

    assert {"evals/regression.jsonl", "evals/cassettes.jsonl"} == contents(package).keys() - contents(bare).keys()
    assert "models/prices.json" not in contents(package)
    assert b"2026-01-31" in contents(priced_package)["models/prices.json"]
    assert [] == [path for path, data in contents(package).items() if not data.strip()]


def test_names_and_versions_are_plain(parts: PackageParts, tmp_path: Path) -> None:
    """A name or version that could leave the folder is refused."""
    for changes in ({"name": "../x"}, {"name": ""}, {"version": "1"}, {"version": "1.0.0/.."}):
        with pytest.raises(PackageError, match="package"):
            export_package(tmp_path, replace(parts, **changes))
    assert [] == list(tmp_path.iterdir())


def test_the_spec_that_is_loaded_is_the_spec_that_was_measured(parts: PackageParts, package: Path) -> None:
    """Spec, program and index come back whole."""
    loaded = load_package(package, lm=object())  # type: ignore[arg-type]  # never asked

    assert parts.spec == loaded.agent.spec
    assert parts.index.digest == loaded.agent.index.digest
    assert parts.verdict == loaded.info.verdict
