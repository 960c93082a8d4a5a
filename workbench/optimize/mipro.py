"""dspy's MIPROv2: instructions and demos, searched together."""

from dataclasses import dataclass, field

import dspy
from dspy.teleprompt import MIPROv2

from workbench.agents import Agent, AgentSpec
from workbench.core import integer
from workbench.optimize.fewshot import rows
from workbench.optimize.foreign import Entrants, adviser, improved, questions
from workbench.optimize.mipro_hooks import Judged, RacingMetric
from workbench.optimize.racing import Rules
from workbench.optimize.reward import graded
from workbench.optimize.search import Search


@dataclass(frozen=True)
class Mipro:
    """MIPROv2 with our metric, our budget and our account of its calls; its candidates race against its best so far.

    Source: Opsahl-Ong et al. 2024, Optimizing Instructions and Demonstrations for Multi-Stage Language
    Model Programs. It needs a model that can write instructions; a base model can't, so it takes none as
    a default.
    """

    candidates: int = 4
    trials: int = 6
    demos: int = 4
    rules: Rules = field(default_factory=Rules)
    """When a candidate is dropped."""

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Each of its candidates is a trial, whole or dropped; what it returns is one of them.

        Raises: OptimizeError if the task has no proposer.
        """
        task = search.task
        proposer = adviser("mipro", task)
        spec = start.model_copy(update={"demos": self.demos, "demo_choice": "fixed"})

        def loop(agent: Agent) -> dspy.Module:
            entrants = Entrants("mipro", spec, agent, search)

            def keep(judged: Judged) -> None:
                entrants.keep(judged.program, judged.predictions, judged.usages, judged.dropped)

            metric = RacingMetric(search.cases, graded(task), rules=self.rules, name=entrants.name, on_end=keep)
            optimizer = MIPROv2(
                metric=metric,
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
            train, val = rows(task), questions(search.cases)
            with metric.at_work():
                return optimizer.compile(
                    agent.module, trainset=train, valset=val, num_trials=self.trials, minibatch=False
                )

        return improved("mipro", spec, search, loop)
