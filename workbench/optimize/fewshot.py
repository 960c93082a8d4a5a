"""Few-shot optimizers: which solved requests a model is shown."""

from collections.abc import Sequence
from dataclasses import dataclass

import dspy
from dspy.teleprompt import BootstrapFewShot, LabeledFewShot

from workbench.agents import Agent, AgentSpec, examples, learned
from workbench.core import OptimizeError, stream
from workbench.optimize.foreign import drafted
from workbench.optimize.reward import graded
from workbench.optimize.search import Search, Task


@dataclass(frozen=True)
class LabeledDemos:
    """dspy's LabeledFewShot: a random few of the training cases, the same for every request."""

    demos: int = 4

    def draft(self, start: AgentSpec, task: Task) -> tuple[AgentSpec, ...]:
        """One candidate with `demos` fixed demos; no model is asked to make it."""
        spec = start.model_copy(update={"demos": self.demos, "demo_choice": "fixed"})
        module = task.build(spec).module
        compiled = LabeledFewShot(k=self.demos).compile(module, trainset=rows(task), sample=False)
        return (learned(spec, compiled),)

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Try the candidate."""
        return tried(self.draft(start, search.task), search, "labeled_few_shot")


@dataclass(frozen=True)
class NearestDemos:
    """The idea of dspy's KNNFewShot through our own index: for each request the training cases most like it."""

    demos: int = 4

    def draft(self, start: AgentSpec, task: Task) -> tuple[AgentSpec, ...]:
        """One candidate that holds every solved training case and shows the `demos` nearest ones."""
        return (taught(start, task).model_copy(update={"demos": self.demos, "demo_choice": "nearest"}),)

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Try the candidate."""
        return tried(self.draft(start, search.task), search, "nearest_demos")


@dataclass(frozen=True)
class BootstrappedDemos:
    """dspy's BootstrapFewShot: training cases that the agent itself solved, with what it then wrote.

    The teacher is the same agent, shown labelled cases other than the one it is asked.
    """

    demos: int = 4
    labeled: int = 0
    """Where fewer were solved, labelled cases fill up to so many."""

    def draft(self, start: AgentSpec, task: Task) -> tuple[AgentSpec, ...]:
        """One candidate with bootstrapped demos; the calls on training cases are paid from the budget."""
        spec = start.model_copy(update={"demos": max(self.demos, self.labeled), "demo_choice": "fixed"})

        def loop(agent: Agent) -> dspy.Module:
            train = rows(task)
            teacher = LabeledFewShot(k=spec.demos).compile(agent.module, trainset=train)
            optimizer = BootstrapFewShot(
                metric=graded(task),
                max_bootstrapped_demos=self.demos,
                max_labeled_demos=self.labeled,
                max_errors=0,
            )
            return optimizer.compile(agent.module, teacher=teacher, trainset=train)

        return (drafted("bootstrap_few_shot", spec, task, loop),)

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Try the candidate."""
        return tried(self.draft(start, search.task), search, "bootstrap_few_shot")


def tried(specs: Sequence[AgentSpec], search: Search, origin: str) -> AgentSpec:
    """Try candidates on every validation case; the best of the search."""
    for spec in specs:
        search.attempt(spec, origin=origin)
    return search.leader()


def rows(task: Task) -> list[dspy.Example]:
    """The training cases that show something, as dspy rows, in an order fixed by the seed.

    Raises: OptimizeError if there is none.
    """
    found = examples(task.train)
    if not found:
        raise OptimizeError("few-shot: no training case shows a call or an answer; enlarge the train split")
    stream(task.seed, "demos").shuffle(found)
    return found


def taught(spec: AgentSpec, task: Task) -> AgentSpec:
    """The spec with every solved training case in its program: what nearest demos and neighbours draw from."""
    module = task.build(spec).module
    getattr(module, module.taught).demos = rows(task)
    return learned(spec, module)
