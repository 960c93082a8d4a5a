"""dspy's optimizers as they come, and what each would return if it were stopped: a part of `benchmarks.frugality`."""

import contextlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import dspy
from dspy.teleprompt import BootstrapFewShotWithRandomSearch, Teleprompter
from dspy.utils.callback import BaseCallback

from benchmarks.simulated_task import METRIC
from workbench.agents import Agent, AgentSpec, examples
from workbench.core import Case, Episode, Meter
from workbench.evals import metric


class Step(NamedTuple):
    """From here on a searcher would return another candidate than before."""

    calls: int
    tokens: int
    spec: AgentSpec


@dataclass(frozen=True)
class Ground:
    """What a peer gets to work on."""

    agent: Agent
    """The start, on the model that answers."""
    program: dspy.Module
    train: Sequence[Case]
    val: Sequence[Case]
    proposer: dspy.LM
    meter: Meter
    seed: int
    spec_of: Callable[[dspy.Module], AgentSpec]
    """The candidate that a program stands for."""


@dataclass(frozen=True)
class Peer:
    """One of dspy's optimizers at one documented setting."""

    name: str
    kind: Literal["MIPROv2", "GEPA", "random search"]
    auto: Literal["light", "medium"] = "light"
    most: int | None = None
    """GEPA's metric calls, instead of what `auto` makes of it."""
    labeled: int = 16
    """Demos that random search fills up to with labelled cases."""
    programs: int = 16
    """Candidates that it bootstraps."""


LIGHT = Peer('MIPROv2(auto="light")', "MIPROv2")
FOUR = Peer("random search, 4 demos, 10 programs", "random search", labeled=4, programs=10)
PEERS = (
    LIGHT,
    Peer('MIPROv2(auto="medium")', "MIPROv2", "medium"),
    Peer('GEPA(auto="light")', "GEPA"),
    Peer("random search, as it comes", "random search"),
    FOUR,
)
"""Random search is `BootstrapFewShotWithRandomSearch`; with 4 demos and 10 programs as dspy's documentation has it."""


@dataclass
class Watch(BaseCallback):  # type: ignore[misc]  # dspy is not typed
    """Takes down when a candidate that was judged on all validation cases becomes the best so far.

    All three peers judge through `dspy.Evaluate` and return the first of the best, so this is what they would return.
    """

    meter: Meter
    cases: int
    spec_of: Callable[[dspy.Module], AgentSpec]
    steps: list[Step]
    score: float = float("-inf")
    _judged: dict[str, dspy.Module] = field(default_factory=dict)

    def on_evaluate_start(self, call_id: str, instance: dspy.Evaluate, inputs: dict[str, object]) -> None:
        """A candidate begins to be judged."""
        rows = inputs.get("devset") or instance.devset
        if isinstance(rows, list) and len(rows) == self.cases:
            self._judged[call_id] = inputs["program"]

    def on_evaluate_end(
        self, call_id: str, outputs: dspy.Prediction | None, exception: BaseException | None = None
    ) -> None:
        """A candidate is judged."""
        program = self._judged.pop(call_id, None)
        if program is not None and outputs is not None and outputs.score > self.score:
            self.score = outputs.score
            spent = self.meter.spent
            self.steps.append(Step(spent.calls, spent.tokens, self.spec_of(program)))


def run_peer(peer: Peer, ground: Ground, steps: list[Step]) -> AgentSpec:
    """What it returned; `steps` takes down what it would have returned from when on, even if it fails."""
    watch = Watch(ground.meter, len(ground.val), ground.spec_of, steps)
    with hushed(), ground.agent.speaking(), dspy.context(callbacks=[watch]):
        returned = _optimizer(peer, ground).compile(
            ground.program, trainset=examples(ground.train), valset=examples(ground.val)
        )
    return ground.spec_of(returned)


def _optimizer(peer: Peer, ground: Ground) -> Teleprompter:
    reward = _reward([*ground.train, *ground.val])
    if peer.kind == "GEPA":
        return dspy.GEPA(
            metric=reward,
            auto=peer.auto if peer.most is None else None,
            max_metric_calls=peer.most,
            reflection_lm=ground.proposer,
            num_threads=1,
            seed=ground.seed,
        )
    if peer.kind == "MIPROv2":
        return dspy.MIPROv2(
            metric=reward,
            auto=peer.auto,
            prompt_model=ground.proposer,
            task_model=ground.agent.lm,
            num_threads=1,
            seed=ground.seed,
        )
    return BootstrapFewShotWithRandomSearch(
        metric=reward, max_labeled_demos=peer.labeled, num_candidate_programs=peer.programs, num_threads=1
    )


def _reward(known: Sequence[Case]) -> Callable[..., float]:
    """The house's metric in the form that dspy's optimizers take."""
    score, cases = metric(METRIC), {case.case_id: case for case in known}

    def reward(example: dspy.Example, prediction: dspy.Prediction, *_more: object) -> float:
        case = cases[example.case_id]
        episode = Episode(case_id=case.case_id, prediction=prediction.prediction, milliseconds=0.0)
        return score(case, episode).value or 0.0

    return reward


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """In silence: dspy prints and logs as it goes."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
