"""dspy's InferRules: a model reads solved cases and writes down the rules they follow."""

from dataclasses import dataclass

import dspy
from dspy.teleprompt import InferRules

from workbench.agents import Agent, AgentSpec
from workbench.optimize.fewshot import rows
from workbench.optimize.foreign import adviser, improved, questions
from workbench.optimize.reward import graded
from workbench.optimize.search import Search


@dataclass(frozen=True)
class InferredRules:
    """InferRules with our metric, our budget and our account of its calls: bootstrapped demos, then rules.

    Source: dspy.ai/api/optimizers/InferRules.
    """

    cases: int = 24
    """Solved training cases the rules are read from."""
    candidates: int = 3
    """Sets of rules."""
    rules: int = 5
    """Rules in a set."""
    demos: int = 4

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """One candidate: what InferRules returns, tried once more by the shared evaluator.

        Raises: OptimizeError if the task has no proposer.
        """
        task = search.task
        proposer = adviser("infer_rules", task)

        def loop(agent: Agent) -> dspy.Module:
            optimizer = _InferRules(
                metric=graded(task),
                num_candidates=self.candidates,
                num_rules=self.rules,
                num_threads=1,
                max_bootstrapped_demos=self.demos,
                max_labeled_demos=0,
                max_errors=0,
            )
            optimizer.proposer = proposer
            return optimizer.compile(agent.module, trainset=rows(task)[: self.cases], valset=questions(task.val))

        spec = start.model_copy(update={"demos": self.demos, "demo_choice": "fixed"})
        return improved("infer_rules", spec, search, loop)


class _InferRules(InferRules):  # type: ignore[misc]  # dspy is not typed
    """dspy's loop, with a proposer of its own and rules that stay with their candidate."""

    proposer: dspy.LM

    def induce_natural_language_rules(self, predictor: dspy.Predict, trainset: list[dspy.Example]) -> str:
        """Rules in words. dspy lets the agent's own model write them, or else the proposer teach the demos as well."""
        with dspy.context(lm=self.proposer):
            return str(super().induce_natural_language_rules(predictor, trainset))

    def update_program_instructions(self, predictor: dspy.Predict, natural_language_rules: str) -> None:
        """Append the rules. dspy writes them into the signature class, which all candidates and agents share."""
        told = predictor.signature.instructions
        rules = f"Please adhere to the following rules when making your prediction:\n{natural_language_rules}"
        predictor.signature = predictor.signature.with_instructions(f"{told}\n\n{rules}")
