"""A search lets candidates race: no answer is paid twice, and each ends as a trial, whole or with a reason."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import towns

from workbench.agents import AgentSpec
from workbench.core import Budget, BudgetExceeded, Meter, OptimizeError, Run, Usage
from workbench.lms import CallStore, LMSpec, scope
from workbench.optimize import Optimized, RandomSearch, Search, Space, optimize
from workbench.optimize.racing import Rules
from workbench.optimize.room import Need, covers, fits, longer, margin


def race(world: towns.World, candidates: int = 8) -> Optimized:
    """Candidates over twelve cases, with looks after 3, 5 and 8."""
    with scope(run=towns.RUN):
        return optimize(towns.start(), [RandomSearch(towns.SPACE, candidates=candidates, first_cases=3)], world.task)


def test_each_candidate_ends_as_one_trial(store: CallStore) -> None:
    """Those that were dropped say why; the others were tried whole, and the best of them wins."""
    found = race(towns.World(store=store))
    tried = found.trials[1:]

    assert 8 == len(tried) == len({trial.agent_digest for trial in tried})
    assert [trial.dropped is None for trial in tried] == [trial.complete for trial in tried]
    assert tuple(trial.dropped for trial in tried if not trial.complete) == found.dropped
    assert {3, 5, 8, 12} >= {trial.cases for trial in tried}
    assert len(found.dropped) >= 2
    assert (1.0, True) == (found.best.score, found.best.complete)
    for trial in found.trials:
        if trial.dropped is not None:
            assert (trial.agent_digest, trial.cases) == (trial.dropped.candidate, trial.dropped.cases)


def test_all_meet_the_same_cases_in_the_same_order_and_none_is_asked_twice(store: CallStore) -> None:
    """A candidate that was dropped met the first cases of those that the others met."""
    found = race(towns.World(store=store))
    ledger = store.frame(towns.RUN)
    met = [ledger.filter(ledger["candidate"] == trial.agent_digest[:12])["case_id"].to_list() for trial in found.trials]
    by_size = sorted(met, key=len)

    assert all(len(ids) == len(set(ids)) == trial.cases for ids, trial in zip(met, found.trials, strict=True))
    assert {line.case_id for line in towns.VAL} == set(by_size[-1])
    assert all(set(one) <= set(other) for one, other in pairwise(by_size))


def test_a_sampling_model_is_not_asked_the_same_again() -> None:
    """Where the second asking would be another question, a survivor keeps the answers of its first cases.

    Whole rounds are asked again only to choose between the best.
    """
    world = towns.World()
    start = towns.start().model_copy(update={"lm": LMSpec(model="scripted", temperature=1.0)})
    with scope(run=towns.RUN):
        found = optimize(start, [RandomSearch(towns.SPACE, candidates=4, first_cases=3)], world.task)

    last = {trial.agent_digest: trial for trial in found.trials}
    assert world.calls == sum(trial.cases * trial.repeats for trial in last.values())
    assert {trial.repeats for trial in found.trials if not trial.complete} <= {1}


@pytest.mark.parametrize("calls", [12, 23, 24, 30, 41, 60])
def test_the_budget_may_end_anywhere(calls: int, store: CallStore) -> None:
    """The best complete trial stands; where one whole candidate is affordable after the start, one is tried whole."""
    found = race(towns.World(store=store, budget=Budget(calls=calls)))
    complete = [trial for trial in found.trials if trial.complete]

    assert found.stopped.startswith("budget")
    assert "raise it" in found.stopped
    assert found.best in complete
    assert (len(complete) > 1) == (calls >= 24)
    assert found.spent.calls <= calls


def test_what_was_dropped_can_be_read_again(store: CallStore) -> None:
    """From the record alone."""
    found = race(towns.World(store=store))

    assert found == Optimized.model_validate_json(found.model_dump_json())
    assert all(one.reason.startswith(("beaten by", "behind")) for one in found.dropped)


def test_an_empty_space_is_refused(store: CallStore) -> None:
    """With what to add."""
    with pytest.raises(OptimizeError, match=r"random_search: the space names no knob; add some under optimize\.space"):
        optimize(towns.start(), [RandomSearch({})], towns.World(store=store).task)


def test_a_race_that_was_cut_goes_on_from_there() -> None:
    """With a higher budget only what was under way is asked again, although no store keeps answers.

    Who was dropped stays dropped.
    """
    world = towns.World(budget=Budget(calls=41))
    search, racing = Search(world.task, towns.start()), RandomSearch(towns.SPACE, candidates=6, first_cases=3)
    search.attempt(towns.start(), origin="start")
    with pytest.raises(BudgetExceeded):
        racing(towns.start(), search)
    cut, dropped = world.calls, {trial.agent_digest for trial in search.trials if trial.dropped}
    world.meter.budget = Budget(calls=1000)
    racing(towns.start(), search)
    last = {trial.agent_digest: trial for trial in search.trials}

    assert cut == 41
    assert 0 <= world.calls - sum(trial.cases for trial in last.values()) < len(towns.VAL) - 3
    assert dropped == {digest for digest in dropped if last[digest].dropped}
    assert all(trial.complete or trial.dropped for trial in last.values())


def test_no_more_enter_than_the_budget_carries(store: CallStore) -> None:
    """Eight on the first three cases alone would leave too little to try one whole: some are not tried at all.

    A larger budget lets the others in, and what was paid is not paid again.
    """
    small = race(towns.World(store=store, budget=Budget(calls=50)))
    tried = [trial for trial in small.trials[1:] if trial.cases]
    world = towns.World(store=store)
    large = race(world)

    assert 1 < len(tried) < 8
    assert any(trial.complete for trial in tried)
    assert (8, "") == (len(large.trials[1:]), large.stopped)
    assert world.calls == large.spent.calls - small.spent.calls


@pytest.mark.parametrize("dear_first", [False, True])
def test_who_turns_out_too_dear_leaves_the_budget_to_the_others(dear_first: bool) -> None:
    """What a candidate costs is seen on its first case; with nobody else it goes on."""
    space: Space = {"demos": [0, 8], "demo_choice": ["nearest"]}
    plain, dear = sorted(RandomSearch(space, candidates=2).draft(towns.start(), towns.World().task), key=demos)
    both = raced([dear, plain] if dear_first else [plain, dear], tokens=600)
    alone = raced([dear], tokens=600)

    assert {(0, 12), (8, 1)} == {(demos(one.spec), one.cases) for one in both.trials[1:]}
    assert (1, 1) == (len(both.left_out), both.full_races)
    assert (12, set()) == (alone.trials[-1].cases, alone.left_out)


def demos(spec: AgentSpec) -> int:
    """How many a candidate shows."""
    return spec.demos


def raced(specs: list[AgentSpec], *, tokens: int) -> Search:
    """A race of these alone, with so many tokens left at its start; a case takes about 24, or 65 with demos."""
    world = towns.World()
    search = Search(world.task, towns.start())
    with scope(run=towns.RUN):
        search.attempt(towns.start(), origin="start")
        paid = search.task.meter.spent.tokens
        # What a budget holds back for a call is more than this world's few words, so it is not held to one.
        search.task = replace(world.task, meter=Left(world.meter, paid + tokens))
        search.race(specs, origin="race", rules=Rules(first_cases=3))
    return search


class Left(Meter):
    """A meter that refuses nothing, and says what a budget would still have."""

    def __init__(self, meter: Meter, tokens: int) -> None:
        super().__init__(towns.AMPLE)
        self.real, self.tokens = meter, tokens

    def left(self) -> Budget:
        """Of the tokens."""
        return Budget(tokens=max(1, self.tokens - self.real.spent.tokens))


def test_what_is_left_of_longer_cases_costs_more() -> None:
    """Twice as long after the first two; never taken to be shorter, and unknown where nobody met them all."""
    usages = [Usage(calls=1, prompt_tokens=tokens) for tokens in (10, 10, 20, 20)]
    run = run_of(usages)

    assert (2.0, 1.0, 1.0) == (longer(run, 2), longer(run_of(usages[::-1]), 2), longer(None, 2))
    assert covers(Budget(calls=4, tokens=60), [Need(4, run)])
    assert not covers(Budget(calls=4, tokens=59), [Need(4, run)])
    assert not covers(Budget(calls=4), [Need(2, run), Need(3, run)])


def test_what_varies_may_cost_more() -> None:
    """Two further cases from four that vary: 1.645 standard deviations of their sum are held back."""
    even, uneven = (run_of([Usage(calls=1, prompt_tokens=tokens) for tokens in each]) for each in (EVEN, UNEVEN))
    spread = 1.6449 * math.sqrt(100 / 3 * (2 + 4 / 4)) / 20

    assert (0.0, 0.0) == (margin([Need(2, even)]), margin([Need(0, uneven)]))
    assert math.isclose(spread, margin([Need(2, uneven)]), rel_tol=1e-4)
    assert fits(Budget(tokens=40), [uneven], 2, 2, None)
    assert not fits(Budget(tokens=40), [uneven], 2, 2, None, surely=True)


EVEN, UNEVEN = (10, 10, 10, 10), (5, 15, 5, 15)


def run_of(usages: list[Usage]) -> Run:
    """A run of which only its cost matters."""
    (trial,) = towns_trial().runs.values()
    episodes = tuple(
        trial.episodes[0].model_copy(update={"case_id": f"{number}", "usage": usage})
        for number, usage in enumerate(usages)
    )
    return trial.model_copy(update={"episodes": episodes})


def towns_trial() -> Search:
    """A search that tried its start."""
    search = Search(towns.World().task, towns.start())
    with scope(run=towns.RUN):
        search.attempt(towns.start(), origin="start")
    return search
