"""A small data set in a wheel made here, and a folder of wheels to fetch it from."""

import os
import zipfile
from pathlib import Path

import pytest

from workbench.core import digest_bytes, digest_file
from workbench.datasets import BfclData, Entry, Wheel, fetch, load_bfcl, load_registry

CONTENT = {"cases.jsonl": b'{"id": 1}\n', "answers/cases.jsonl": b'{"id": 1, "right": true}\n'}


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds one wheel: tiny-cases 1.0, with two files of data and code that must never run."""
    folder = tmp_path_factory.mktemp("mirror")
    with zipfile.ZipFile(folder / "tiny_cases-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny_cases/__init__.py", "raise SystemExit('the wheel was imported')\n")
        for path, data in CONTENT.items():
            archive.writestr(f"tiny_cases/data/{path}", data)
        info = "tiny_cases-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-cases\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture(scope="session")
def entry(mirror: Path) -> Entry:
    """The registry's entry for tiny-cases."""
    file = "tiny_cases-1.0-py3-none-any.whl"
    return Entry(
        name="tiny",
        wheel=Wheel(project="tiny-cases", version="1.0", file=file, sha256=digest_file(mirror / file)),
        root="tiny_cases/data",
        files={path: digest_bytes(data) for path, data in CONTENT.items()},
        parser="file",
        licence="CC0-1.0",
        source="made in this test",
        attribution="nobody",
        split="none",
        terms="any use",
    )


@pytest.fixture(scope="session")
def fetched(entry: Entry, mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of tiny-cases, fetched once; tests that change it take a copy of its cache."""
    return fetch(entry, cache=tmp_path_factory.mktemp("tiny"), mirror=mirror)


@pytest.fixture(scope="session")
def bfcl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real leaderboard, fetched through pip into a fresh cache."""
    if os.environ.get("WORKBENCH_OFFLINE") == "1":
        pytest.skip("WORKBENCH_OFFLINE=1: the leaderboard's wheel can't be downloaded")
    return fetch(load_registry().entry("bfcl_v4"), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def bfcl(bfcl_folder: Path) -> BfclData:
    """Every set of the real leaderboard."""
    return load_bfcl(bfcl_folder)
