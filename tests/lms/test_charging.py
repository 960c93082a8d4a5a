"""Budgets: reserved before a model is asked, charged once, and the same after a crash."""

from pathlib import Path

import pytest
from asking import ask, engine
from dspy.lm15 import Config, Message, Request

from workbench.core import Budget, BudgetExceeded, Meter, Spend
from workbench.lms import AccountedEngine, CallStore, ScriptedEngine, scope


def test_a_budget_is_reserved_before_the_model_is_asked(tmp_path: Path) -> None:
    """The most a call could cost must fit: prompt in bytes, the longest answer, the time limit, the price."""
    for budget in (Budget(calls=0), Budget(tokens=60), Budget(seconds=1.9), Budget(usd=0.00006)):
        inner = ScriptedEngine(lambda _prompt: "yes")
        with pytest.raises(BudgetExceeded):
            engine(inner, CallStore(tmp_path / "calls.db"), Meter(budget)).complete(ask("x" * 50))
        assert 0 == inner.calls


def test_a_reservation_covers_whatever_the_provider_may_count() -> None:
    """Texts of every role and the output schema: a model that counts each byte of them as a token can't overshoot."""
    schema = {"type": "json_schema", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    request = Request(
        model="m",
        system="be brief é",
        messages=(Message.user("where?"), Message.assistant("there"), Message.user("sure?")),
        config=Config(max_tokens=20, response_format=schema),
    )
    texts = len("be brief éwhere?theresure?".encode()) + len(str(schema["schema"]))
    with pytest.raises(BudgetExceeded):
        engine(lambda _prompt: "x", None, Meter(Budget(tokens=texts + 20))).complete(request)


def test_a_reservation_in_dollars_grows_with_the_prompt() -> None:
    """However long a model's context is, and however short the prompt."""
    accounted = engine(lambda _prompt: "x", None, Meter(Budget(usd=0.2)))
    accounted.complete(ask("short"))

    with pytest.raises(BudgetExceeded, match="'usd'"):
        accounted.complete(ask("x" * 200_000))


def _search(accounted: AccountedEngine, questions: range) -> int:
    """Ask in order until the budget ends it; how many were answered."""
    with scope(run="search"):
        for count, number in enumerate(questions):
            try:
                accounted.complete(ask(f"question {number % 40} {'word ' * (number % 7)}"))
            except BudgetExceeded:
                return count
    return len(questions)


@pytest.mark.parametrize("crash", [0, 1, 7, 19])
@pytest.mark.parametrize("budget", [Budget(calls=20), Budget(tokens=700), Budget(usd=0.0007)])
def test_a_resumed_search_stops_where_an_undisturbed_one_would(tmp_path: Path, crash: int, budget: Budget) -> None:
    """A new process, the same store, run and budget: its own calls are charged again, and it ends at the same call."""
    undisturbed = engine(lambda prompt: prompt, CallStore(tmp_path / "alone.db"), Meter(budget))
    expected = _search(undisturbed, range(100))
    first = ScriptedEngine(lambda prompt: prompt)
    _search(engine(first, CallStore(tmp_path / "calls.db"), Meter(budget)), range(crash))
    second, meter = ScriptedEngine(lambda prompt: prompt), Meter(budget)
    resumed = _search(engine(second, CallStore(tmp_path / "calls.db"), meter), range(100))

    assert 0 < expected < 100
    assert expected == resumed
    assert min(crash, expected) == first.calls
    assert meter.spent.calls == first.calls + second.calls


def test_a_budget_is_charged_once_for_a_question(tmp_path: Path) -> None:
    """Its second asking, here or in a resumed run, is free."""
    store = CallStore(tmp_path / "calls.db")
    for _process in range(2):
        meter = Meter(Budget(calls=1))
        accounted = engine(lambda prompt: prompt, store, meter)
        with scope(run="search"):
            for _ in range(3):
                accounted.complete(ask("same"))
        assert 1 == meter.spent.calls


def test_what_another_run_paid_for_is_free(tmp_path: Path) -> None:
    """A budget is for what its own run pays."""
    store, meter = CallStore(tmp_path / "calls.db"), Meter(Budget(calls=1))
    with scope(run="earlier"):
        for number in range(5):
            engine(lambda prompt: prompt, store).complete(ask(f"{number}"))
    accounted = engine(lambda prompt: prompt, store, meter)
    with scope(run="search"):
        for number in range(5):
            accounted.complete(ask(f"{number}"))

    assert Spend() == meter.spent
    assert 5 == store.frame("search")["cached"].sum()
