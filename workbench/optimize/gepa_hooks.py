"""GEPA's open hook: what it accepts has to hold its own in a race before it is tried on every validation case.

Give it to dspy.GEPA as `gepa_kwargs={"acceptance_criterion": RacingAcceptance(...)}`. GEPA by itself accepts whatever
does better on a minibatch of three, as many a candidate without any effect does, and then pays for all cases.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import dspy
from gepa.core.state import GEPAState
from gepa.proposer.base import CandidateProposal

from workbench.core import Case, digest_json
from workbench.optimize.racing import Elimination, Race, Rules, Runner, arrange, looks

Scores = Callable[[Mapping[str, str], Sequence[int]], Sequence[float]]
"""Scores of a candidate, given as the instructions of each predictor, on validation cases, given as places."""


@dataclass
class RacingAcceptance:
    """Accepts what did better on its minibatch and is not dropped on the way through the validation cases.

    The rival is the best candidate that GEPA has tried on all of them. What the race of an accepted one has asked is
    asked again when GEPA tries it on all cases: behind a call store that costs nothing. The calls for one that is
    dropped are added to those that GEPA has counted, so its own limit holds. Against one rival there is no proof to
    gather: who is dropped is behind, and alpha does not cover that.
    """

    cases: Sequence[Case]
    """The validation cases, in the order in which GEPA has them."""
    scores: Scores
    seed: int
    rules: Rules = field(default_factory=Rules)
    name: Callable[[Mapping[str, str]], str] = lambda candidate: digest_json(dict(candidate))
    on_drop: Callable[[Mapping[str, str], Elimination], None] = lambda _candidate, _gone: None
    dropped: list[Elimination] = field(default_factory=list)
    """What was dropped and why, in order; when it is proposed again, nothing is asked."""
    _reason: str = ""

    def should_accept(self, proposal: CandidateProposal[int], state: GEPAState[object, int]) -> bool:
        """Whether the candidate goes on to all cases."""
        before, after = (
            sum(part or ()) for part in (proposal.subsample_scores_before, proposal.subsample_scores_after)
        )
        if after <= before:
            self._reason = f"no better on its minibatch: {after:g} after {before:g}"
            return False
        name = self.name(proposal.candidate)
        if (known := next((one for one in self.dropped if one.candidate == name), None)) is not None:
            self._reason = known.reason
            return False
        gone = self._raced(proposal.candidate, state)
        if gone is None:
            return True
        state.increment_evals(gone.cases)
        self.dropped.append(gone)
        self.on_drop(proposal.candidate, gone)
        self._reason = gone.reason
        return False

    def reject_reason(self, _proposal: CandidateProposal[int], _state: GEPAState[object, int]) -> str:
        """Why the last one was not accepted."""
        return self._reason

    def _raced(self, candidate: Mapping[str, str], state: GEPAState[object, int]) -> Elimination | None:
        """Why the candidate was dropped; None if it was not."""
        arranged = arrange(self.cases, self.seed)
        place = {case.case_id: number for number, case in enumerate(self.cases)}
        order, clusters = [place[case.case_id] for case in arranged], [case.cluster for case in arranged]
        name, champion = self.name(candidate), self._champion(state, order)
        race, scores = Race(self.rules, clusters, [name]), list[float | None]()
        for number, after in enumerate(looks(clusters, self.rules.first_cases), 1):
            if after == len(order):
                return None
            scores += self.scores(candidate, order[len(scores) : after])
            gone = race.look(number, [Runner(name, scores, 0.0)], champion)
            if gone:
                return gone[0]
        return None

    def _champion(self, state: GEPAState[object, int], order: Sequence[int]) -> Runner | None:
        """The best of those that were tried on every case; the first of equals."""
        tried = [
            (-sum(scores.values()), number)
            for number, scores in enumerate(state.prog_candidate_val_subscores)
            if len(scores) == len(order)
        ]
        if not tried:
            return None
        number = min(tried)[1]
        scores = state.prog_candidate_val_subscores[number]
        return Runner(self.name(state.program_candidates[number]), [scores[place] for place in order], 0.0)


def rewritten(program: dspy.Module, candidate: Mapping[str, str]) -> dspy.Module:
    """A copy of the program with a candidate's instructions."""
    copied = program.deepcopy()
    for name, predictor in copied.named_predictors():
        if name in candidate:
            predictor.signature = predictor.signature.with_instructions(candidate[name])
    return copied


def program_scores(program: dspy.Module, rows: Sequence[dspy.Example], reward: Callable[..., float]) -> Scores:
    """How a program scores with a candidate's instructions, one case after the other; `rows` are GEPA's `valset`."""

    def scores(candidate: Mapping[str, str], places: Sequence[int]) -> list[float]:
        changed = rewritten(program, candidate)
        return [float(reward(rows[place], changed(**rows[place].inputs()))) for place in places]

    return scores
