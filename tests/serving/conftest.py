"""The small package of the packaging tests, exported once and served in this process."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

# The small package lives beside the tests of packaging.
sys.path.append(str(Path(__file__).parents[1] / "packaging"))

from small_package import make_parts, rule

from workbench.lms import scripted_lm
from workbench.packaging import export_package, load_package
from workbench.serving import create_app


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with a passing verdict."""
    return export_package(tmp_path_factory.mktemp("dist"), make_parts(tmp_path_factory.mktemp("parts")))


@pytest.fixture(scope="module")
def client(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server whose model answers by rule; what it raises reaches the client as a response."""
    app = create_app(
        load_package(package, lm=scripted_lm(rule)), runs_db=tmp_path_factory.mktemp("runs") / "runs.sqlite3"
    )
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened
