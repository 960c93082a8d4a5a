"""One of dspy's loops at work: in our context, within our budget, quiet, and its best kept when it is cut."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import dspy
from dspy.utils.callback import BaseCallback
from dspy.utils.exceptions import ContextWindowExceededError
from dspy.utils.exceptions import LMError as DspyLMError

from workbench.agents import Agent, AgentSpec, blamed, read_program
from workbench.core import (
    BudgetExceeded,
    Case,
    ConfigError,
    OptimizeError,
    Prediction,
    Usage,
    WorkbenchError,
    short,
)
from workbench.lms import EMBEDDED, scope
from workbench.optimize.quiet import quiet
from workbench.optimize.racing import Elimination
from workbench.optimize.reward import Refused, within_budget
from workbench.optimize.search import Search, Task

Loop = Callable[[Agent], dspy.Module]
"""Compiles an agent's module with one of dspy's optimizers."""


def improved(name: str, spec: AgentSpec, search: Search, loop: Loop) -> AgentSpec:
    """Let a loop compile the spec's module and try what it gives; what the next optimizer should start from.

    Of a loop that the budget cuts, the best candidate it has judged on every validation case is tried: its
    answers are paid already.
    Raises: BudgetExceeded if a call was refused; OptimizeError if a model or the loop failed.
    """
    agent = search.task.build(spec)
    seen = _Seen(search.task.val)
    try:
        with _at_work(name, agent, search.task, seen):
            found = loop(agent)
    except BudgetExceeded:
        if seen.best is not None:
            search.attempt(_taken(spec, agent, seen.best), origin=name)
        raise
    search.attempt(_taken(spec, agent, found), origin=name)
    return search.leader()


def drafted(name: str, spec: AgentSpec, task: Task, loop: Loop) -> AgentSpec:
    """What a loop that judges no candidate makes of the spec's module, untried.

    Raises: BudgetExceeded if a call was refused; OptimizeError if a model or the loop failed.
    """
    agent = task.build(spec)
    with _at_work(name, agent, task, _Seen(task.val)):
        found = loop(agent)
    return _taken(spec, agent, found)


def adviser(name: str, task: Task) -> dspy.LM:
    """The model that writes instructions for an optimizer.

    Raises: OptimizeError if the task has none; ConfigError if it can't write any.
    """
    if task.proposer is None:
        raise OptimizeError(f"{name}: needs a model that writes instructions; set optimize.proposer, or drop {name}")
    if task.proposer.model == EMBEDDED:
        raise ConfigError(
            f"{name}: the embedded base model continues text, it can't write instructions; "
            f"name another model in optimize.proposer, or drop {name}"
        )
    return task.proposer


def questions(cases: Sequence[Case]) -> list[dspy.Example]:
    """The cases as rows that ask and tell nothing, abstentions too: what a loop judges its candidates on."""
    return [dspy.Example(case_id=case.case_id, request=case.request).with_inputs("request") for case in cases]


@dataclass(frozen=True)
class Entrants:
    """Candidates of a loop that lets them race: known by the agents they are, and kept as trials of the search."""

    origin: str
    spec: AgentSpec
    agent: Agent
    search: Search

    def name(self, module: dspy.Module) -> str:
        """Digest of the agent with a candidate's demos and instructions."""
        return self.search.task.build(_taken(self.spec, self.agent, module)).digest

    def keep(
        self,
        module: dspy.Module,
        predictions: Sequence[dspy.Prediction],
        usages: Sequence[Usage],
        dropped: Elimination | None,
    ) -> None:
        """A candidate is dropped, or through: what it answered is a trial, and is not asked again."""
        said = (found if isinstance(found := one.get("prediction"), Prediction) else None for one in predictions)
        spec = _taken(self.spec, self.agent, module)
        self.search.keep(spec, [*zip(said, usages, strict=True)], origin=self.origin, dropped=dropped)


