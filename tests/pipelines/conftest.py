"""One Prefect server for all tests of flows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.server import local_server


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a server that records every flow of the tests."""
    folder = tmp_path_factory.mktemp("prefect")
    with local_server(folder) as address:
        from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415 - while the server starts

        with temporary_settings({PREFECT_API_URL: address}):
            yield folder
