"""Two of MLflow's prompt optimizations at once in one process; a part of `benchmarks.isolation`, which runs it.

Each optimization has a prompt, a train set and a predict function of its own. The proposer is a function, so no model
is asked; what is asked to be evaluated is what `eval_fn` is given, and what is evaluated is what `PromptVersion.format`
then makes in the predict function.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import mlflow
from mlflow.genai.optimize.optimizers import GepaPromptOptimizer
from mlflow.genai.optimize.types import EvaluationResultRecord, PromptOptimizerOutput
from mlflow.genai.scorers import scorer

from benchmarks.forked import in_threads
from workbench.core import stream
from workbench.tracking import open_store

ROWS, METRIC_CALLS, AT_ONCE = 12, 40, 2
WORK_SECONDS = 0.01
Evaluate = Callable[[dict[str, str], list[dict[str, object]]], list[EvaluationResultRecord]]


class Watched(GepaPromptOptimizer):
    """GEPA as MLflow ships it, with the candidate that it is just evaluating written down."""

    def __init__(self, name: str) -> None:
        super().__init__(
            reflection_model="openai:/none",
            max_metric_calls=METRIC_CALLS,
            gepa_kwargs={"custom_candidate_proposer": self._propose},
        )
        self.name = name
        self.asked = ""
        """The candidate that is to be evaluated now."""
        self.evaluations = 0
        self.wrong = 0
        self._proposed = 0
        self._lock = threading.Lock()

    def optimize(
        self,
        eval_fn: Evaluate,
        train_data: list[dict[str, object]],
        target_prompts: dict[str, str],
        enable_tracking: bool = True,
    ) -> PromptOptimizerOutput:
        """As it is, but for what it asks to evaluate."""

        def watched(candidate: dict[str, str], batch: list[dict[str, object]]) -> list[EvaluationResultRecord]:
            self.asked = candidate[self.name]
            return eval_fn(candidate, batch)

        return super().optimize(watched, train_data, target_prompts, enable_tracking)

    def saw(self, text: str) -> None:
        """An evaluation with this prompt."""
        with self._lock:
            self.evaluations += 1
            self.wrong += not text.startswith(self.asked.partition("{{")[0])

    def _propose(self, candidate: dict[str, str], _reflective: object, names: Sequence[str]) -> dict[str, str]:
        self._proposed += 1
        return {name: f"{self.name} version {self._proposed}: {{{{question}}}}" for name in names}


@scorer
def any_score(outputs: str) -> float:
    """Draws a score by the answer's text, so that some candidates are accepted."""
    return stream(7, outputs).random()


def optimize_one(name: str) -> dict[str, int]:
    """One optimization; how many evaluations it made, and with how many wrong prompts."""
    prompt = mlflow.genai.register_prompt(name=name, template=f"{name} version 0: {{{{question}}}}")
    optimizer = Watched(name)

    def predict(question: str) -> str:
        text = str(prompt.format(question=question))
        optimizer.saw(text)
        time.sleep(WORK_SECONDS)
        return text

    rows = [{"inputs": {"question": f"number {n}"}, "outputs": "yes"} for n in range(ROWS)]
    mlflow.genai.optimize_prompts(
        predict_fn=predict,
        train_data=rows,
        prompt_uris=[prompt.uri],
        optimizer=optimizer,
        scorers=[any_score],
        enable_tracking=False,
    )
    return {"evaluations": optimizer.evaluations, "wrong": optimizer.wrong}


def _optimize_nth(round_number: int, number: int) -> dict[str, int]:
    return optimize_one(f"prompt_{round_number}_{number}")


def main(arguments: Sequence[str]) -> int:
    """Measure, and write what was found into the folder."""
    folder, rounds = Path(arguments[0]), int(arguments[1])
    os.environ["MLFLOW_GENAI_EVAL_MAX_WORKERS"] = "2"
    logging.disable(logging.WARNING)
    open_store(folder / "store")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/store/mlflow.db")
    mlflow.set_experiment("prompts")
    found = []
    for number in range(rounds):
        found += in_threads(partial(_optimize_nth, number), AT_ONCE)
    (folder / "found.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
