"""How many metric calls gepa makes of those it is allowed; a part of `benchmarks.budgets`."""

import contextlib
from collections.abc import Mapping, Sequence

from gepa.api import optimize
from gepa.core.adapter import EvaluationBatch, GEPAAdapter

from workbench.core import stream

LIMIT, CASES = 300, 100
SEED = 4


class _Adapter(GEPAAdapter[int, None, None]):
    """Counts the metric calls that gepa makes; longer instructions are a little better."""

    def __init__(self, seed: int) -> None:
        self.random = stream(SEED, "peer", str(seed))
        self.calls = 0

    def evaluate(
        self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False
    ) -> EvaluationBatch[None, None]:
        """A score for each."""
        self.calls += len(batch)
        chance = min(0.9, 0.3 + len(candidate["instructions"]) / 100)
        scores = [float(self.random.random() < chance) for _ in batch]
        traces = [None] * len(batch) if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=scores, trajectories=traces)

    def make_reflective_dataset(
        self, _candidate: dict[str, str], _batch: object, components: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """Nothing to say."""
        return {name: [{"Feedback": "longer"}] for name in components}

    def propose_new_texts(
        self, candidate: dict[str, str], _reflective: object, components: list[str]
    ) -> dict[str, str]:
        """A longer text."""
        return {name: candidate[name] + " more" for name in components}


def gepa_calls(seeds: int) -> list[int]:
    """Metric calls that gepa makes where `max_metric_calls` is 300, seed by seed."""
    counts = []
    for seed in range(seeds):
        adapter = _Adapter(seed)
        with contextlib.redirect_stdout(None):
            optimize(
                seed_candidate={"instructions": "answer"},
                trainset=list(range(100)),
                valset=list(range(CASES)),
                adapter=adapter,
                max_metric_calls=LIMIT,
                seed=seed,
            )
        counts.append(adapter.calls)
    return counts
