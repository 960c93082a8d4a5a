"""Where the real data for benchmarks lies: beside the project, never inside it."""

import os
from pathlib import Path

from workbench.core import DataError

_BESIDE = Path(__file__).parents[2] / "shared" / "data"


def shared(name: str) -> Path:
    """The path of a file or folder of the shared data, which WORKBENCH_SHARED_DATA names or `../shared/data` holds.

    Raises: DataError if it is not there.
    """
    path = Path(os.environ.get("WORKBENCH_SHARED_DATA", _BESIDE)) / name
    if not path.exists():
        raise DataError(f"shared data {name!r} ({path}): is not there; set WORKBENCH_SHARED_DATA to the folder")
    return path
