"""Random search drops the weaker half early and pays nothing twice."""

import pytest
import towns

from workbench.core import OptimizeError
from workbench.lms import CallStore, scope
from workbench.optimize import Optimized, RandomSearch, optimize


def halve(world: towns.World) -> Optimized:
    """Eight candidates on three cases, four on six, two on twelve."""
    with scope(run=towns.RUN):
        return optimize(towns.start(), [RandomSearch(towns.SPACE, candidates=8, first_cases=3)], world.task)


def test_half_survive_each_rung_until_all_cases_are_tried(store: CallStore) -> None:
    """Every rung doubles the cases; the survivors are the better ones of the rung before."""
    tried = halve(towns.World(store=store)).trials[1:]
    rungs = {cases: [trial for trial in tried if trial.cases == cases] for cases in (3, 6, 12)}

    assert {3: 8, 6: 4, 12: 2} == {cases: len(trials) for cases, trials in rungs.items()}
    assert [False] * 12 + [True] * 2 == [trial.complete for trial in tried]
    for cases in (3, 6):
        kept = {trial.agent_digest for trial in rungs[2 * cases]}
        worst_kept = min(trial.score or 0.0 for trial in rungs[cases] if trial.agent_digest in kept)
        best_dropped = max(trial.score or 0.0 for trial in rungs[cases] if trial.agent_digest not in kept)
        assert worst_kept >= best_dropped


def test_rungs_are_prefixes_and_survivors_are_paid_once(store: CallStore) -> None:
    """A candidate that survives meets the cases it knows, from the store, and new ones after them."""
    found = halve(towns.World(store=store))
    ledger = store.frame(towns.RUN)
    winner = ledger.filter(ledger["candidate"] == found.best.agent_digest[:12])
    rows = list(zip(winner["case_id"], winner["cached"], strict=True))

    ids = [case.case_id for case in towns.VAL]
    assert [sorted(ids[:3]), sorted(ids[:6]), sorted(ids)] == [
        sorted(case_id for case_id, _ in part) for part in (rows[:3], rows[3:9], rows[9:])
    ]
    assert sorted(ids) == sorted(case_id for case_id, cached in rows if not cached)


def test_the_budget_counts_a_survivors_call_once(store: CallStore) -> None:
    """What is found in the store costs nothing now."""
    world = towns.World(store=store)
    found = halve(world)

    assert world.calls == found.spent.calls


def test_an_empty_space_is_refused(store: CallStore) -> None:
    """With what to add."""
    with pytest.raises(OptimizeError, match=r"random_search: the space names no knob; add some under optimize\.space"):
        optimize(towns.start(), [RandomSearch({})], towns.World(store=store).task)
