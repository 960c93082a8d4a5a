"""The benchmark's parts run small, and it would see an overshoot, a loss and a reservation nobody frees."""

from pathlib import Path

import pytest

from benchmarks import budgets as benchmark
from benchmarks.budget_leg import Leg, added, within
from benchmarks.drawn_costs import Simulated, ask, engine
from benchmarks.gepa_calls import LIMIT, gepa_calls
from workbench.core import Budget, Meter, Spend, stream
from workbench.lms import CallStore

SMALL = benchmark.Size(runs=4, continued=3, rounds=1, searches=1, peers=1)


@pytest.mark.parametrize("leg", [benchmark.threads, benchmark.continued, benchmark.searches])
def test_nothing_is_exceeded_and_nothing_is_lost(leg: benchmark.MakeLeg, tmp_path: Path) -> None:
    """A few runs of each kind; some are stopped, and something is paid."""
    found = leg(SMALL, tmp_path)

    assert found.met, found
    assert 0 < found.paid


@pytest.mark.parametrize(
    ("spent", "held"),
    [
        (Spend(calls=3, tokens=10, seconds=1.0, usd=0.1), True),
        (Spend(calls=4, tokens=10, seconds=1.0, usd=0.1), False),
        (Spend(calls=3, tokens=11, seconds=1.0, usd=0.1), False),
        (Spend(calls=3, tokens=10, seconds=1.0001, usd=0.1), False),
        (Spend(calls=3, tokens=10, seconds=1.0, usd=0.1 * (1 + 1e-12)), True),
    ],
)
def test_a_limit_is_held_to_the_last_unit(spent: Spend, held: bool) -> None:
    """Whole numbers exactly, fractions up to rounding."""
    assert held == within(spent, Budget(calls=3, tokens=10, seconds=1.0, usd=0.1))


def test_a_lost_and_an_unpaid_answer_are_seen(tmp_path: Path) -> None:
    """An answer that the model gave past the store is missed."""
    store = CallStore(tmp_path / "calls.db")
    model = Simulated(stream(1, "model"), 0.0, 0.0)
    engine(model, store, Meter(Budget())).complete(ask("kept, for sure?"))
    before = benchmark._lost(store, [model])
    model.complete(ask("past the store"))

    assert (0, 1) == (before, benchmark._lost(store, [model]))


@pytest.mark.parametrize("count", ["overshot", "lost", "idle"])
def test_one_of_many_is_enough(count: str) -> None:
    """The sum of legs is met only if each is."""
    fine = Leg(name="", runs=1, stopped=0, paid=1, overshot=0, lost=0)
    total = added("all", [fine, fine.model_copy(update={count: 1})])

    assert (2, 2, False, True) == (total.runs, total.paid, total.met, added("all", [fine, fine]).met)


def test_the_peer_is_counted() -> None:
    """By its adapter; it makes at least the calls it is allowed."""
    assert [LIMIT] <= gepa_calls(1)
