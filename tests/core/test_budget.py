"""Budgets hold under threads: what is spent and what is held never exceed them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.core import Budget, BudgetExceeded, Meter, Spend, stream

COSTS = st.builds(
    Spend,
    calls=st.integers(0, 3),
    tokens=st.integers(0, 500),
    seconds=st.floats(0, 10, allow_nan=False),
    usd=st.one_of(st.none(), st.floats(0, 1, allow_nan=False)),
)
EXACT = COSTS.map(lambda cost: cost.model_copy(update={"seconds": 0.0, "usd": None if cost.usd is None else 0.0}))


def test_eight_threads_never_overshoot() -> None:
    """Random costs, each at most what was reserved, some failing: sampled all the time, the limits hold."""
    budget = Budget(calls=150, tokens=20_000, seconds=40.0, usd=2.0)
    meter = Meter(budget)
    paid: list[Spend] = []
    most_left: list[Budget] = []

    def work(number: int) -> None:
        random = stream(3, "meter", str(number))
        for _ in range(60):
            most = Spend(calls=1, tokens=random.randint(1, 400), seconds=random.random(), usd=random.random() / 20)
            cost = Spend(
                calls=1,
                tokens=random.randint(0, most.tokens),
                seconds=most.seconds * random.random(),
                usd=(most.usd or 0.0) * random.random(),
            )
            try:
                with meter.reserve(most) as actual:
                    most_left.append(meter.left())
                    time.sleep(random.random() / 2000)
                    if random.random() < 0.2:
                        raise ConnectionError
                    actual.append(cost)
                    paid.append(cost)
            except (BudgetExceeded, ConnectionError):
                continue

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    spent = meter.spent

    assert all(left.calls is not None and left.calls >= 0 for left in most_left)
    assert all(left.tokens is not None and left.tokens >= 0 for left in most_left)
    assert all(left.usd is not None and left.usd >= -1e-9 for left in most_left)
    assert (len(paid), sum(cost.tokens for cost in paid)) == (spent.calls, spent.tokens)
    assert pytest.approx(sum(cost.usd or 0.0 for cost in paid)) == spent.usd
    assert meter.refusal
    assert pytest.approx(budget.usd or 0) == (meter.left().usd or 0) + (spent.usd or 0)


@settings(max_examples=150, deadline=None)
@given(st.lists(COSTS, max_size=12), st.integers(0, 1500), st.floats(0, 30), st.one_of(st.none(), st.floats(0, 3)))
def test_a_refused_reservation_changes_nothing(
    costs: list[Spend], tokens: int, seconds: float, usd: float | None
) -> None:
    """Whatever came before: after a refusal spending and what is left are as they were, and within the budget."""
    meter = Meter(Budget(tokens=tokens, seconds=seconds, usd=usd))
    for cost in costs:
        before = meter.spent, meter.left()
        try:
            meter.charge(cost)
        except BudgetExceeded:
            refused = True
        else:
            refused = False
        assert refused == bool(meter.refusal)
        assert (before[0] if refused else before[0].plus(cost)) == meter.spent
        assert not refused or before[1] == meter.left()
        meter.refusal = ""
        assert meter.spent.tokens <= tokens
        assert meter.spent.seconds <= seconds or pytest.approx(seconds) == meter.spent.seconds


def test_a_reservation_is_held_until_it_is_settled() -> None:
    """While a call runs, another that would fit only without it is refused; afterwards it fits."""
    meter = Meter(Budget(tokens=100))
    with meter.reserve(Spend(calls=1, tokens=80)) as actual:
        with pytest.raises(BudgetExceeded, match="budget 'tokens': 110 would exceed the limit of 100"):
            meter.charge(Spend(tokens=30))
        assert 20 == meter.left().tokens
        actual.append(Spend(calls=1, tokens=10))

    meter.charge(Spend(tokens=90))
    assert (100, 0) == (meter.spent.tokens, meter.left().tokens)


def test_a_call_that_fails_frees_what_it_held() -> None:
    """Nothing is spent by an error, and everything is free again."""
    meter = Meter(Budget(calls=1))
    with pytest.raises(ConnectionError), meter.reserve(Spend(calls=1)):
        raise ConnectionError

    assert (0, 1) == (meter.spent.calls, meter.left().calls)


def test_a_limit_can_be_used_up_exactly() -> None:
    """A tenth ten times is one, also in binary; one more is refused."""
    meter = Meter(Budget(usd=1.0))
    for _ in range(10):
        meter.charge(Spend(usd=0.1))

    with pytest.raises(BudgetExceeded, match="'usd'"):
        meter.charge(Spend(usd=0.001))


def test_whole_numbers_are_held_exactly_however_large() -> None:
    """What is forgiven to sums of fractions is not forgiven to calls and tokens."""
    meter = Meter(Budget(tokens=2_000_000_000))
    meter.charge(Spend(tokens=2_000_000_000))

    with pytest.raises(BudgetExceeded, match="'tokens'"):
        meter.charge(Spend(tokens=1))


def test_an_unknown_price_is_refused_by_a_limit_in_dollars_only() -> None:
    """What can't be counted can't be held to; without that limit it may be spent, and stays unknown."""
    capped, free = Meter(Budget(usd=5.0)), Meter(Budget(calls=5))
    with pytest.raises(BudgetExceeded, match="price of this model is unknown"):
        capped.charge(Spend(calls=1, usd=None))
    free.charge(Spend(calls=1, usd=None))
    free.charge(Spend(calls=1, usd=1.0))

    assert Spend() == capped.spent
    assert (2, None) == (free.spent.calls, free.spent.usd)


def test_a_price_that_turns_out_unknown_ends_a_budget_in_dollars() -> None:
    """From then on nobody knows what is left, so nothing is: never the whole limit again."""
    meter = Meter(Budget(usd=5.0))
    with meter.reserve(Spend(calls=1, usd=0.5)) as actual:
        actual.append(Spend(calls=1, usd=None))

    assert 0.0 == meter.left().usd
    with pytest.raises(BudgetExceeded, match="unknown"):
        meter.charge(Spend(usd=0.1))


@given(st.lists(EXACT, max_size=6))
def test_sums_keep_unknown_unknown(costs: list[Spend]) -> None:
    """One unknown price makes the sum unknown, in any order; nothing is the zero of the sum."""
    forwards = backwards = Spend()
    for cost in costs:
        forwards = forwards.plus(cost)
        backwards = cost.plus(backwards)

    assert forwards == backwards
    assert any(cost.usd is None for cost in costs) == (forwards.usd is None)
    assert sum(cost.tokens for cost in costs) == forwards.tokens


def test_a_reservation_waits_for_calls_that_other_threads_have_under_way() -> None:
    """What another thread holds may come back: a call that fits then is not refused for coming too early."""
    meter = Meter(Budget(tokens=100))
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with meter.reserve(Spend(calls=1, tokens=80)) as actual:
            held.set()
            free.wait(10)
            actual.append(Spend(calls=1, tokens=10))

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)
    threading.Timer(0.05, free.set).start()
    meter.charge(Spend(tokens=90))
    other.join(10)

    assert 100 == meter.spent.tokens
