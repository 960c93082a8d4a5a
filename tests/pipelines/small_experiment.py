"""An experiment on eight tools, whose model answers by rule."""

import json
import time
from pathlib import Path

import dspy

from pipelines.order import Order
from pipelines.surroundings import Surroundings
from workbench.core import Case, Meter, ToolSpec, read_records
from workbench.datasets import BfclData
from workbench.lab import Bench, Progress, Workspace, read_experiment
from workbench.lms import CallStore, LMSpec, scripted_lm

FIRST_TOOLS = Path(__file__).parents[2] / "data" / "first_tools"
CASES = tuple(read_records(FIRST_TOOLS / "cases.jsonl", Case))
TOOLS = tuple(read_records(FIRST_TOOLS / "tools.jsonl", ToolSpec))
EXPERIMENT = """
question: Do solved examples help?
data: {train: 24, val: 10, test: 16, abstention: 0.2}
agent: {index: {retriever: bm25}, layout: documented}
optimize: {using: [nearest_demos], budget: {calls: 200}}
metrics: [task_success, tool_choice]
gate:
  - {metric: task_success, GATE}
seed: 7
"""


class Pupil:
    """A model that knows the arguments of a request once it is shown a solved one of the same tool."""

    def __init__(self, *, wait_seconds: float = 0.0) -> None:
        calls = [case for case in CASES if case.expected.kind == "call"]
        self.solved = {case.request: json.dumps(case.expected.example()) for case in calls}
        self.asked = 0
        self.wait_seconds = wait_seconds

    def __call__(self, prompt: str) -> str:
        time.sleep(self.wait_seconds)
        self.asked += 1
        if self.wait_seconds:
            print("asked\n", end="", flush=True)  # noqa: T201 - one write: threads would mix several
        tool = prompt.rsplit("Tool: ", 1)[1].split(":", maxsplit=1)[0]
        request = prompt.rsplit("Request: ", 1)[1].split("\nArguments:", maxsplit=1)[0]
        return self.solved.get(request, "{}") if prompt.count(f"Tool: {tool}:") > 1 else "{}"

    def connect(self, spec: LMSpec, *, store: CallStore | None = None, meter: Meter | None = None) -> dspy.LM:
        return scripted_lm(self, store=store, meter=meter)


def surround(folder: Path, gate: str, pupil: Pupil, progress: Progress) -> tuple[Order, Surroundings]:
    """An order in a folder, and surroundings in which its bench already has data and model."""
    file = folder / "small.yaml"
    file.write_text(EXPERIMENT.replace("GATE", gate))
    order = Order(path=str(file), workspace=str(folder / "mlruns"))
    bench = Bench(read_experiment(file), Workspace(Path(order.workspace), progress), connect=pupil.connect)
    bench.data = BfclData(cases=CASES, tools=TOOLS, offered={}, skipped=())
    return order, Surroundings(progress, pupil.connect, {order: bench})
