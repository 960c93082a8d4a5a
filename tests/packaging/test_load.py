"""Opening a package."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_package import REQUESTS, make_parts, rule

from workbench.core import ChecksumMismatch, GateNotPassed, PackageError
from workbench.lms import LMSpec, scripted_lm
from workbench.packaging import PackageParts, export_package, load_package, unpack_package, verify_package
from workbench.packaging.manifest import MANIFEST, render_manifest


def rewrite(package: Path, folder: Path, file: str, change: Callable[[dict[str, object]], None]) -> Path:
    """A copy with one JSON file changed and a manifest that fits: a sound package that says something else."""
    copied = Path(shutil.copytree(package, folder / package.name))
    value = json.loads((copied / file).read_bytes())
    change(value)
    (copied / file).write_text(json.dumps(value))
    files = {p.relative_to(copied).as_posix(): p.read_bytes() for p in copied.rglob("*") if p.is_file()}
    (copied / MANIFEST).write_bytes(render_manifest(files))
    return copied


def test_a_loaded_package_answers_as_the_agent_did(parts: PackageParts, package: Path) -> None:
    """Every request gets the call that was recorded."""
    loaded = load_package(package, lm=scripted_lm(rule))

    assert [recorded.prediction.call for recorded in parts.cases] == [
        loaded.answer(request).call for request, _ in REQUESTS.values()
    ]


def test_a_missing_secret_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose key is not there is not ready, and says which variable it needs."""
    monkeypatch.setenv("CANARY_KEY", "canary-0123456789")
    lm = LMSpec(model="openai/gpt-4o-mini", key_env="CANARY_KEY")
    package = export_package(tmp_path / "dist", make_parts(tmp_path, lm=lm, cases=(), recordings=()))

    loaded = load_package(package)
    assert () == loaded.missing()
    monkeypatch.delenv("CANARY_KEY")
    assert ("environment variable 'CANARY_KEY' is empty",) == loaded.missing()
    with pytest.raises(PackageError, match="'CANARY_KEY' is empty"):
        load_package(package)


def test_a_changed_agent_has_no_verdict(package: Path, tmp_path: Path) -> None:
    """A spec that was changed together with the manifest is another agent: the verdict is not on it."""
    changed = rewrite(package, tmp_path, "program/spec.json", lambda spec: spec.update(k=2))

    with pytest.raises(GateNotPassed, match="its verdict is on agent"):
        load_package(changed, lm=scripted_lm(rule))


def test_a_verdict_that_fails_is_not_loaded(package: Path, tmp_path: Path) -> None:
    """Without a pass and without an override, a package can be verified but not loaded."""
    changed = rewrite(package, tmp_path, "evals/verdict.json", lambda verdict: verdict.update(status="FAIL"))

    assert "FAIL" == verify_package(changed).verdict.status
    with pytest.raises(GateNotPassed, match="its verdict is FAIL"):
        load_package(changed, lm=scripted_lm(rule))


@pytest.mark.parametrize("range_", [{"at_least": "99.0", "below": "100.0"}, {"at_least": "0.0", "below": "0.1"}])
def test_another_runtime_is_refused(package: Path, tmp_path: Path, range_: dict[str, str]) -> None:
    """A package for a newer or an older workbench says so."""
    changed = rewrite(package, tmp_path, "agentpkg.json", lambda header: header.update(runtime=range_))

    with pytest.raises(PackageError, match="needs workbench from"):
        load_package(changed, lm=scripted_lm(rule))


def test_routes_and_spec_name_one_model(package: Path, tmp_path: Path) -> None:
    """Parts that contradict each other are refused."""
    changed = rewrite(
        package, tmp_path, "models/routes.json", lambda routes: routes["answer"]["lm"].update(max_tokens=1)
    )

    with pytest.raises(PackageError, match="different models"):
        load_package(changed, lm=scripted_lm(rule))


def test_what_does_not_fit_is_named(package: Path, tmp_path: Path) -> None:
    """A file with an unknown field names itself."""
    changed = rewrite(package, tmp_path, "agentpkg.json", lambda header: header.update(schema_version=2))

    with pytest.raises(PackageError, match=r"'agentpkg\.json' does not fit Header: schema_version"):
        load_package(changed, lm=scripted_lm(rule))


def test_a_zip_is_unpacked_to_the_same_package(package: Path, tmp_path: Path) -> None:
    """What is unpacked is what was packed; it is not unpacked over something."""
    unpacked = unpack_package(Path(f"{package}.zip"), tmp_path)

    assert verify_package(package) == verify_package(unpacked)
    with pytest.raises(PackageError, match="is there already"):
        unpack_package(Path(f"{package}.zip"), tmp_path)
    with pytest.raises(PackageError, match="is a zip"):
        load_package(Path(f"{package}.zip"))


def test_a_tampered_package_is_not_loaded(package: Path, tmp_path: Path) -> None:
    """Loading verifies."""
    copied = Path(shutil.copytree(package, tmp_path / package.name))
    (copied / "docs" / "DATA.md").write_text("all data is free")

    with pytest.raises(ChecksumMismatch, match=r"docs/DATA\.md"):
        load_package(copied, lm=scripted_lm(rule))
