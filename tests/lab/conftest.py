"""The real cases, and a rehearsal that went through to the gate."""

import shutil
from pathlib import Path

import pytest
from rehearsal import Rehearsal, bench_in, judge

from workbench.core import DataError
from workbench.datasets import default_cache, fetch, load_registry
from workbench.tracking import open_store


@pytest.fixture(scope="session")
def cases() -> Path:
    """The data set in the cache, fetched at the first use on this machine."""
    try:
        return fetch(load_registry().entry("bfcl_v4"), cache=default_cache())
    except DataError as missing:
        pytest.skip(f"the real cases can't be had: {missing}")


@pytest.fixture(scope="session")
def judged(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the small experiment went through to the gate: copied, never changed."""
    folder = tmp_path_factory.mktemp("judged")
    bench = bench_in(folder, Rehearsal())
    judge(bench)
    bench.store.close()
    return folder


@pytest.fixture
def folder(judged: Path, tmp_path: Path) -> Path:
    """A copy of its own of what was judged."""
    shutil.copytree(judged, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture(scope="session")
def tracking_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracking store after its first migration, which takes seconds: copied, never changed."""
    folder = tmp_path_factory.mktemp("tracking_template")
    open_store(folder)
    return folder
