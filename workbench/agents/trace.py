"""What an agent did, step by step."""

import time

from pydantic import JsonValue

from workbench.core import Step


class Recorder:
    """Collects the steps of one episode, with times since it began."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._steps: list[Step] = []

    def add(
        self, name: str, kind: str, inputs: dict[str, JsonValue], outputs: dict[str, JsonValue], started: float
    ) -> None:
        """Add a step that began at `started` (a `time.perf_counter` reading) and ends now."""
        self._steps.append(
            Step.model_validate(
                {
                    "name": name,
                    "kind": kind,
                    "inputs": inputs,
                    "outputs": outputs,
                    "start_milliseconds": max(0.0, (started - self._began) * 1000),
                    "milliseconds": (time.perf_counter() - started) * 1000,
                }
            )
        )

    def steps(self) -> tuple[Step, ...]:
        """The steps so far, in order."""
        return tuple(self._steps)
