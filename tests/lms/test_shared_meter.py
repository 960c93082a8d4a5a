"""A budget holds for all processes together, and a dead one's reservations are freed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from asking import ask, engine, in_threads

from workbench.core import Budget, BudgetExceeded, LMError, Meter, Spend
from workbench.lms import CallStore, ScriptedEngine, SharedMeter, scope, totals

MakeMeter = Callable[[Budget, CallStore], Meter]
HOLD = """
import sys, time
from pathlib import Path
from workbench.core import Budget, Spend
from workbench.lms import CallStore, SharedMeter
meter = SharedMeter(Budget(calls=2), store=CallStore(Path(sys.argv[1])), name="search")
with meter.reserve(Spend(calls=2)):
    print("held", flush=True)
    time.sleep(60)
"""


def _shared(budget: Budget, store: CallStore) -> Meter:
    return SharedMeter(budget, store=store, name="search")


@pytest.mark.parametrize("make", [lambda budget, _store: Meter(budget), _shared])
@pytest.mark.parametrize("budget", [Budget(calls=30), Budget(tokens=900), Budget(usd=0.0009), Budget(seconds=40)])
def test_every_meter_holds_under_threads_and_counts_what_was_paid(
    tmp_path: Path, make: MakeMeter, budget: Budget
) -> None:
    """Calls that fail free what they held; after the end the meter, the ledger and the engine say the same."""
    store = CallStore(tmp_path / "calls.db")
    meter = make(budget, store)
    number = iter(range(10_000))

    def answer(prompt: str) -> str:
        if next(number) % 5 == 0:
            raise ConnectionError
        return prompt

    inner = ScriptedEngine(answer)
    accounted = engine(inner, store, meter)

    def work(thread: int) -> None:
        for turn in range(40):
            with scope(run="search"), suppress(ConnectionError, BudgetExceeded):
                accounted.complete(ask(f"question {thread} {turn}"))

    in_threads(work, 4)
    spent = meter.spent

    assert meter.refusal or budget.seconds
    assert (inner.calls, inner.prompt_tokens + inner.completion_tokens) == (spent.calls, spent.tokens)
    assert pytest.approx(totals(store.frame()).usd) == spent.usd
    assert pytest.approx(totals(store.frame()).seconds) == spent.seconds
    assert spent.calls <= (budget.calls or 10_000)
    assert spent.tokens <= (budget.tokens or 10_000)
    assert (spent.usd or 0) <= (budget.usd or 1)
    assert 0 < inner.calls == (budget.calls or inner.calls)


def test_two_processes_spend_from_one_budget(tmp_path: Path) -> None:
    """Two stores of one file, as two processes have: what one spends and holds the other can't."""
    one, other = (_shared(Budget(calls=3), CallStore(tmp_path / "calls.db")) for _ in range(2))
    assert isinstance(one, SharedMeter)
    with scope(run="search"):
        engine(lambda prompt: prompt, one.store, one).complete(ask("first"))
    with one.reserve(Spend(calls=1)):
        left = other.left().calls
        with other.reserve(Spend(calls=1)), pytest.raises(BudgetExceeded, match="'calls': 4 would exceed"):
            _hold(other)

    assert (1, 1, 1) == (left, one.spent.calls, other.spent.calls)
    assert 2 == other.left().calls


def _hold(meter: Meter) -> None:
    with meter.reserve(Spend(calls=1)):
        pass


def test_a_reservation_waits_for_another_process(tmp_path: Path) -> None:
    """What it holds may come back: then the call is not refused."""
    one, other = (_shared(Budget(calls=1), CallStore(tmp_path / "calls.db")) for _ in range(2))
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with one.reserve(Spend(calls=1)):
            held.set()
            free.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    threading.Timer(0.1, free.set).start()
    _hold(other)
    thread.join(10)

    assert "" == other.refusal


