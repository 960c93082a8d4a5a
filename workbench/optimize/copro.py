"""dspy's COPRO: instructions rewritten from a list of earlier ones and their scores."""

from dataclasses import dataclass

import dspy
from dspy.teleprompt import COPRO

from workbench.agents import Agent, AgentSpec
from workbench.optimize.foreign import adviser, improved, questions
from workbench.optimize.reward import graded
from workbench.optimize.search import Search


@dataclass(frozen=True)
class Copro:
    """COPRO with our metric, our budget and our account of its calls; demos stay as they are.

    It draws nothing by chance but what the proposer says, so it takes no seed.
    Source: Khattab et al. 2024, DSPy: Compiling Declarative Language Model Calls, coordinate ascent over prompts.
    """

    breadth: int = 4
    """Instructions in a round, the one it begins with among the first."""
    depth: int = 2
    """Rounds; each but the first is told how the earlier instructions did."""

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """One candidate: what COPRO returns, tried once more by the shared evaluator.

        Raises: OptimizeError if the task has no proposer.
        """
        task = search.task
        proposer = adviser("copro", task)

        def loop(agent: Agent) -> dspy.Module:
            optimizer = COPRO(
                prompt_model=proposer,
                metric=graded(task),
                breadth=self.breadth,
                depth=self.depth,
                init_temperature=1.0,  # its own 1.4 is more than some providers take
            )
            # What it calls training only scores: it reads no case.
            return optimizer.compile(agent.module, trainset=questions(task.val), eval_kwargs={"num_threads": 1})

        return improved("copro", start, search, loop)
