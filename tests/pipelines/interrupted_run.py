"""`workbench run` on eight tools with a model that answers by rule, slowly; a test interrupts it."""

import signal
import sys
from pathlib import Path

from small_experiment import Pupil, surround

from pipelines.surroundings import surrounded
from workbench.cli.main import app
from workbench.lab import Quiet
from workbench.lms import CallStore

if __name__ == "__main__":
    # Whoever starts the tests in the background has SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, wait_seconds = Path(sys.argv[1]), float(sys.argv[2])
    order, around = surround(folder, "at_least: 0.99", Pupil(wait_seconds=wait_seconds), Quiet())
    try:
        with surrounded(around):
            app(["run", order.path, "--workspace", order.workspace])
    finally:
        calls = CallStore(Path(order.workspace) / "calls.db").frame()
        paid = calls.filter(~calls["cached"])
        print("paid", paid.height, "different", paid["key"].n_unique())  # noqa: T201 - the test reads it
