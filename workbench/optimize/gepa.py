"""dspy's GEPA: a model reads what went wrong and rewrites the instructions."""

from dataclasses import dataclass

import dspy
from dspy.teleprompt import GEPA
from dspy.teleprompt.gepa import InstructionProposer

from workbench.agents import Agent, AgentSpec
from workbench.core import integer
from workbench.optimize.fewshot import rows
from workbench.optimize.foreign import adviser, improved, questions
from workbench.optimize.reward import explained
from workbench.optimize.search import Search


@dataclass(frozen=True)
class Gepa:
    """GEPA with our metric's reasons as its feedback; demos stay as they are.

    Source: Agrawal et al. 2025, GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning.
    """

    passes: int = 8
    """Passes over the validation cases that its answers may amount to; it looks up once a round, so it goes past
    this. The budget of the search is what holds."""
    minibatch: int = 3
    """Training cases read for one rewriting."""

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """One candidate: what GEPA returns, tried once more by the shared evaluator.

        Raises: OptimizeError if the task has no proposer.
        """
        task = search.task
        proposer = adviser("gepa", task)

        def loop(agent: Agent) -> dspy.Module:
            optimizer = GEPA(
                metric=explained(task),
                max_metric_calls=self.passes * len(task.val),
                reflection_minibatch_size=self.minibatch,
                reflection_lm=proposer,
                instruction_proposer=InstructionProposer(adapter=dspy.settings.adapter),
                # Round robin would give every other round to a predictor that is never asked.
                component_selector="all" if len(agent.module.asked) == 1 else "round_robin",
                num_threads=1,
                warn_on_score_mismatch=False,
                seed=integer(task.seed, "gepa") % 2**31,
            )
            return optimizer.compile(agent.module, trainset=rows(task), valset=questions(task.val))

        return improved("gepa", start, search, loop)
