"""The registry names data sets strictly: a mistake is met with file, entry and field, not with a wrong set."""

from pathlib import Path

import pytest
import yaml

from workbench.core import DataError
from workbench.datasets import Entry, default_cache, load_registry


def _write(folder: Path, *entries: dict[str, object]) -> Path:
    (folder / "registry.yaml").write_text(yaml.safe_dump({"datasets": list(entries)}), encoding="utf-8")
    return folder


def test_the_shipped_registry_holds_the_leaderboard_and_the_tokenizer() -> None:
    """The project's own registry parses, and names what the rest of the project fetches."""
    registry = load_registry()

    assert ["bfcl_v4", "minilm_tokenizer", "tau2_banking", "tau2_retail", "tau2_airline"] == [
        entry.name for entry in registry.entries
    ]
    assert "bfcl_v4-2026.3.23" == registry.entry("bfcl_v4").folder


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    """A typing mistake is answered with the name that was meant."""
    with pytest.raises(DataError, match='did you mean "bfcl_v4"'):
        load_registry().entry("bfcl_v3")


def test_a_setting_names_another_registry(tmp_path: Path, entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    """WORKBENCH_DATA replaces the project's registry, and a written entry reads back as itself."""
    monkeypatch.setenv("WORKBENCH_DATA", str(_write(tmp_path, entry.model_dump())))

    assert (entry,) == load_registry().entries


def test_a_setting_names_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """WORKBENCH_CACHE replaces the folder in the home directory."""
    monkeypatch.setenv("WORKBENCH_CACHE", "/elsewhere")
    assert Path("/elsewhere") == default_cache()
    monkeypatch.delenv("WORKBENCH_CACHE")
    assert Path.home() / ".cache" / "workbench" == default_cache()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"license": "MIT"}, "'tiny'.*registry.yaml.*'license'.*did you mean \"licence\""),
        ({"licence": ""}, "'tiny'.*'licence'"),
        ({"parser": "pickle"}, "'tiny'.*'parser'"),
        ({"files": {}}, "'tiny'.*'files'"),
        ({"files": {"../escape": "0" * 64}}, "'tiny'.*'files'.*leaves the data set's folder"),
        ({"files": {"a.json": "0" * 63}}, "'tiny'.*'files'.*64 lower-case"),
        ({"name": "Tiny Set"}, "'Tiny Set'.*'name'"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, entry: Entry, change: dict[str, object], message: str) -> None:
    """Each wrong field stops the reading, and the error says where it is."""
    folder = _write(tmp_path, entry.model_dump() | change)

    with pytest.raises(DataError, match=message):
        load_registry(folder)


def test_a_wheel_that_looks_like_an_option_is_refused(tmp_path: Path, entry: Entry) -> None:
    """A project name can't smuggle an option into pip's command line."""
    fields = entry.model_dump()
    fields["wheel"]["project"] = "--index-url=http://evil"

    with pytest.raises(DataError, match=r"'tiny'.*'wheel\.project'"):
        load_registry(_write(tmp_path, fields))


def test_two_entries_of_one_name_are_refused(tmp_path: Path, entry: Entry) -> None:
    """A name means one data set."""
    with pytest.raises(DataError, match=r"'tiny'.*twice"):
        load_registry(_write(tmp_path, entry.model_dump(), entry.model_dump()))


@pytest.mark.parametrize("text", ["datasets: {}", "sets: []", "- a", "a: [", "\x00"])
def test_a_file_that_is_no_registry_is_refused(tmp_path: Path, text: str) -> None:
    """Broken YAML and a wrong outer shape both name the file."""
    (tmp_path / "registry.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(DataError, match=r"registry\.yaml"):
        load_registry(tmp_path)


def test_a_missing_registry_says_what_to_set(tmp_path: Path) -> None:
    """Without a registry the error names the setting."""
    with pytest.raises(DataError, match="WORKBENCH_DATA"):
        load_registry(tmp_path)