@contextmanager
def _at_work(name: str, agent: Agent, task: Task, seen: "_Seen") -> Iterator[None]:
    settings = dspy.context(
        lm=agent.lm,
        adapter=_Voices(agent),
        callbacks=[*dspy.settings.callbacks, seen],
        num_threads=1,
        disable_history=True,
    )
    with scope(candidate=f"{name} {short(agent.digest)}"), quiet(), within_budget(task.meter), settings:
        yield


def _taken(spec: AgentSpec, agent: Agent, module: dspy.Module) -> AgentSpec:
    """The spec with the demos and instructions of a compiled module; the spec itself if it brings none.

    What no prompt shows stays as it was: field texts, which COPRO rewrites, and predictors that are never asked.
    """
    taken, compiled = agent.module.deepcopy(), dict(module.named_predictors())
    for name in agent.module.asked:
        predictor, found = getattr(taken, name), compiled[name]
        predictor.demos = found.demos
        predictor.signature = predictor.signature.with_instructions(found.signature.instructions)
    program = read_program(taken)
    return spec if program == read_program(agent.module) else spec.model_copy(update={"program": program})


class _Seen(BaseCallback):  # type: ignore[misc]  # dspy is not typed
    """Watches a loop judge its candidates, and keeps the best of those that met every validation case."""

    def __init__(self, val: Sequence[Case]) -> None:
        self.best: dspy.Module | None = None
        self._score = float("-inf")
        self._all = sorted(case.case_id for case in val)
        self._judged: dict[str, dspy.Module] = {}

    def on_evaluate_start(self, call_id: str, instance: dspy.Evaluate, inputs: dict[str, object]) -> None:
        """A candidate begins to be judged."""
        rows = inputs.get("devset") or instance.devset
        if isinstance(rows, list) and sorted(row.get("case_id", "") for row in rows) == self._all:
            self._judged[call_id] = inputs["program"]

    def on_evaluate_end(
        self, call_id: str, outputs: dspy.Prediction | None, exception: BaseException | None = None
    ) -> None:
        """A candidate is judged, or the loop was cut; of equal ones the first stays."""
        program = self._judged.pop(call_id, None)
        if program is not None and outputs is not None and outputs.score > self._score:
            # A copy: COPRO goes on writing into the program it judges.
            self.best, self._score = program.deepcopy(), outputs.score


class _Voices(dspy.Adapter):  # type: ignore[misc]  # dspy is not typed
    """Puts the agent's questions in the agent's layout, and a loop's own questions in dspy's.

    The compact layout has one output field and no field descriptions; what dspy asks a proposer has both.
    A model that can't be asked ends the loop, whatever the loop would have made of it.
    """

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self._agent = agent.adapter
        self._fields = [_fields(predictor.signature) for predictor in agent.module.predictors()]
        self._loop = _Chat()

    def __call__(
        self,
        lm: dspy.LM,
        lm_kwargs: dict[str, object],
        signature: type[dspy.Signature],
        demos: list[dict[str, object]],
        inputs: dict[str, object],
    ) -> list[dict[str, object]]:
        """Ask one question.

        Raises: Refused if the budget is used up or the model fails.
        """
        adapter = self._agent if _fields(signature) in self._fields else self._loop
        try:
            answers: list[dict[str, object]] = adapter(lm, lm_kwargs, signature, demos, inputs)
        except ContextWindowExceededError:
            raise  # what is asked is too long: the fault of whoever asks it, and InferRules then asks for less
        except (DspyLMError, WorkbenchError) as cause:
            raise Refused(blamed(cause)) from cause
        return answers


class _Chat(dspy.ChatAdapter):  # type: ignore[misc]  # dspy is not typed
    """dspy's layout for chat models; an answer without field marks is the field, where only one is asked for."""

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, object]:
        """The fields of an answer."""
        names = list(signature.output_fields)
        if len(names) == 1 and signature.output_fields[names[0]].annotation is str and "[[ ## " not in completion:
            return {names[0]: completion.strip()}
        fields: dict[str, object] = super().parse(signature, completion)
        return fields


def _fields(signature: type[dspy.Signature]) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(signature.input_fields), frozenset(signature.output_fields)
