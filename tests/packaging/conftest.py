"""One small package, exported once for the room."""

from pathlib import Path

import pytest
from small_package import make_parts

from workbench.packaging import PackageParts, export_package


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> PackageParts:
    """Parts with a passing verdict."""
    return make_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="session")
def package(parts: PackageParts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package; copy it before changing it."""
    return export_package(tmp_path_factory.mktemp("dist"), parts)
