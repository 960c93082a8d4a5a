"""dspy's GEPA: a model reads what went wrong and rewrites the instructions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dspy
from dspy.teleprompt import GEPA
from dspy.teleprompt.gepa import InstructionProposer

from workbench.agents import Agent, AgentSpec
from workbench.core import Usage, integer
from workbench.lms import scope
from workbench.optimize.attempts import paid
from workbench.optimize.fewshot import rows
from workbench.optimize.foreign import Entrants, adviser, improved, questions
from workbench.optimize.gepa_hooks import RacingAcceptance, rewritten
from workbench.optimize.racing import Elimination, Rules
from workbench.optimize.reward import Reward, explained, graded
from workbench.optimize.search import Search


@dataclass(frozen=True)
class Gepa:
    """GEPA with our metric's reasons as its feedback; demos stay as they are, and what it accepts has to race.

    Source: Agrawal et al. 2025, GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning.
    """

    passes: int = 8
    """Passes over the validation cases that its answers may amount to; it looks up once a round, so it goes past
    this. The budget of the search is what holds."""
    minibatch: int = 3
    """Training cases read for one rewriting."""
    rules: Rules = field(default_factory=Rules)
    """When a candidate is dropped on its way through the validation cases."""

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """What it drops is a trial, with the reason; so is what it returns, tried once more by the shared evaluator.

        Raises: OptimizeError if the task has no proposer.
        """
        task = search.task
        proposer = adviser("gepa", task)

        def loop(agent: Agent) -> dspy.Module:
            racers = _Racers(Entrants("gepa", start, agent, search), questions(search.cases), graded(task))
            acceptance = RacingAcceptance(
                search.cases, racers.scores, task.seed, self.rules, name=racers.name, on_drop=racers.drop
            )
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
                gepa_kwargs={"acceptance_criterion": acceptance},
            )
            return optimizer.compile(agent.module, trainset=rows(task), valset=racers.rows)

        return improved("gepa", start, search, loop)


@dataclass
class _Racers:
    """What GEPA accepts, asked case by case; the answers of those that are dropped are kept."""

    entrants: Entrants
    rows: list[dspy.Example]
    reward: Reward
    _said: dict[tuple[str, int], tuple[dspy.Prediction, Usage]] = field(default_factory=dict)
    """By candidate and place."""

    def name(self, candidate: Mapping[str, str]) -> str:
        """Digest of the agent with these instructions."""
        return self.entrants.name(self._module(candidate))

    def scores(self, candidate: Mapping[str, str], places: Sequence[int]) -> list[float]:
        """Ask, and score."""
        module, name, found = self._module(candidate), self.name(candidate), list[float]()
        for place in places:
            with scope() as tally:
                prediction = module(**self.rows[place].inputs())
            self._said[name, place] = (prediction, paid(tally.calls()))
            found.append(self.reward(self.rows[place], prediction))
        return found

    def drop(self, candidate: Mapping[str, str], gone: Elimination) -> None:
        """It is out."""
        predictions, usages = zip(*(self._said[gone.candidate, place] for place in range(gone.cases)), strict=True)
        self.entrants.keep(self._module(candidate), predictions, usages, gone)

    def _module(self, candidate: Mapping[str, str]) -> dspy.Module:
        return rewritten(self.entrants.agent.module, candidate)
