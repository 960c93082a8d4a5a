"""Run an experiment from a terminal, a notebook or a test: as its flow, with a server beside the workspace."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.order import Order
from pipelines.server import local_server

if TYPE_CHECKING:
    from workbench.lab import Progress
    from workbench.lab.outcome import Outcome


def launch(order: Order, progress: "Progress") -> "Outcome":
    """Run the flow `run_experiment` and wait for its outcome.

    Raises: what its stages raise; ConfigError before anything else if the experiment file is wrong.
    """
    start = time.monotonic()
    with local_server(Path(order.workspace) / "prefect") as address:
        # While the server starts: these imports take as long as it does.
        from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

        from pipelines.surroundings import experiment, surrounded, watched_by  # noqa: PLC0415

        experiment(order)
        from pipelines.flows import run_experiment  # noqa: PLC0415

        with temporary_settings({PREFECT_API_URL: address}), surrounded(watched_by(progress, began=start)):
            return run_experiment(order)
