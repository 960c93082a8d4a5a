"""The self-test: offline, without a model, and able to fail."""

import json
import shutil
from pathlib import Path

from workbench.packaging import TestLine, self_test
from workbench.packaging.manifest import MANIFEST, render_manifest


def changed(package: Path, folder: Path, path: str, old: str, new: str) -> Path:
    """A copy with one text replaced and a manifest that fits."""
    copied = Path(shutil.copytree(package, folder / package.name))
    text = (copied / path).read_text()
    assert old in text
    (copied / path).write_text(text.replace(old, new))
    files = {p.relative_to(copied).as_posix(): p.read_bytes() for p in copied.rglob("*") if p.is_file()}
    (copied / MANIFEST).write_bytes(render_manifest(files))
    return copied


def failed(lines: tuple[TestLine, ...]) -> list[str]:
    return [line.name for line in lines if not line.passed]


def test_a_sound_package_passes_in_time(package: Path) -> None:
    """Every probe passes, and all of them take less than 30 seconds."""
    lines = self_test(package)

    assert ["files", "schemas", "secrets", "tampering", "agent", "recorded cases", "unknown question"] == [
        line.name for line in lines
    ]
    assert [] == failed(lines)
    assert sum(line.milliseconds for line in lines) < 30_000


def test_a_changed_answer_is_noticed(package: Path, tmp_path: Path) -> None:
    """A recorded call with another argument fails."""
    other = changed(package, tmp_path, "evals/regression.jsonl", '"city": "Rome"', '"city": "Milan"')

    assert ["recorded cases"] == failed(self_test(other))


def test_a_changed_cassette_is_noticed(package: Path, tmp_path: Path) -> None:
    """A model that would answer otherwise fails."""
    other = changed(package, tmp_path, "evals/cassettes.jsonl", "Rome", "Oslo")

    assert ["recorded cases"] == failed(self_test(other))


def test_a_lost_recording_is_noticed(package: Path, tmp_path: Path) -> None:
    """A case whose answer was never recorded fails."""
    keys = [json.loads(line)["key"] for line in (package / "evals/cassettes.jsonl").read_text().splitlines()]
    other = changed(package, tmp_path, "evals/cassettes.jsonl", keys[0], "0" * 64)

    assert ["recorded cases"] == failed(self_test(other))


def test_lost_cases_are_noticed(package: Path, tmp_path: Path) -> None:
    """Fewer cases than were kept fail."""
    other = changed(package, tmp_path, "evals/regression.json", '"kept": 4', '"kept": 5')

    assert ["recorded cases"] == failed(self_test(other))


def test_a_schema_that_its_own_answers_break_is_noticed(package: Path, tmp_path: Path) -> None:
    """An output schema without the outcome "call" does not fit what the agent answers."""
    other = changed(package, tmp_path, "contract/output.schema.json", '"call",', '"called",')

    assert ["schemas"] == failed(self_test(other))


def test_a_tampered_package_is_not_opened(package: Path, tmp_path: Path) -> None:
    """After a wrong checksum nothing else is tried."""
    copied = Path(shutil.copytree(package, tmp_path / package.name))
    (copied / "agentpkg.json").write_text("{}")
    lines = self_test(copied)

    assert ["files"] == [line.name for line in lines]
    assert ["files"] == failed(lines)
