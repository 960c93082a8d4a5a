"""Several optimizers share one budget."""

from pathlib import Path

import pytest
from towns import SPACE, World, make, start

from workbench.agents import AgentSpec
from workbench.core import Budget, BudgetExceeded
from workbench.lms import CallStore, scope
from workbench.optimize import Optimizer, Portfolio, RandomSearch, RetrievalSearch, Search, line_up, optimize

NAMES = ["labeled_few_shot", "nearest_demos", "random_search", "bootstrap_few_shot"]


def portfolio() -> Portfolio:
    """All that need no proposer."""
    return Portfolio(dict(zip(NAMES, make(NAMES), strict=True)))


def test_it_is_as_good_as_its_best_member(store: CallStore) -> None:
    """With an ample budget, and it joins what they find."""
    alone = [optimize(start(), [member], World().task).best.score or 0.0 for member in make(NAMES)]
    with scope(run="together"):
        together = optimize(start(), [portfolio()], World(store=store).task)

    assert (together.best.score or 0.0) >= max(alone)
    assert {"labeled_few_shot", "nearest_demos", "random_search"} <= {trial.origin for trial in together.trials}


@pytest.mark.parametrize("calls", [12, 20, 33, 50, 80, 140])
def test_the_budget_holds_whatever_it_is(calls: int, tmp_path: Path) -> None:
    """Never a call more, all paid answers kept, and the same winner when it is run again over them.

    On one thread: of several, which was in the last call of a part is theirs to decide.
    """
    world = World(budget=Budget(calls=calls), store=CallStore(tmp_path / "calls.db"), workers=1)
    with scope(run="once"):
        first = optimize(start(), [portfolio()], world.task)
    again = World(budget=Budget(calls=calls), store=CallStore(tmp_path / "calls.db"), workers=1)
    with scope(run="once"):
        second = optimize(start(), [portfolio()], again.task)

    assert calls >= world.calls == first.spent.calls
    assert 0 == again.calls
    assert (first.best.agent_digest, first.spent.calls) == (second.best.agent_digest, second.spent.calls)


class Hopeless:
    """Asks one thing after the other, as long as it may, and tries no candidate."""

    def __init__(self) -> None:
        self.furthest = 0

    def __call__(self, start: AgentSpec, search: Search) -> AgentSpec:
        """Never through."""
        agent = search.task.build(start)
        for number in range(1000):
            agent(f"How will the weather be in Nowhere {number}?")
            self.furthest = max(self.furthest, number + 1)
        return start


def test_budget_moves_to_what_pays(store: CallStore) -> None:
    """Who finds nothing has its part of the first round, and of the rest what is too little to try one more whole."""
    hopeless = Hopeless()

    def useful(start: AgentSpec, search: Search) -> AgentSpec:
        return RandomSearch(SPACE, candidates=12)(start, search)

    members: dict[str, Optimizer] = {"hopeless": hopeless, "useful": useful}
    world = World(budget=Budget(calls=80), store=store)
    with scope(run="moves"):
        outcome = optimize(start(), [Portfolio(members)], world.task)

    quarter = (80 - 12) // 4
    assert "random_search" == outcome.best.origin
    assert quarter <= hopeless.furthest < quarter + 12
    assert world.calls - 12 - hopeless.furthest > quarter


def test_what_is_drafted_races_together() -> None:
    """Whoever drafted them: candidates are dropped for a rival of another member, and a small budget still ends with a
    better agent that was tried on every case."""
    world = World(budget=Budget(calls=100))
    outcome = optimize(start(), [portfolio()], world.task)
    owner = {trial.agent_digest: trial.origin for trial in outcome.trials}
    dropped = [trial for trial in outcome.trials if trial.dropped is not None]

    assert outcome.best.complete
    assert "start" != outcome.best.origin
    assert any(trial.dropped and owner[trial.dropped.rival] != trial.origin for trial in dropped)


def test_who_searches_for_itself_has_a_part_beside_the_race() -> None:
    """The race of drafts takes no more than its share while somebody else waits, and goes on when nobody does."""
    hopeless = Hopeless()
    members: dict[str, Optimizer] = {**portfolio().members, "hopeless": hopeless}
    world = World(budget=Budget(calls=140))
    outcome = optimize(start(), [Portfolio(members)], world.task)

    assert (140 - 12) // 2 <= hopeless.furthest
    assert {"random_search", "nearest_demos"} <= {trial.origin for trial in outcome.trials}


def test_a_part_of_a_budget_is_not_the_budget() -> None:
    """A call beyond the part is refused, and afterwards there is more; the budget's own refusal stays."""
    world = World(budget=Budget(calls=30))
    search = Search(world.task, start())
    others = [start().model_copy(update={"layout": layout}) for layout in ("json", "documented")]
    with world.meter.part(Budget(calls=12)):
        search.attempt(start(), origin="start")
        assert 0 == world.meter.left().calls
        with pytest.raises(BudgetExceeded, match="of a part: budget 'calls': 13 would exceed the limit of 12"):
            search.attempt(others[0], origin="other")
    assert ("", 18) == (world.meter.refusal, world.meter.left().calls)

    search.attempt(others[0], origin="other")
    with world.meter.part(Budget(calls=100)), pytest.raises(BudgetExceeded):
        search.attempt(others[1], origin="other")
    assert "limit of 30" in world.meter.refusal


def test_who_asks_nothing_goes_first() -> None:
    """A portfolio begins with the retrieval that was tuned for nothing, and nearest demos race first."""
    names = ["random_search", "tune_retrieval", "nearest_demos"]
    first, together = line_up(names, SPACE, portfolio=True)

    assert isinstance(first, RetrievalSearch)
    assert isinstance(together, Portfolio)
    assert ["nearest_demos", "random_search"] == [*together.members]
    assert 3 == len(line_up(names, SPACE, portfolio=False))
