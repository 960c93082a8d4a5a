"""MIPROv2's open hooks: what can't win any more is asked nothing more, and MIPROv2 is not changed.

MIPROv2 itself has no way to end an evaluation: it makes its own `dspy.Evaluate`, which meets all rows whatever happens,
and an error counts as a score of 0. What is open are the metric, dspy's callbacks and dspy's adapter, and these three
are enough: the callback says which candidate is judged, the metric lets it race, and once it is dropped the adapter
answers in the model's place, without a call, until the rows are through. Its minibatches are left off: they are other
cases for each candidate, and who meets other cases is in another race.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import dspy
from dspy.utils.callback import BaseCallback

from workbench.agents import read_program
from workbench.core import Case, Usage
from workbench.lms import Call, Tally, scope
from workbench.optimize.attempts import paid
from workbench.optimize.racing import Elimination, Race, Rules, Runner, looks


@dataclass
class Judged:
    """A program, and what came of it case by case, in the order of the race."""

    program: dspy.Module
    name: str
    scores: list[float] = field(default_factory=list)
    predictions: list[dspy.Prediction] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    dropped: Elimination | None = None

    @property
    def runner(self) -> Runner:
        """As it stands in a race."""
        return Runner(self.name, self.scores, sum(usage.tokens for usage in self.usages) / max(1, len(self.usages)))


def ignore(_judged: Judged) -> None:
    """Nobody wants to know."""


@dataclass
class RacingMetric(BaseCallback):  # type: ignore[misc]  # dspy is not typed
    """A metric for MIPROv2 that drops whoever has too little chance to come out ahead of its best so far.

    Such a one is behind on these cases, which alpha does not cover; the rules' `futility` says what is too little.
    Compile inside `at_work` with `minibatch=False`, `num_threads=1` and rows that bear the `case_id` of `cases`, in
    their order. MIPROv2 is told of a dropped candidate what it scored, and on the cases that it never met what the
    best scored there: as good as the best from there on is what the race takes it for, so it never comes out best. A
    program that comes again is not asked again. A program has to bear empty answers, as an agent does.
    """

    cases: Sequence[Case]
    """The validation cases as `arrange` gives them."""
    reward: Callable[..., float]
    """Score in [0, 1] of an example and a prediction."""
    rules: Rules = field(default_factory=Rules)
    name: Callable[[dspy.Module], str] = lambda program: read_program(program).digest
    on_end: Callable[[Judged], None] = ignore
    """Told of each candidate when it is dropped or through."""
    _known: dict[str, Judged] = field(default_factory=dict)
    _best: Judged | None = None
    _current: Judged | None = None
    _asked: list[Call] = field(default_factory=list)

    @property
    def dropped(self) -> list[Elimination]:
        """What was dropped and why, in order."""
        return [judged.dropped for judged in self._known.values() if judged.dropped is not None]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Stand between whatever is asked in here and its model."""
        gate = _Gate(dspy.settings.adapter or dspy.ChatAdapter(), self)
        with dspy.context(adapter=gate, callbacks=[*dspy.settings.callbacks, self]):
            yield

    @property
    def asks(self) -> bool:
        """Whether the next question goes to a model: not if the race is over for the program that is judged."""
        judged = self._current
        return judged is None or (judged.dropped is None and len(judged.scores) < len(self.cases))

    def on_evaluate_start(self, call_id: str, instance: dspy.Evaluate, inputs: dict[str, object]) -> None:
        """A candidate begins to be judged."""
        rows = inputs.get("devset") or instance.devset
        if not isinstance(rows, list) or [row.get("case_id") for row in rows] != [*self._places]:
            return
        program: dspy.Module = inputs["program"]
        name = self.name(program)
        self._current, self._asked = self._known.setdefault(name, Judged(program, name)), []

    def on_evaluate_end(
        self, call_id: str, outputs: dspy.Prediction | None, exception: BaseException | None = None
    ) -> None:
        """It is judged, or the loop was cut."""
        self._current = None

    def __call__(self, example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
        """The score of a prediction."""
        judged, place = self._current, self._places.get(example.get("case_id"))
        if judged is None or place is None:
            return self.reward(example, prediction, trace)
        if place < len(judged.scores):
            return judged.scores[place]
        if judged.dropped is not None and self._best is not None:
            return self._best.scores[place]
        judged.scores.append(self.reward(example, prediction, trace))
        judged.predictions.append(prediction)
        judged.usages.append(paid(self._asked))
        self._asked = []
        self._look(judged)
        return judged.scores[place]

    def listen(self, tally: Tally) -> None:
        """A question was answered, at this cost; what the call store answered counts as if it had been paid now."""
        self._asked += tally.calls()

    def _look(self, judged: Judged) -> None:
        met = len(judged.scores)
        if met in self._looks and self._best is not None:
            gone = Race(self.rules, self._clusters, [judged.name]).look(
                1 + self._looks.index(met), [judged.runner], self._best.runner
            )
            judged.dropped = gone[0] if gone else None
        if judged.dropped is None and met < len(self.cases):
            return
        if judged.dropped is None and (self._best is None or sum(judged.scores) > sum(self._best.scores)):
            self._best = judged
        self.on_end(judged)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {case.case_id: place for place, case in enumerate(self.cases)}

    @cached_property
    def _clusters(self) -> list[str]:
        return [case.cluster for case in self.cases]

    @cached_property
    def _looks(self) -> tuple[int, ...]:
        return looks(self._clusters, self.rules.first_cases)


class _Gate(dspy.Adapter):  # type: ignore[misc]  # dspy is not typed
    """Asks through another adapter, or says nothing where an answer would change nothing."""

    def __init__(self, inner: dspy.Adapter, metric: RacingMetric) -> None:
        super().__init__()
        self._inner = inner
        self._metric = metric

    def __call__(
        self,
        lm: dspy.LM,
        lm_kwargs: dict[str, object],
        signature: type[dspy.Signature],
        demos: list[dict[str, object]],
        inputs: dict[str, object],
    ) -> list[dict[str, object]]:
        """One question, asked or not."""
        if not self._metric.asks:
            return [dict.fromkeys(signature.output_fields, "")]
        with scope() as tally:
            answers: list[dict[str, object]] = self._inner(lm, lm_kwargs, signature, demos, inputs)
        self._metric.listen(tally)
        return answers
