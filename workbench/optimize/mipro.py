"""dspy's MIPROv2: instructions and demos, searched together."""

from dataclasses import dataclass

import dspy
from dspy.teleprompt import MIPROv2

from workbench.agents import Agent, AgentSpec
from workbench.core import integer
from workbench.optimize.fewshot import rows
from workbench.optimize.foreign import adviser, improved, questions
from workbench.optimize.reward import graded
from workbench.optimize.search import Search


@dataclass(frozen=True)
class Mipro:
    """MIPROv2 with our metric, our budget and our account of its calls.

    Source: Opsahl-Ong et al. 2024, Optimizing Instructions and Demonstrations for Multi-Stage Language
    Model Programs. It needs a model that can write instructions; a base model can't, so it takes none as
    a default.
    """

    candidates: int = 4
    trials: int = 6
    demos: int = 4

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """One candidate: what MIPROv2 returns, tried once more by the shared evaluator.

        Raises: OptimizeError if the task has no proposer.
        """
        task = search.task
        proposer = adviser("mipro", task)

        def loop(agent: Agent) -> dspy.Module:
            optimizer = MIPROv2(
                metric=graded(task),
                prompt_model=proposer,
                task_model=agent.lm,
                auto=None,
                num_candidates=self.candidates,
                max_bootstrapped_demos=self.demos,
                max_labeled_demos=self.demos,
                num_threads=1,
                max_errors=0,
                seed=integer(task.seed, "mipro") % 2**31,
            )
            val = questions(task.val)
            return optimizer.compile(
                agent.module, trainset=rows(task), valset=val, num_trials=self.trials, minibatch=False
            )

        spec = start.model_copy(update={"demos": self.demos, "demo_choice": "fixed"})
        return improved("mipro", spec, search, loop)