def test_what_a_killed_process_held_is_free(tmp_path: Path) -> None:
    """While it lives it is not; no other process has to be told."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "calls.db")], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    meter = _shared(Budget(calls=2), CallStore(tmp_path / "calls.db"))
    before = meter.left().calls
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    _hold(meter)

    assert (0, 2) == (before, meter.left().calls)


def test_budgets_of_other_names_are_apart(tmp_path: Path) -> None:
    """On one store; and what another budget, or none, paid for is free."""
    store = CallStore(tmp_path / "calls.db")
    one, other = (SharedMeter(Budget(calls=1), store=store, name=name) for name in ("a", "b"))
    engine(lambda prompt: prompt, store).complete(ask("free"))
    for meter, text in ((one, "one"), (other, "other")):
        accounted = engine(lambda prompt: prompt, store, meter)
        for asked in (text, "free", text):
            accounted.complete(ask(asked))

    assert [1, 1] == [one.spent.calls, other.spent.calls]
    assert [False, False, True, True, False, True, True] == store.frame()["cached"].to_list()
    assert ["", "a", "", "", "b", "", ""] == store.frame()["budget"].to_list()


@pytest.mark.parametrize("crash", [0, 1, 7, 19])
def test_a_search_goes_on_where_it_stood_and_with_a_higher_limit_continues(tmp_path: Path, crash: int) -> None:
    """A new process pays nothing twice, stops at the same call, and after a raise goes on from there."""
    asked: list[int] = []
    for budget, questions in ((Budget(calls=20), crash), (Budget(calls=20), 100), (Budget(calls=25), 100)):
        store = CallStore(tmp_path / "calls.db")
        inner = ScriptedEngine(lambda prompt: prompt)
        accounted = engine(inner, store, _shared(budget, store))
        with scope(run="search"), suppress(BudgetExceeded):
            for number in range(questions):
                accounted.complete(ask(f"question {number}"))
        asked.append(inner.calls)
        store.close()

    assert [crash, 20 - crash, 5] == asked


def test_what_an_earlier_process_paid_counts_even_if_nobody_comes_to_it_again(tmp_path: Path) -> None:
    """Against the limit at once; in what the search sees only when it comes to the same call, as without a crash."""
    store = CallStore(tmp_path / "calls.db")
    with scope(run="search"):
        for number in range(3):
            engine(lambda prompt: prompt, store, _shared(Budget(calls=3), store)).complete(ask(f"{number}"))
    store = CallStore(tmp_path / "calls.db")
    meter = SharedMeter(Budget(calls=4), store=store, name="search")
    seen = [(meter.spent.calls, meter.left().calls, meter.paid.calls)]
    accounted = engine(lambda prompt: prompt, store, meter)
    with scope(run="search"):
        for text in ("new", "1", "1"):
            accounted.complete(ask(text))
            seen.append((meter.spent.calls, meter.left().calls, meter.paid.calls))
        with pytest.raises(BudgetExceeded, match="'calls': 5 would exceed"):
            accounted.complete(ask("another"))

    assert [(0, 4, 3), (1, 3, 4), (2, 2, 4), (2, 2, 4)] == seen


def test_a_lower_limit_stops_a_search_among_the_calls_it_has(tmp_path: Path) -> None:
    """Where a search with that limit would have stopped."""
    for budget, expected in ((Budget(calls=5), 5), (Budget(calls=2), 2)):
        store = CallStore(tmp_path / "calls.db")
        accounted, answered = engine(lambda prompt: prompt, store, _shared(budget, store)), 0
        with scope(run="search"), suppress(BudgetExceeded):
            for number in range(9):
                accounted.complete(ask(f"{number}"))
                answered += 1
        assert expected == answered


def test_a_meter_of_another_store_is_refused(tmp_path: Path) -> None:
    """Its payments would not be seen, so nothing would hold."""
    meter = _shared(Budget(calls=1), CallStore(tmp_path / "one.db"))
    for store in (None, CallStore(tmp_path / "other.db")):
        with pytest.raises(LMError, match=r"budget 'search': is kept in '.*one.db'; use that call store"):
            engine(lambda prompt: prompt, store, meter)
