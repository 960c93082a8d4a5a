"""dspy's SIMBA: where answers vary, the better one becomes a demo or a rule."""

from dataclasses import dataclass

import dspy
from dspy.teleprompt import SIMBA

from workbench.agents import Agent, AgentSpec
from workbench.core import integer
from workbench.optimize.fewshot import rows
from workbench.optimize.foreign import adviser, improved
from workbench.optimize.reward import graded
from workbench.optimize.search import Search


@dataclass(frozen=True)
class Simba:
    """SIMBA with our metric, our budget and our account of its calls.

    It samples answers at temperature 1 on small batches of training cases, and judges its last candidates on
    `cases` of them; validation it never sees. Cut by the budget, it has no candidate yet.
    Source: dspy.ai/api/optimizers/SIMBA, Stochastic Introspective Mini-Batch Ascent.
    """

    cases: int = 24
    """Training cases it draws its batches from."""
    batch: int = 8
    candidates: int = 3
    steps: int = 3
    demos: int = 4

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """One candidate: what SIMBA returns, tried by the shared evaluator.

        Raises: OptimizeError if the task has no proposer.
        """
        task = search.task
        proposer = adviser("simba", task)

        def loop(agent: Agent) -> dspy.Module:
            train = rows(task)[: self.cases]
            optimizer = SIMBA(
                metric=graded(task),
                bsize=min(self.batch, len(train)),
                num_candidates=self.candidates,
                max_steps=self.steps,
                max_demos=self.demos,
                prompt_model=proposer,
                num_threads=1,
            )
            student = agent.module.deepcopy()
            for predictor in student.predictors():  # of a thousand solved requests, only so many are ever shown
                predictor.demos = predictor.demos[: self.demos]
            return optimizer.compile(student, trainset=train, seed=integer(task.seed, "simba"))

        spec = start.model_copy(update={"demos": self.demos, "demo_choice": "fixed"})
        return improved("simba", spec, search, loop)
